import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { install, pack } from "./tarballs.ts";
import { freePort, manifestOf, root, run, scratchFolder } from "./workspace.ts";

// What a user gets: tarballs, installed by plain npm into an empty folder.
const packed = [
  "packages/core",
  "packages/tcp",
  "packages/ws",
  "packages/realtime",
  "packages/dialect-centrifuge",
  "packages/auth-jwt",
  "packages/log",
  "packages/metrics",
];
const tarballs = new Map<string, string>();
let tarballFolder: AsyncDisposable | undefined;

beforeAll(async () => {
  const folder = await scratchFolder();
  tarballFolder = folder;
  await run(root, "turbo", "run", "build", "--filter=./packages/*", "--output-logs=errors-only");
  for (const each of packed) tarballs.set(each, await pack(join(root, each), folder.path));
});
afterAll(() => tarballFolder?.[Symbol.asyncDispose]());

test("the README's server, installed from tarballs, compiles and serves an unmodified SDK", async () => {
  await using project = await scratchFolder();
  await install(project.path, ...tarballs.values(), "centrifuge@5.8.0");
  const port = await freePort();
  writeFileSync(join(project.path, "server.ts"), firstExample("README.md").replaceAll(":8000", `:${port}`));
  writeFileSync(join(project.path, "client.js"), chatClient(port));

  await run(project.path, "tsc", ...compilerOptions, "server.ts");
  await using server = startNode(project.path, "server.ts");
  const heard = await Promise.race([run(project.path, "node", "client.js"), server.ended]);

  expect(heard).toBe("joined chat:room\nheard hello\n");
});

test("the tokens' example, installed from tarballs, compiles and runs", async () => {
  await using project = await scratchFolder();
  const own = ["packages/core", "packages/realtime", "packages/auth-jwt"].map((each) => tarballs.get(each) ?? "");
  await install(project.path, ...own);
  writeFileSync(join(project.path, "tokens.ts"), firstExample("packages/auth-jwt/README.md"));

  await run(project.path, "tsc", ...compilerOptions, "tokens.ts");
  expect(await run(project.path, "node", "tokens.ts")).toContain("problem: 'wrong-channel'");
});

test("the figures' example, installed from tarballs, compiles and runs without OpenTelemetry; observing needs its API alone", async () => {
  await using project = await scratchFolder();
  const own = ["packages/core", "packages/log", "packages/metrics"].map((each) => tarballs.get(each) ?? "");
  await install(project.path, ...own);
  writeFileSync(join(project.path, "figures.ts"), firstExample("packages/metrics/README.md"));
  writeFileSync(join(project.path, "log.ts"), firstExample("packages/log/README.md"));

  await run(project.path, "tsc", ...compilerOptions, "figures.ts", "log.ts");
  expect(await run(project.path, "node", "figures.ts")).toContain("# TYPE polywire_connection_opened_total counter\n");
  expect(await run(project.path, "node", "log.ts")).toContain("INFO | network | connection opened\n");

  await install(project.path, ...own, "@opentelemetry/api@1.10.0");
  const observed = `
    import { metrics } from "@opentelemetry/api";
    import { Network } from "@polywire/core";
    import { memory } from "@polywire/core/memory";
    import { observe } from "@polywire/metrics/opentelemetry";
    const end: () => void = observe(metrics.getMeter("shop"), new Network({ protocols: [memory()] }));
    end();
    console.log("observed");
  `;
  writeFileSync(join(project.path, "observed.ts"), observed);
  await run(project.path, "tsc", ...compilerOptions, "observed.ts");
  expect(await run(project.path, "node", "observed.ts")).toBe("observed\n");
});

test("core and one protocol alone, installed from tarballs, survive a lost link and say how good the network is", async () => {
  await using project = await scratchFolder();
  await install(project.path, tarballs.get("packages/core") ?? "", tarballs.get("packages/tcp") ?? "");
  writeFileSync(join(project.path, "losing.ts"), examplesIn("packages/tcp/README.md")[1] ?? "");

  await run(project.path, "tsc", ...compilerOptions, "losing.ts");
  const told = await run(project.path, "node", "losing.ts");
  expect(told).toBe(
    "quality: unknown to excellent\nquality: excellent to unknown\nlost, and will be back\nback\nover\n",
  );
});

