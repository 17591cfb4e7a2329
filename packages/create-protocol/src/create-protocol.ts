#!/usr/bin/env node
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { writePlugin } from "./write-plugin.ts";

const USAGE = `usage: npm create @polywire/protocol NAME [FOLDER]

Writes a protocol plugin for Polywire that works and passes its conformance tests, for you to make it yours.

  NAME     lower-case letters, digits and dashes, such as my-wire; its URLs begin with mywire:
  FOLDER   where to write it; NAME by default

  --help   print this
`;

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string };

function run(): number {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h" } },
  });
  const [name, folder = name, extra] = positionals;
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === undefined || folder === undefined || extra !== undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const files = writePlugin({ name, folder, range: `^${version}` });
  process.stdout.write(
    `${files.map((file) => `  ${folder}/${file}`).join("\n")}\n\n  cd ${folder}\n  npm install\n  npm test\n`,
  );
  return 0;
}

try {
  process.exitCode = run();
} catch (thrown) {
  process.stderr.write(`create-protocol: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 2;
}
