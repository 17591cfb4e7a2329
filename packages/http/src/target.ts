import { parseEndpoint } from "@polywire/core";

/** Longest request target that is looked at. */
export const MAX_TARGET_LENGTH = 8_192;

/** Canonical as it stands, as nearly every target is: parsing it as a URL would cost more than all else. */
const CANONICAL_TARGET = /^(\/[\w/~-]*(?:\.[\w~-][\w/~-]*)*)(?:\?([^\s#]*))?$/;

export interface Target {
  readonly path: string;
  readonly query: string;
}

/** Path and query of a request, canonical: what is judged is what is served. Nothing for a target that is none. */
export function canonicalTarget(target: string): Target | undefined {
  if (!target.startsWith("/") || target.length > MAX_TARGET_LENGTH) return undefined;
  const canonical = CANONICAL_TARGET.exec(target);
  if (canonical !== null) return { path: singleSlashes(canonical[1] as string), query: canonical[2] ?? "" };
  const queryStart = target.indexOf("?");
  // No character of a target (RFC 3986, appendix A), and a slash to some of what may stand behind us.
  if ((queryStart < 0 ? target : target.slice(0, queryStart)).includes("\\")) return undefined;
  try {
    // The same parser that made the listener's path canonical; the host stands in for the one that was left out.
    const { path, query } = parseEndpoint(`http://host${target}`);
    return { path: singleSlashes(path), query };
  } catch {
    return undefined;
  }
}

/** The path without empty segments, so that a check for `/private/` holds for `//private/`, too. */
export function singleSlashes(path: string): string {
  return path.includes("//") ? path.replace(/\/{2,}/g, "/") : path;
}
