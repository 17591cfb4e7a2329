import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What a plugin may be licensed under, as SPDX names it. `none` leaves it to its authors. */
export type LicenseName = "MIT" | "Apache-2.0" | "none";

const NAMES: readonly LicenseName[] = ["MIT", "Apache-2.0", "none"];

/** `licenses` lies beside both `src` and `dist`. */
const TEXTS = fileURLToPath(new URL("../licenses", import.meta.url));

export interface License {
  /** For the `license` of a manifest. */
  readonly manifestName: string;
  /** For the file `LICENSE`, if there is to be one. */
  readonly text: string | undefined;
}

/** @throws Error with one line that says what to write instead. */
export function licenseOf(name: string, authors: string): License {
  if (!NAMES.includes(name as LicenseName))
    throw new Error(`"${name}" is no licence that is known here: give ${NAMES.slice(0, -1).join(", ")} or none`);
  // A control character would be a line of its own in the licence.
  if (/^\s*$|\p{Cc}/u.test(authors))
    throw new Error("the author has no name in one line: give one such as Ada Lovelace");
  if (name === "none") return { manifestName: "UNLICENSED", text: undefined };
  // As functions: in a text, "$&" and its like would mean something.
  const text = readFileSync(`${TEXTS}/${name}.txt`, "utf8").replace("THE_AUTHORS", () => authors);
  return { manifestName: name, text };
}
