import { type Admission, type Headers, isForeignPage, type Peer, PolywireError, type Refused } from "@polywire/core";
import { NamePattern } from "@polywire/realtime";
import type { EncodingName } from "./codec.ts";

const JSON_SUBPROTOCOL = "centrifuge-json";
const PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf";
const SUBPROTOCOLS: readonly string[] = [JSON_SUBPROTOCOL, PROTOBUF_SUBPROTOCOL];

const FOREIGN_ORIGIN: Refused = { accepted: false, status: 403, reason: "origin not allowed" };

/** Judges peers before their handshake ends: where their page comes from, and which of the two encodings they speak. */
export class Doorkeeper {
  #allowedOrigins: readonly NamePattern[] = [];
  readonly #keepHeaders: readonly string[];

  /**
   * @param allowedOrigins origins besides the listener's own host; `*` stands for any characters.
   * @throws PolywireError `invalid-argument` naming an origin without a scheme.
   */
  constructor(allowedOrigins: readonly string[], keepHeaders: readonly string[]) {
    this.allowOrigins(allowedOrigins);
    this.#keepHeaders = keepHeaders.map((name) => name.toLowerCase());
  }

  /** From now on these. */
  allowOrigins(allowedOrigins: readonly string[]): void {
    for (const pattern of allowedOrigins) {
      if (pattern === "*" || pattern === "null" || pattern.includes("://")) continue;
      throw new PolywireError(
        "invalid-argument",
        `allowed origin "${pattern}" has no scheme: write it like https://${pattern}`,
      );
    }
    this.#allowedOrigins = allowedOrigins.map((pattern) => new NamePattern(pattern.toLowerCase()));
  }

  admit(peer: Peer): Admission {
    if (isForeignPage(peer) && !this.#isAllowed(peer.headers?.get("origin") ?? "")) return FOREIGN_ORIGIN;
    const subprotocol = peer.offeredSubprotocols?.find((offered) => SUBPROTOCOLS.includes(offered));
    const accepted = { accepted: true, keepHeaders: this.#keepHeaders } as const;
    return subprotocol === undefined ? accepted : { ...accepted, subprotocol };
  }

  /** The headers that the program wants to see. */
  keptHeaders(headers: Headers): Headers {
    const kept = new Map<string, string>();
    for (const name of this.#keepHeaders) {
      const value = headers.get(name);
      if (value !== undefined) kept.set(name, value);
    }
    return kept;
  }

  /** What lets a page of an origin that may connect read the answer; nothing for everybody else. */
  corsHeaders(headers: Headers): readonly (readonly [name: string, value: string])[] {
    const origin = headers.get("origin");
    if (origin === undefined || (isForeignPage({ secure: false, headers }) && !this.#isAllowed(origin))) return [];
    const asked = headers.get("access-control-request-headers");
    return [
      ["access-control-allow-origin", origin],
      ["access-control-allow-credentials", "true"],
      ["vary", "origin"],
      ...(asked === undefined ? [] : [["access-control-allow-headers", asked] as const]),
    ];
  }

  #isAllowed(origin: string): boolean {
    return this.#allowedOrigins.some((pattern) => pattern.matches(origin.toLowerCase()));
  }
}

/** The encoding that the peer asks for, if it asks. */
export function encodingOf(peer: Peer): EncodingName | undefined {
  if (peer.subprotocol === PROTOBUF_SUBPROTOCOL) return "protobuf";
  if (peer.subprotocol === JSON_SUBPROTOCOL) return "json";
  if (peer.query === undefined || peer.query === "") return undefined;
  const query = new URLSearchParams(peer.query);
  const asked = [query.get("format"), query.get("cf_protocol")];
  return asked.includes("protobuf") ? "protobuf" : asked.includes("json") ? "json" : undefined;
}
