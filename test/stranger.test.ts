import { cpSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { install, pack } from "./tarballs.ts";
import { root, run, scratchFolder } from "./workspace.ts";

// What somebody has who writes a protocol: the packed core and kit, plain npm, and Node's own test runner.
const packed = ["packages/core", "packages/conformance", "packages/create-protocol"];
const tarballs: string[] = [];
let folder: ({ readonly path: string } & AsyncDisposable) | undefined;

beforeAll(async () => {
  folder = await scratchFolder();
  await run(root, "turbo", "run", "build", "--filter=./packages/*", "--output-logs=errors-only");
  for (const each of packed) tarballs.push(await pack(join(root, each), folder.path));
}, 120_000);
afterAll(() => folder?.[Symbol.asyncDispose]());

const TIMEOUT = { timeout: 120_000 };

/** The line that the template marks as what one law needs. */
const MARKED = /\n\s*\/\/ Break me:.*\n.*\n/;

test(
  "a plugin made by the command passes its laws, runs its README and breaks the one law that a marked line keeps",
  TIMEOUT,
  async () => {
    await using project = await scratchFolder();
    const [core = "", conformance = "", createProtocol = ""] = tarballs;
    await install(project.path, createProtocol);
    const said = await run(project.path, "npx", "create-protocol", "slow-boat", "--scheme", "boat", "--author", "Ada");
    expect(said).toContain("slow-boat/src/link.ts");

    const plugin = join(project.path, "slow-boat");
    localDependencies(plugin, { "@polywire/core": core, "@polywire/conformance": conformance });
    await run(plugin, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline");
    expect(await run(plugin, "npm", "test")).toMatch(/fail 0/);

    const [{ files }] = JSON.parse(await run(plugin, "npm", "pack", "--dry-run", "--json"));
    const packedFiles = files.map((file: { path: string }) => file.path);
    expect(packedFiles).toEqual(expect.arrayContaining(["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"]));

    await expectReadme(plugin);

    const marked = globSync("src/*.ts", { cwd: plugin }).filter((file) =>
      MARKED.test(readFileSync(join(plugin, file), "utf8")),
    );
    expect(marked).toEqual(["src/listener.ts"]);
    const listener = join(plugin, "src/listener.ts");
    writeFileSync(listener, readFileSync(listener, "utf8").replace(MARKED, "\n"));
    const broken = run(plugin, "npm", "test");
    await expect(broken).rejects.toThrow(/fail 1\b/);
    await expect(broken).rejects.toThrow(/✖ a listener takes no more links than maxLinks/);
  },
);

test("the example plugin passes its laws from the packed core and kit alone", TIMEOUT, async () => {
  await using project = await scratchFolder();
  const [core = "", conformance = ""] = tarballs;
  cpSync(join(root, "examples/protocol-serial"), project.path, {
    recursive: true,
    filter: (source) => !source.includes("node_modules"),
  });
  localDependencies(project.path, { "@polywire/core": core, "@polywire/conformance": conformance });
  await run(project.path, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline");
  await expectReadme(project.path);
  expect(await run(project.path, "npm", "test")).toMatch(/fail 0/);
});

/** Puts the tarballs where the registry's versions would be. */
function localDependencies(project: string, packages: Readonly<Record<string, string>>): void {
  const file = join(project, "package.json");
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  for (const [name, tarball] of Object.entries(packages)) manifest.devDependencies[name] = `file:${tarball}`;
  delete manifest.peerDependencies;
  writeFileSync(file, JSON.stringify(manifest, undefined, 2));
}

/** The plugin compiles, and its README's example does too, and prints what it says. */
async function expectReadme(plugin: string): Promise<void> {
  const readme = readFileSync(join(plugin, "README.md"), "utf8");
  const example = /^```ts\n(?<code>[\s\S]*?)^```\n\n```\n(?<output>[\s\S]*?)^```/m.exec(readme);
  const { code = "", output = "" } = example?.groups ?? {};
  writeFileSync(join(plugin, "test/readme.ts"), code);
  await run(plugin, "npm", "run", "build");
  await run(plugin, "npm", "run", "check");
  const printed = await run(plugin, "node", "test/readme.ts");
  expect(printed).not.toBe("");
  expect(printed).toBe(output);
}
