import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { manifestOf, publishedFolders, root } from "./workspace.ts";

// `api.txt` of a package is what its users can import. A change to it is a decision: `npm test -- public-api -u` writes it anew.
for (const folder of publishedFolders()) {
  test(`the public names of ${folder} are those in its api.txt`, async () => {
    const { name, exports = {} } = manifestOf(folder);
    const entries = Object.entries(exports).map(([subpath, target]) => {
      if (typeof target === "string") return `${join(name, subpath)}\n  file ${target}`;
      const source = readFileSync(join(root, folder, target["@polywire/source"]), "utf8");
      return [join(name, subpath), ...exportedNames(source).map((each) => `  ${each}`)].join("\n");
    });
    await expect(`${entries.join("\n\n")}\n`).toMatchFileSnapshot(join(root, folder, "api.txt"));
  });
}

test("names are read from every form of export that an entry point uses", () => {
  const source = `
    export { a, type B, c as d } from "./x.ts"; // export { no } from "./comment.ts"
    export type { E, F as G } from "./y.ts";
    export const h: number = 1;
    export async function i(): void {}
    export abstract class J {}
    export interface K<T> {}
    export type L = string;
  `;
  expect(exportedNames(source)).toEqual(
    [
      "type E",
      "type G",
      "type K",
      "type L",
      "type B",
      "value J",
      "value a",
      "value d",
      "value h",
      "value i",
    ].toSorted(),
  );
  expect(() => exportedNames(`export * from "./x.ts";`)).toThrow("export *");
  expect(() => exportedNames(`export default 1;`)).toThrow("export default 1");
});

/** `value x` or `type X` for each name that a module exports. */
function exportedNames(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  return [...code.matchAll(/^\s*export\b[^;{=(<]*(?:\{[^}]*\})?/gm)]
    .flatMap(([statement]) => namesOf(statement.trim()))
    .toSorted();
}

function namesOf(statement: string): string[] {
  const list = /^export (?<type>type )?\{(?<names>[^}]*)\}$/.exec(statement);
  if (list !== null) {
    const { type, names = "" } = list.groups ?? {};
    return names
      .split(",")
      .map((each) => each.trim())
      .filter((each) => each !== "")
      .map((each) => {
        const kind = type !== undefined || each.startsWith("type ") ? "type" : "value";
        return `${kind} ${each.replace(/^type /, "").replace(/^.* as /, "")}`;
      });
  }
  const declared =
    /^export (?:declare |abstract |async )*(?<kind>const|function\*?|class|interface|type) (?<name>[\w$]+)/.exec(
      statement,
    );
  const { kind, name } = declared?.groups ?? {};
  if (kind === undefined) throw new Error(`an entry point lists its names, this one says: ${statement}`);
  return [`${kind === "interface" || kind === "type" ? "type" : "value"} ${name}`];
}
