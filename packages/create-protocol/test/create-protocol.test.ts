import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratch } from "./scratch.ts";

const command = join(import.meta.dirname, "../src/create-protocol.ts");
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"));

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
function run(cwd: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...args], { cwd }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr });
    });
  });
}

test("the command writes a plugin of its own version's range, and says what to do next", async () => {
  using folder = scratch();
  const options = ["--scheme", "boat", "--package", "@harbour/boat", "--license", "none"];
  const { code, stdout, stderr } = await run(folder.path, "slow-boat", "here/boat", ...options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("  here/boat/src/link.ts\n");
  expect(stdout).toMatch(/\n {2}cd here\/boat\n {2}npm install\n {2}npm test\n$/);
  const manifest = JSON.parse(readFileSync(join(folder.path, "here/boat/package.json"), "utf8"));
  expect(manifest).toMatchObject({
    name: "@harbour/boat",
    license: "UNLICENSED",
    peerDependencies: { "@polywire/core": `^${version}` },
  });
});

test("help and version are printed, and nothing is written", async () => {
  using folder = scratch();
  const help = await run(folder.path, "--help");
  expect(help).toMatchObject({
    code: 0,
    stderr: "",
    stdout: expect.stringMatching(/^usage: npm create @polywire\/protocol NAME/),
  });
  expect(await run(folder.path, "wire", "--version")).toEqual({ code: 0, stderr: "", stdout: `${version}\n` });
  expect(readdirSync(folder.path)).toEqual([]);
});

const MISTAKES: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /^usage: npm create/],
  [["wire", "here", "there"], /^usage: npm create/],
  [["Wire"], /^create-protocol: "Wire" is no name: .*\n$/],
  [["wire", "--licence", "MIT"], /^create-protocol: Unknown option '--licence'.*\n$/],
  [["wire", "--license", "GPL"], /^create-protocol: "GPL" is no licence that is known here: .*\n$/],
  [["wire", "/dev/null"], /^create-protocol: \/dev\/null is a file: choose another folder\n$/],
];

test.each(MISTAKES)("%j ends with 2 and says why", async (args, message) => {
  using folder = scratch();
  const ended = await run(folder.path, ...args);
  expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
  expect(readdirSync(folder.path)).toEqual([]);
});
