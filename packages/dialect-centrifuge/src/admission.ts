import { type Admission, isForeignPage, type Peer, PolywireError, type Refused } from "@polywire/core";
import { NamePattern } from "@polywire/realtime";

const JSON_SUBPROTOCOL = "centrifuge-json";
const PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf";
const SUBPROTOCOLS: readonly string[] = [JSON_SUBPROTOCOL, PROTOBUF_SUBPROTOCOL];

const FOREIGN_ORIGIN: Refused = { accepted: false, status: 403, reason: "origin not allowed" };

/** Judges peers before their handshake ends: where their page comes from, and which of the two encodings they speak. */
export class Doorkeeper {
  readonly #allowedOrigins: readonly NamePattern[];
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
    this.#allowedOrigins = allowedOrigins.map((pattern) => new NamePattern(pattern.toLowerCase()));
    this.#keepHeaders = keepHeaders.map((name) => name.toLowerCase());
  }

  admit(peer: Peer): Admission {
    if (isForeignPage(peer) && !this.#isAllowed(peer.headers?.get("origin") ?? "")) return FOREIGN_ORIGIN;
    const subprotocol = peer.offeredSubprotocols?.find((offered) => SUBPROTOCOLS.includes(offered));
    const accepted = { accepted: true, keepHeaders: this.#keepHeaders } as const;
    return subprotocol === undefined ? accepted : { ...accepted, subprotocol };
  }

  #isAllowed(origin: string): boolean {
    return this.#allowedOrigins.some((pattern) => pattern.matches(origin.toLowerCase()));
  }
}

export function encodingOf(peer: Peer): "json" | "protobuf" {
  if (peer.subprotocol === PROTOBUF_SUBPROTOCOL) return "protobuf";
  if (peer.query === undefined || peer.query === "") return "json";
  const query = new URLSearchParams(peer.query);
  return query.get("format") === "protobuf" || query.get("cf_protocol") === "protobuf" ? "protobuf" : "json";
}
