#!/usr/bin/env node
// The first file of the command, and without imports: what it would import fails on an old Node in words that help nobody.

/** The same as in `engines` of package.json. */
const NEEDED = { major: 22, minor: 19 };

const found = process.versions.node;
const [major = 0, minor = 0] = found.split(".").map(Number);
if (major > NEEDED.major || (major === NEEDED.major && minor >= NEEDED.minor)) {
  await import("./main.ts");
} else {
  const needed = `${NEEDED.major}.${NEEDED.minor}`;
  process.stderr.write(
    `polywire: needs Node ${needed} or later, and this is ${found} (${process.execPath}): install a later one, or put it first in PATH\n`,
  );
  // Bad usage, as everywhere in this command.
  process.exitCode = 2;
}
