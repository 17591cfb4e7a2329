import { execFile } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const root = join(import.meta.dirname, "..");

export interface Manifest {
  name: string;
  version: string;
  private?: boolean;
  exports?: Record<string, string | { "@polywire/source": string }>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

/** The folders of the packages that are published, relative to the root. */
export function publishedFolders(): string[] {
  return globSync("{packages,apps}/*/package.json", { cwd: root })
    .map((file) => file.replace("/package.json", ""))
    .filter((folder) => manifestOf(folder).private !== true)
    .toSorted();
}

export function manifestOf(folder: string, workspace: string = root): Manifest {
  return JSON.parse(readFileSync(join(workspace, folder, "package.json"), "utf8"));
}

/** A folder of its own for one test, removed with all that is in it. */
export async function scratchFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "polywire-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("the server had no port");
  return address.port;
}

/** Runs a command to its end with the workspace's own tools first on the path; a failure carries all it printed. */
export async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const path = `${join(root, "node_modules/node/bin")}:${join(root, "node_modules/.bin")}:${process.env["PATH"]}`;
  const env = { ...process.env, PATH: path, TURBO_TELEMETRY_DISABLED: "1" };
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd, env, timeout: 100_000, maxBuffer: 2 ** 24 });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed\n${stdout ?? ""}\n${stderr ?? ""}`, { cause: error });
  }
}
