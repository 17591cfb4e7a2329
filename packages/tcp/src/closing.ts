import { type CloseInfo, PolywireError } from "@polywire/core";

/** How a link is ending, once that is decided on this side. */
export interface Ending {
  readonly by: "local" | "remote";
  readonly reason: string;
  readonly error?: PolywireError;
}

/** What is known of a link whose socket is gone. */
export interface SocketEnd {
  /** What was decided here before, if anything was. */
  readonly ending: Ending | undefined;
  /** What the socket said. */
  readonly failure: Error | undefined;
  /** The peer has sent its end, so nothing of it was cut off. */
  readonly hasPeerEnded: boolean;
  readonly bytesLost: number;
}

/** How a link ended. TCP carries neither codes nor reasons: what is there of them is our own. */
export function closeInfo({ ending, failure, hasPeerEnded, bytesLost }: SocketEnd): CloseInfo {
  if (ending !== undefined) {
    const { by, reason, error } = ending;
    const clean = error === undefined && failure === undefined && hasPeerEnded && bytesLost === 0;
    return { by, clean, reason, retryable: false, bytesLost, ...(error === undefined ? {} : { error }) };
  }
  if (failure === undefined && hasPeerEnded) {
    return { by: "remote", clean: bytesLost === 0, reason: "", retryable: true, bytesLost };
  }
  const error = PolywireError.from(failure ?? new Error("the connection broke off"), "connection-reset");
  return { by: "network", clean: false, reason: "", retryable: error.retryable, bytesLost, error };
}

/** First bytes of a TLS handshake: record type and major version (RFC 8446, section 5.1). */
const TLS_RECORD = [0x16, 0x03] as const;
const HTTP_REQUEST = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) /;

/** What bytes that are none of our messages look like, for whoever reads the error. */
export function looksLike(firstBytes: Buffer): string {
  if (TLS_RECORD.every((byte, index) => firstBytes[index] === byte)) return ": this looks like TLS, use tcps://";
  if (HTTP_REQUEST.test(firstBytes.toString("latin1"))) return ": this looks like HTTP, use http://";
  return "";
}
