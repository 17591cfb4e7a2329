/**
 * What a wire knows of the other side. Absent fields are unknown to this wire.
 *
 * The peer that admission judges carries every request header; the peer of an established link keeps only those that
 * admission named in `keepHeaders`, because an idle link should not hold its whole handshake in memory.
 */
export interface Peer {
  /** IP address, or a wire's own name for the other side. A wire may look it up when it is first asked for. */
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  /** Whether the wire is encrypted. */
  readonly secure: boolean;
  /** Path of the request, canonical, without the query. */
  readonly path?: string | undefined;
  /** Query string without the question mark. May hold secrets: never logged. */
  readonly query?: string | undefined;
  /** Subprotocols the peer offers (before admission). */
  readonly offeredSubprotocols?: readonly string[] | undefined;
  /** The subprotocol that admission chose. */
  readonly subprotocol?: string | undefined;
  /** Header names are lower case. */
  readonly headers?: ReadonlyMap<string, string> | undefined;
  /** The peer's TLS certificate, when it gave one and it was verified. */
  readonly certificate?: PeerCertificate | undefined;
}

export interface PeerCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** SHA-256 of the certificate, colon-separated hexadecimal. */
  readonly fingerprint: string;
}

/** What platforms tell of a certificate. */
export interface X509Names {
  readonly subject: string;
  readonly issuer: string;
  readonly fingerprint256: string;
}

/** The certificate that a peer gave, in one line for each name: platforms put each part of one on a line of its own. */
export function certificateOf(names: X509Names | undefined): PeerCertificate | undefined {
  if (names === undefined) return undefined;
  const { subject, issuer, fingerprint256: fingerprint } = names;
  return { subject: subject.split("\n").join(", "), issuer: issuer.split("\n").join(", "), fingerprint };
}

/** The verdict on a peer, given before its handshake ends. */
export type Admission = Accepted | Refused;

export interface Accepted {
  readonly accepted: true;
  /** One of the offered subprotocols. */
  readonly subprotocol?: string | undefined;
  /** Request headers to keep on the link's peer. */
  readonly keepHeaders?: readonly string[];
}

/** The headers that admission named in `keepHeaders`, for the peer of the link; `undefined` if there are none of them. */
export function keptHeaders(
  headers: ReadonlyMap<string, string> | undefined,
  names: readonly string[] = [],
): ReadonlyMap<string, string> | undefined {
  let kept: Map<string, string> | undefined;
  for (const name of names) {
    const lowerCase = name.toLowerCase();
    const value = headers?.get(lowerCase);
    if (value !== undefined) kept = (kept ?? new Map<string, string>()).set(lowerCase, value);
  }
  return kept;
}

export interface Refused {
  readonly accepted: false;
  /** An HTTP status (400 to 599); wires without one close in their own way. */
  readonly status: number;
  /** Told to the peer: plain text without secrets. */
  readonly reason: string;
}

export const ACCEPTED: Accepted = { accepted: true };
