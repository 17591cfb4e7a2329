// The workspace's commands, behind `npm start`, `npm test` and the others: `node scripts/run.js <task> [arguments]`.
// Plain JavaScript without dependencies, for any Node since 20: it runs before anything is installed. What it starts runs on
// the workspace's own Node, which comes with the install.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..");
const nodeFolder = join(root, "node_modules/node/bin");
const node = join(nodeFolder, "node");
const stamp = join(root, "node_modules/.installed");

const endSignals = ["SIGTERM", "SIGINT", "SIGHUP"];
const tasks = { start, polywire, test, build, check, package: packAll, bench };

/** Runs a command to its end and answers its exit code. The signals that ask for an end go on to it. */
function run(command, args, { detached = false, quiet = false } = {}) {
  const child = spawn(command, args, {
    cwd: root,
    detached,
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    env: {
      ...process.env,
      PATH: [nodeFolder, join(root, "node_modules/.bin"), process.env.PATH].join(delimiter),
      TURBO_TELEMETRY_DISABLED: "1",
    },
  });
  // What a quiet command prints matters only when it fails.
  const printed = [];
  child.stdout?.on("data", (chunk) => printed.push(chunk));
  child.stderr?.on("data", (chunk) => printed.push(chunk));
  // One Ctrl-C arrives twice, from the terminal and from npm, and a second signal means "at once" to the server.
  let lastSignalAt = Number.NEGATIVE_INFINITY;
  const forward = (signal) => {
    const now = performance.now();
    if (now - lastSignalAt < 300) return;
    lastSignalAt = now;
    child.kill(signal === "SIGHUP" ? "SIGTERM" : signal);
  };
  for (const signal of endSignals) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      for (const each of endSignals) process.off(each, forward);
      if (code !== 0) process.stderr.write(Buffer.concat(printed));
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** Runs a command that has to succeed. */
async function must(command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) process.exit(code);
}

/** Runs every step, however the ones before ended, and answers 0 if all succeeded. */
async function all(title, steps) {
  const failed = [];
  for (const [name, command, ...args] of steps) {
    console.log(`\n── ${name}`);
    const code = await run(command, args);
    if (code > 128) process.exit(code); // a signal, meant for all of it
    if (code !== 0) failed.push(name);
  }
  console.log(
    failed.length === 0
      ? `\n${title}: ${steps.length} of ${steps.length} steps passed`
      : `\n${title}: failed: ${failed.join(", ")}`,
  );
  return failed.length === 0 ? 0 : 1;
}

/** The folders of the packages and apps, relative to the root. */
function workspaceFolders() {
  return ["packages", "apps", "examples"]
    .flatMap((parent) => readdirSync(join(root, parent)).map((name) => `${parent}/${name}`))
    .filter((folder) => existsSync(join(root, folder, "package.json")));
}

/** Whether the compiler checks the folder as part of the workspace. */
function isProject(folder) {
  return existsSync(join(root, folder, "tsconfig.json")) && !folder.startsWith("examples/protocol-");
}

function manifest(folder) {
  return JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
}

/** Installs what the lockfile says, unless that is what is installed. */
async function install() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  const inputs = ["package.json", ...workspaceFolders().map((folder) => `${folder}/package.json`)];
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...inputs]) hash.update(readFileSync(join(root, file)));
  const wanted = hash.digest("hex");
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  await must("npx", ["--yes", manifest(".").packageManager, "install", "--frozen-lockfile"]);
  writeFileSync(stamp, wanted);
}

/** Builds what changed: turbo keeps the results by the hash of their sources. */
async function build(args) {
  await must("turbo", ["run", "build", "--output-logs=errors-only", ...args], { quiet: true });
  return 0;
}

/** The workspace's `polywire`, built. */
async function polywireCommand() {
  await build(["--filter=@polywire/server"]);
  return join(root, "apps/server", manifest("apps/server").bin.polywire);
}

async function start(args) {
  return run(node, [await polywireCommand(), "serve", ...args], { detached: true });
}

async function polywire(args) {
  return run(node, [await polywireCommand(), ...args]);
}

function test(args) {
  return run("vitest", ["run", ...args]);
}

function check() {
  const folders = workspaceFolders().flatMap((folder) => [folder, `${folder}/test`]);
  // What a stranger installs for themselves is checked where it is installed: in a test.
  const projects = [".", ...folders.filter((folder) => isProject(folder))];
  return all("check", [
    ["format", "biome", "check", "--error-on-warnings"],
    ["lint", "oxlint", "--type-aware", "--deny-warnings"],
    ...projects.map((project) => [`types: ${project}`, "tsc", "--noEmit", "-p", project]),
    ["imports", "turbo", "boundaries"],
    ["unused", "knip"],
    ["security floors", node, "scripts/security-floors.js"],
  ]);
}

/** Packs every public package as a release does and judges the tarballs. They stay in `.packed`. */
async function packAll() {
  await build([]);
  const folder = join(root, ".packed");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const steps = [];
  for (const publishable of workspaceFolders().filter((each) => !manifest(each).private)) {
    await must("pnpm", ["--dir", publishable, "pack", "--pack-destination", folder], { quiet: true });
    const { name, version, exports } = manifest(publishable);
    const tarball = join(folder, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
    // A file that is exported as it is has no types to judge.
    const files = Object.keys(exports).filter((subpath) => typeof exports[subpath] === "string");
    const excluded = files.length > 0 ? ["--exclude-entrypoints", ...files] : [];
    steps.push([`publint ${name}`, "publint", "--strict", tarball]);
    steps.push([`attw ${name}`, "attw", tarball, "--profile", "esm-only", ...excluded]);
  }
  return all("package", steps);
}

async function bench(args) {
  await build([]);
  return run("pnpm", ["--dir", "apps/bench", "run", "bench", ...args]);
}

const [name, ...args] = process.argv.slice(2);
const task = Object.hasOwn(tasks, name ?? "") ? tasks[name] : undefined;
if (task === undefined) {
  console.error(`usage: node scripts/run.js ${Object.keys(tasks).join("|")} [arguments]`);
  process.exit(2);
}
await install();
process.exitCode = await task(args);
