import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { runPolywire } from "./command.ts";

const GUARD = path.join(import.meta.dirname, "../src/polywire.ts");
const [, needed = ""] = /^>=(\d+\.\d+)$/.exec(manifest.engines.node) ?? [];
const [major = 0, minor = 0] = needed.split(".").map(Number);

/** Flags with which Node says that it is another version. */
function pretending(version: string): string[] {
  const script = `Object.defineProperty(process.versions, "node", { value: ${JSON.stringify(version)} })`;
  return ["--import", `data:text/javascript,${encodeURIComponent(script)}`];
}

function told(version: string, program: string): string {
  return `polywire: needs Node ${needed} or later, and this is ${version} (${program}): install a later one, or put it first in PATH\n`;
}

test.each(["18.20.8", "20.20.2", `${major}.${minor - 1}.0`, "9.99.0"])(
  "on Node %s: one line that names both versions, exit 2",
  async (version) => {
    await using command = runPolywire(["--version"], { nodeFlags: pretending(version) });
    expect(await command.ended()).toBe(2);
    expect({ output: command.output, errors: command.errors }).toEqual({
      output: "",
      errors: told(version, process.execPath),
    });
  },
);

test.each([`${major}.${minor}.0`, `${major + 1}.0.0`, "100.1.0"])("on Node %s it runs", async (version) => {
  await using command = runPolywire(["--version"], { nodeFlags: pretending(version) });
  expect(await command.ended()).toBe(0);
  expect({ output: command.output, errors: command.errors }).toEqual({ output: `${manifest.version}\n`, errors: "" });
});

/** A Node of this machine that is too old, with its version. */
function oldNode(): { readonly program: string; readonly version: string } | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
    const program = path.join(folder, "node");
    if (!fs.existsSync(program)) continue;
    const version = execFileSync(program, ["--version"], { encoding: "utf8" }).trim().slice(1);
    const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number);
    if (foundMajor < major || (foundMajor === major && foundMinor < minor)) return { program, version };
  }
  return undefined;
}

const old = oldNode();

test.skipIf(old === undefined)("a real old Node can read the first file and says the same", () => {
  const { program = "", version = "" } = old ?? {};
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-old-node-"));
  // It has no types, so it is JavaScript by another name.
  const file = path.join(folder, "polywire.mjs");
  fs.copyFileSync(GUARD, file);
  const { status, stdout, stderr } = spawnSync(program, [file], { encoding: "utf8" });
  fs.rmSync(folder, { recursive: true });
  expect({ status, stdout, stderr }).toEqual({
    status: 2,
    stdout: "",
    stderr: told(version, fs.realpathSync(program)),
  });
});
