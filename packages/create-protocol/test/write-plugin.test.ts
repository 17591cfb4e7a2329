import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writePlugin } from "../src/index.ts";

/** A folder of its own, removed afterwards. */
function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "polywire-plugin-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test("a plugin has every file of the template, under its own names", () => {
  using folder = scratch();
  const files = writePlugin({ name: "slow-boat", folder: folder.path, range: "^1.2.0" });
  const written = readdirSync(folder.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(written).toHaveLength(files.length);
  expect(files).toContain(".gitignore");

  const text = files.map((file) => readFileSync(join(folder.path, file), "utf8")).join("\n");
  expect(text).not.toMatch(/mywire|POLYWIRE_RANGE/i);
  expect(text).toContain("slowboat://127.0.0.1:7000");
  expect(text).toContain("class SlowboatLink");
  const manifest = JSON.parse(readFileSync(join(folder.path, "package.json"), "utf8"));
  expect(manifest).toMatchObject({
    name: "polywire-slow-boat",
    peerDependencies: { "@polywire/core": "^1.2.0" },
    devDependencies: { "@polywire/conformance": "^1.2.0" },
  });
});

test.each([
  ["My Wire", '"My Wire" is no name'],
  ["-wire", "is no name"],
  ["my--wire", "is no name"],
  ["", "is no name"],
  ["a".repeat(41), "is no name"],
  ["../wire", "is no name"],
  ["u-d-p", "gives the scheme udp:, which a protocol of Polywire's has"],
  ["class", "is a word of JavaScript's"],
])("%s is refused", (name, message) => {
  using folder = scratch();
  expect(() => writePlugin({ name, folder: folder.path, range: "^1.0.0" })).toThrow(message);
  expect(readdirSync(folder.path)).toEqual([]);
});

test("a folder with something in it is left alone", () => {
  using folder = scratch();
  writeFileSync(join(folder.path, "mine.txt"), "mine");
  expect(() => writePlugin({ name: "wire", folder: folder.path, range: "^1.0.0" })).toThrow("is not empty");
  expect(readdirSync(folder.path)).toEqual(["mine.txt"]);
});
