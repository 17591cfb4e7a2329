import { type Admission, type Peer, PolywireError, type Refused } from "@polywire/core";

const JSON_SUBPROTOCOL = "centrifuge-json";
const PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf";
const SUBPROTOCOLS: readonly string[] = [JSON_SUBPROTOCOL, PROTOBUF_SUBPROTOCOL];

const FOREIGN_ORIGIN: Refused = { accepted: false, status: 403, reason: "origin not allowed" };

/** Judges peers before their handshake ends: where their page comes from, and which of the two encodings they speak. */
export class Doorkeeper {
  readonly #allowedOrigins: readonly string[];
  readonly #keepHeaders: readonly string[];

  /**
   * @param allowedOrigins origins besides the listener's own host; `*` stands for any characters.
   * @throws PolywireError `invalid-argument` naming an origin without a scheme.
   */
  constructor(allowedOrigins: readonly string[], keepHeaders: readonly string[]) {
    for (const pattern of allowedOrigins) {
      if (pattern === "*" || pattern === "null" || pattern.includes("://")) continue;
      throw new PolywireError(
        "invalid-argument",
        `allowed origin "${pattern}" has no scheme: write it like https://${pattern}`,
      );
    }
    this.#allowedOrigins = allowedOrigins.map((pattern) => pattern.toLowerCase());
    this.#keepHeaders = keepHeaders.map((name) => name.toLowerCase());
  }

  admit(peer: Peer): Admission {
    const origin = peer.headers?.get("origin");
    // Only browsers send one, and they never leave it out.
    if (origin !== undefined && !this.#isAllowed(origin.toLowerCase(), peer.headers?.get("host")))
      return FOREIGN_ORIGIN;
    const subprotocol = peer.offeredSubprotocols?.find((offered) => SUBPROTOCOLS.includes(offered));
    const accepted = { accepted: true, keepHeaders: this.#keepHeaders } as const;
    return subprotocol === undefined ? accepted : { ...accepted, subprotocol };
  }

  #isAllowed(origin: string, host: string | undefined): boolean {
    return isSameHost(origin, host) || this.#allowedOrigins.some((pattern) => matches(pattern, origin));
  }
}

export function encodingOf(peer: Peer): "json" | "protobuf" {
  if (peer.subprotocol === PROTOBUF_SUBPROTOCOL) return "protobuf";
  const query = new URLSearchParams(peer.query ?? "");
  return query.get("format") === "protobuf" || query.get("cf_protocol") === "protobuf" ? "protobuf" : "json";
}

function isSameHost(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: originHost } = new URL(origin);
  // Read with the origin's scheme, so that a default port that only one of the two names makes no difference.
  const own = `${protocol}//${host}`;
  return originHost !== "" && URL.canParse(own) && new URL(own).host === originHost;
}

/** Whether the text fits the pattern; tries no combination twice. */
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  if (parts.length === 1) return pattern === text;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let position = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, position);
    if (found === -1 || found + part.length > end) return false;
    position = found + part.length;
  }
  return true;
}
