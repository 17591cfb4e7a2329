import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Names, namesOf } from "./names.ts";

/** `template` lies beside both `src` and `dist`. */
const TEMPLATE = fileURLToPath(new URL("../template", import.meta.url));

/** Names that mean something inside of a package too, so the template's files have others. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ["gitignore", ".gitignore"],
  ["manifest.json", "package.json"],
]);

export interface PluginOptions {
  /** The plugin's name: `my-wire`. */
  readonly name: string;
  /** Where to write it. Must not exist, or be empty. */
  readonly folder: string;
  /** What the plugin needs of Polywire's packages: `^0.2.0`. */
  readonly range: string;
}

/**
 * Writes a plugin that works, with its tests.
 *
 * @returns the files that were written, relative to the folder.
 * @throws Error with one line that says what is wrong; then nothing was written.
 */
export function writePlugin({ name, folder, range }: PluginOptions): string[] {
  const names = namesOf(name);
  if (!isFree(folder)) throw new Error(`${folder} is not empty: choose another folder, or empty it`);
  const files = readdirSync(TEMPLATE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(TEMPLATE.length + 1))
    .toSorted();
  return files.map((file) => {
    const target = RENAMED.get(file) ?? file;
    const path = join(folder, target);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, filled(readFileSync(join(TEMPLATE, file), "utf8"), names, range));
    return target;
  });
}

function filled(text: string, { scheme, type, package: packageName }: Names, range: string): string {
  return text
    .replaceAll("polywire-mywire", packageName)
    .replaceAll("Mywire", type)
    .replaceAll("mywire", scheme)
    .replaceAll("POLYWIRE_RANGE", range);
}

function isFree(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found === undefined || (found.isDirectory() && readdirSync(folder).length === 0);
}
