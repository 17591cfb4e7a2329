#!/usr/bin/env node
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import type { LicenseName } from "./license.ts";
import { writePlugin } from "./write-plugin.ts";

const USAGE = `usage: npm create @polywire/protocol NAME [FOLDER] [-- OPTIONS]

Writes a protocol plugin for Polywire that works and passes its conformance tests, for you to make it yours.

  NAME                 lower-case letters, digits and dashes, such as my-wire
  FOLDER               where to write it; NAME by default

  --scheme SCHEME      of its URLs; NAME without dashes by default
  --package PACKAGE    its name on npm; polywire-NAME by default
  --license LICENSE    MIT (the default), Apache-2.0 or none
  --author AUTHOR      whom the MIT licence names
  --help               print this
  --version            print the version
`;

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string };

/** Answers the exit code: 2 for a command line that is none. */
function run(): number {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      scheme: { type: "string" },
      package: { type: "string" },
      license: { type: "string" },
      author: { type: "string" },
      help: { type: "boolean", short: "h" },
      version: { type: "boolean" },
    },
  });
  if (values.help === true || values.version === true) {
    process.stdout.write(values.help === true ? USAGE : `${version}\n`);
    return 0;
  }
  const [name, folder = name, extra] = positionals;
  if (name === undefined || folder === undefined || extra !== undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { scheme, package: packageName, author } = values;
  // Whatever it is, it is checked.
  const license = values.license as LicenseName | undefined;
  const files = writePlugin({ name, folder, range: `^${version}`, scheme, packageName, license, author });
  const written = files.map((file) => `  ${folder}/${file}`).join("\n");
  process.stdout.write(`${written}\n\nNow:\n\n  cd ${folder}\n  npm install\n  npm test\n`);
  return 0;
}

try {
  process.exitCode = run();
} catch (thrown) {
  process.stderr.write(`create-protocol: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 2;
}
