// Fails when the lockfile holds a version below a floor of security-floors.json, wherever in the tree it came from.
// The floors are kept by hand: re-read the advisories of every runtime dependency before a release.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const { floors, reviewed } = JSON.parse(readFileSync(join(root, "security-floors.json"), "utf8"));
const lockfile = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");

/** Whether `version` is lower; a pre-release counts as lower than its release. */
function isBelow(version, minimum) {
  const [numbers, wanted] = [version, minimum].map((text) => text.split("-")[0].split(".").map(Number));
  const different = numbers.findIndex((number, index) => number !== wanted[index]);
  return different === -1 ? version.includes("-") : numbers[different] < wanted[different];
}

const packages = new Set(
  [...lockfile.matchAll(/^ {2}'?((?:@[^@/]+\/)?[^@\s:']+)@(\d[^:'(]*)/gm)].map(
    ([, name, version]) => `${name} ${version}`,
  ),
);
if (packages.size < 50)
  throw new Error(`read only ${packages.size} packages from pnpm-lock.yaml: did its format change?`);

let below = 0;
for (const [name, version] of [...packages].map((each) => each.split(" "))) {
  const floor = floors[name];
  if (floor === undefined || !isBelow(version, floor.minimum)) continue;
  below += 1;
  console.error(`${name} ${version} is below ${floor.minimum} (${floor.advisories.join(", ")}): ${floor.why}`);
}
console.log(`security floors: ${packages.size} packages, ${below} below a floor (floors reviewed ${reviewed})`);
process.exitCode = below === 0 ? 0 : 1;
