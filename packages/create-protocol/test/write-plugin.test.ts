import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type PluginOptions, writePlugin } from "../src/index.ts";
import { scratch } from "./scratch.ts";

const template = join(import.meta.dirname, "../template");

/** Every file of a plugin with these options. */
function written(options: Omit<PluginOptions, "folder" | "range">): ReadonlyMap<string, string> {
  using folder = scratch();
  const files = writePlugin({ ...options, folder: folder.path, range: "^1.2.0" });
  return new Map(files.map((file) => [file, readFileSync(join(folder.path, file), "utf8")]));
}

test("a plugin has every file of the template, under its own names", () => {
  using folder = scratch();
  const files = writePlugin({ name: "slow-boat", folder: folder.path, range: "^1.2.0" });
  const found = readdirSync(folder.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(found).toHaveLength(files.length);
  expect(files).toEqual(expect.arrayContaining([".gitignore", "LICENSE", "package.json", "test/conformance.test.ts"]));

  const text = files.map((file) => readFileSync(join(folder.path, file), "utf8")).join("\n");
  expect(text).not.toMatch(/mywire|POLYWIRE_|THE_AUTHORS/i);
  expect(text).toContain("slowboat://127.0.0.1:7000");
  expect(text).toContain("class SlowboatLink");
  const manifest = JSON.parse(readFileSync(join(folder.path, "package.json"), "utf8"));
  expect(manifest).toMatchObject({
    name: "polywire-slow-boat",
    license: "MIT",
    peerDependencies: { "@polywire/core": "^1.2.0" },
    devDependencies: { "@polywire/conformance": "^1.2.0" },
  });
});

test("scheme and package are named apart from the rest", () => {
  const files = written({ name: "slow-boat", scheme: "boat+slow", packageName: "@harbour/boats" });
  const index = files.get("src/index.ts");
  expect(index).toContain('Protocol<"boat+slow", Link');
  expect(index).toContain('schemes: ["boat+slow"]');
  expect(index).toContain('name: "slowboat"');
  expect(index).toContain("export function slowboat(): SlowboatProtocol");
  expect(files.get("test/conformance.test.ts")).toContain('url: "boat+slow://127.0.0.1:0"');
  expect(files.get("README.md")).toContain('import { slowboat } from "@harbour/boats"');
  expect(JSON.parse(files.get("package.json") ?? "")).toMatchObject({ name: "@harbour/boats" });
});

test("names that look like the template's own are filled in once", () => {
  const files = written({ name: "mywire-two" });
  expect(JSON.parse(files.get("package.json") ?? "")).toMatchObject({ name: "polywire-mywire-two" });
  expect(files.get("src/index.ts")).toContain('schemes: ["mywiretwo"]');
});

test("the licence is chosen, and the MIT licence names its author", () => {
  const licenseOf = (options: Partial<PluginOptions>): (string | undefined)[] => {
    const files = written({ name: "wire", ...options });
    return [JSON.parse(files.get("package.json") ?? "").license, files.get("LICENSE")];
  };
  expect(licenseOf({})).toEqual(["MIT", expect.stringContaining("Copyright (c) the authors of polywire-wire\n")]);
  expect(licenseOf({ author: "Ada $& Lovelace" })[1]).toContain("Copyright (c) Ada $& Lovelace\n");
  expect(licenseOf({ license: "Apache-2.0" })).toEqual([
    "Apache-2.0",
    expect.stringMatching(/^\s+Apache License\n[\s\S]*END OF TERMS AND CONDITIONS/),
  ]);
  expect(licenseOf({ license: "none" })).toEqual(["UNLICENSED", undefined]);
});

const WRONG: readonly (readonly [Partial<PluginOptions>, string])[] = [
  [{ name: "My Wire" }, '"My Wire" is no name: give up to 40 lower-case letters'],
  [{ name: "-wire" }, "is no name"],
  [{ name: "my--wire" }, "is no name"],
  [{ name: "" }, "is no name"],
  [{ name: "a".repeat(41) }, "is no name"],
  [{ name: "../wire" }, "is no name"],
  [{ name: "u-d-p" }, '"u-d-p" gives the scheme udp:, which a protocol of Polywire\'s has'],
  [{ name: "class" }, "is a word of JavaScript's"],
  [{ name: "eval" }, "is a word of JavaScript's"],
  [{ scheme: "grpcs" }, '"grpcs", which a protocol of Polywire\'s has'],
  [{ scheme: "My" }, '"My" is no scheme'],
  [{ scheme: "7up" }, '"7up" is no scheme'],
  [{ scheme: "" }, '"" is no scheme'],
  [{ packageName: "My Wire" }, '"My Wire" is no name for an npm package'],
  [{ packageName: "@you" }, "is no name for an npm package"],
  [{ packageName: "../wire" }, "is no name for an npm package"],
  [{ packageName: "net" }, "is no name for an npm package"],
  [{ packageName: "node_modules" }, "is no name for an npm package"],
  [{ packageName: "w".repeat(215) }, "is no name for an npm package"],
  [{ license: "GPL" as "MIT" }, '"GPL" is no licence that is known here: give MIT, Apache-2.0 or none'],
  [{ author: "Ada\nand others" }, "the author has no name in one line"],
  [{ author: " " }, "the author has no name in one line"],
];

test.each(WRONG)("%o is refused, and nothing is written", (options, message) => {
  using folder = scratch();
  const call = (): unknown => writePlugin({ name: "wire", folder: folder.path, range: "^1.0.0", ...options });
  expect(call).toThrow(message);
  expect(readdirSync(folder.path)).toEqual([]);
});

test("no name is taken that means something else in the files where the factory is used", () => {
  const users = ["src/index.ts", "test/conformance.test.ts", "README.md"];
  const text = users.map((file) => readFileSync(join(template, file), "utf8")).join("\n");
  const imported = [...text.matchAll(/^import (?:type )?\{([^}]*)\}/gm)].flatMap(([, names = ""]) => names.split(","));
  const declared = [...text.matchAll(/\b(?:const|let|function|class) (\w+)/g)].map(([, name = ""]) => name);
  const words = [...imported, ...declared, "console"].map((word) => word.replace("type ", "").trim());
  const possible = new Set(words.filter((word) => /^[a-z][a-z0-9]*$/.test(word) && word !== "mywire"));
  expect([...possible]).toEqual(expect.arrayContaining(["dial", "laws", "test", "subject", "network"]));
  const accepted = [...possible].filter((name) => {
    using folder = scratch();
    try {
      return writePlugin({ name, folder: folder.path, range: "^1.0.0" });
    } catch {
      return false;
    }
  });
  expect(accepted).toEqual([]);
});

test("a folder with something in it is left alone, and so is a file", () => {
  using folder = scratch();
  const mine = join(folder.path, "mine.txt");
  writeFileSync(mine, "mine");
  expect(() => writePlugin({ name: "wire", folder: folder.path, range: "^1.0.0" })).toThrow("is not empty");
  expect(() => writePlugin({ name: "wire", folder: mine, range: "^1.0.0" })).toThrow("mine.txt is a file");
  expect(readdirSync(folder.path)).toEqual(["mine.txt"]);
  expect(readFileSync(mine, "utf8")).toBe("mine");
});