test("npm refuses an old plugin beside the core of a later minor version, and names the range", async () => {
  await using project = await scratchFolder();
  const newer = await packNewerCore(project.path);
  const attempt = install(project.path, newer, tarballs.get("packages/ws") ?? "");
  await expect(attempt).rejects.toThrow(/ERESOLVE[\s\S]*peer @polywire\/core@/);
});

test("an old plugin forced beside a newer core works while the contract is the same, and is refused by name when it is not", async () => {
  await using project = await scratchFolder();
  const newer = await packNewerCore(project.path);
  await install(project.path, "--legacy-peer-deps", newer, tarballs.get("packages/ws") ?? "");
  const script = `
    import { Network } from "@polywire/core";
    import { ws } from "@polywire/ws";
    try { new Network({ protocols: [ws()] }); console.log("accepted"); } catch (error) { console.log(error.code, error.message); }
  `;
  const check = (): Promise<string> => run(project.path, "node", "--input-type=module", "--eval", script);
  expect(await check()).toBe("accepted\n");

  for (const file of globSync("node_modules/@polywire/core/dist/*.js", { cwd: project.path })) {
    const path = join(project.path, file);
    writeFileSync(path, readFileSync(path, "utf8").replace(/CONTRACT_VERSION = 1\b/, "CONTRACT_VERSION = 2"));
  }
  expect(await check()).toMatch(/^incompatible .*"ws" was built for contract version 1.* speaks 2: install/);
});

/** What a strict project asks, declarations of packages included, which `skipLibCheck` would hide. */
const compilerOptions = [
  "--noEmit",
  "--strict",
  "--exactOptionalPropertyTypes",
  "--module",
  "nodenext",
  "--target",
  "es2024",
].concat(["--skipLibCheck", "false", "--types", "node", "--typeRoots", join(root, "node_modules/@types")]);

/** A tarball of core as the next minor version would be. */
async function packNewerCore(scratch: string): Promise<string> {
  const copy = join(scratch, "newer-core");
  cpSync(join(root, "packages/core"), copy, { recursive: true, filter: (source) => !source.endsWith("node_modules") });
  const manifest = manifestOf("newer-core", scratch);
  const version = manifest.version.replace(/^(\d+)\.(\d+)\..*/, (_, major, minor) => `${major}.${Number(minor) + 1}.0`);
  const { devDependencies: _, ...rest } = manifest as typeof manifest & { devDependencies?: object };
  writeFileSync(join(copy, "package.json"), JSON.stringify({ ...rest, version }));
  const [{ filename }] = JSON.parse(
    await run(copy, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", scratch),
  );
  return join(scratch, filename);
}

function firstExample(readme: string): string {
  const [code] = examplesIn(readme);
  if (code === undefined) throw new Error(`${readme} has no \`\`\`ts block`);
  return code;
}

function examplesIn(readme: string): readonly string[] {
  const text = readFileSync(join(root, readme), "utf8");
  return Array.from(text.matchAll(/^```ts\n([\s\S]*?)^```/gm), ([, code = ""]) => code);
}

/** Connects as often as it takes, joins a channel, says hello there and waits to hear it. */
function chatClient(port: number): string {
  return `
    import { Centrifuge } from "centrifuge";
    const client = new Centrifuge("ws://127.0.0.1:${port}/connection/websocket", { minReconnectDelay: 20, maxReconnectDelay: 100 });
    const room = client.newSubscription("chat:room");
    const heard = new Promise((resolve) => room.on("publication", ({ data }) => resolve(data)));
    room.subscribe();
    client.connect();
    await room.ready();
    console.log("joined", room.channel);
    await room.publish("hello");
    console.log("heard", await heard);
    client.disconnect();
  `;
}

function startNode(cwd: string, file: string): { ended: Promise<string> } & AsyncDisposable {
  const child = spawn(join(root, "node_modules/node/bin/node"), [file], {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(child, "exit").then(([code, signal]) => `${file} ended: ${code ?? signal}`);
  return {
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
