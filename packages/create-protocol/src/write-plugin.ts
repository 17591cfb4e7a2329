import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type LicenseName, licenseOf } from "./license.ts";
import { type NameOptions, namesOf } from "./names.ts";

/** `template` lies beside both `src` and `dist`. */
const TEMPLATE = fileURLToPath(new URL("../template", import.meta.url));

/** Names that mean something inside of a package too, so the template's files have others. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ["gitignore", ".gitignore"],
  ["manifest.json", "package.json"],
]);

/** What stands in the template for something else. It compiles, so scheme and factory are one word, told apart by their place. */
const PLACEHOLDER =
  /POLYWIRE_RANGE|POLYWIRE_LICENSE|polywire-mywire|Mywire|mywire:\/\/|Protocol<"mywire"|schemes: \["mywire"|mywire/g;

export interface PluginOptions extends NameOptions {
  /** Where to write it. Must not exist, or be empty. */
  readonly folder: string;
  /** What the plugin needs of Polywire's packages: `^0.2.0`. */
  readonly range: string;
  /** `MIT` by default. */
  readonly license?: LicenseName | undefined;
  /** Whom the MIT licence names. "the authors of" the package by default. */
  readonly author?: string | undefined;
}

/**
 * Writes a plugin that works, with its tests.
 *
 * @returns the files that were written, relative to the folder.
 * @throws Error with one line that says what is wrong. If that is an option or the folder, nothing was written.
 */
export function writePlugin({ folder, range, license = "MIT", author, ...naming }: PluginOptions): string[] {
  const { factory, type, scheme, packageName } = namesOf(naming);
  const { manifestName, text } = licenseOf(license, author ?? `the authors of ${packageName}`);
  checkFree(folder);
  const values = new Map([
    ["POLYWIRE_RANGE", range],
    ["POLYWIRE_LICENSE", manifestName],
    ["polywire-mywire", packageName],
    ["Mywire", type],
    ["mywire://", `${scheme}://`],
    ['Protocol<"mywire"', `Protocol<"${scheme}"`],
    ['schemes: ["mywire"', `schemes: ["${scheme}"`],
    ["mywire", factory],
  ]);
  // All in one pass: what was filled in may look like a placeholder.
  const fill = (source: string): string => source.replace(PLACEHOLDER, (found) => values.get(found) ?? found);

  const contents = new Map(templateFiles().map((file) => [RENAMED.get(file) ?? file, fill(templateText(file))]));
  if (text !== undefined) contents.set("LICENSE", text);
  for (const [file, content] of contents) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { flag: "wx" });
  }
  return [...contents.keys()].toSorted();
}

function templateFiles(): string[] {
  return readdirSync(TEMPLATE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(TEMPLATE, join(entry.parentPath, entry.name)));
}

function templateText(file: string): string {
  return readFileSync(join(TEMPLATE, file), "utf8");
}

function checkFree(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) throw new Error(`${folder} is a file: choose another folder`);
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty: choose another folder, or empty it`);
}
