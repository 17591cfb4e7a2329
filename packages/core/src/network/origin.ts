import { PolywireError } from "../contract/error.ts";
import type { Peer } from "../contract/peer.ts";

/**
 * Whether the peer is a web page that another host served. Browsers say so in a header that pages cannot forge or leave
 * out (RFC 6454); who sends none is no page.
 */
export function isForeignPage({ headers }: Peer): boolean {
  const origin = headers?.get("origin");
  return origin !== undefined && !isSameHost(origin, headers?.get("host"));
}

/**
 * The origins in the form in which browsers send them.
 *
 * @throws PolywireError `invalid-argument` naming the one that is none.
 */
export function canonicalOrigins(origins: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(origins)) throw new PolywireError("invalid-argument", "option origins: give an array of strings");
  return new Set(origins.map(canonicalOrigin));
}

function canonicalOrigin(origin: string): string {
  if (/^https?:\/\//i.test(String(origin)) && URL.canParse(origin)) return new URL(origin).origin;
  const problem = `"${String(origin)}" is none: write it like https://example.com`;
  throw new PolywireError("invalid-argument", `option origins: ${problem}`);
}

/** Whether a page of this origin was served by the host that the request names. */
function isSameHost(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  // Read with the origin's scheme, so that a default port that only one of the two names makes no difference.
  const own = `${page.protocol}//${host}`;
  return page.host !== "" && URL.canParse(own) && new URL(own).host === page.host;
}
