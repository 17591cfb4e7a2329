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
    return { by, clean, reason, retryable: by === "remote", bytesLost, ...(error === undefined ? {} : { error }) };
  }
  if (failure === undefined && hasPeerEnded) {
    return { by: "remote", clean: bytesLost === 0, reason: "", retryable: true, bytesLost };
  }
  const error = PolywireError.from(failure ?? new Error("the connection broke off"), "connection-reset");
  return { by: "network", clean: false, reason: "", retryable: error.retryable, bytesLost, error };
}

const TLS_HANDSHAKE_RECORD = 0x16;
const TLS_ALERT_RECORD = 0x15;
const TLS_MAJOR_VERSION = 0x03;
const TLS_CLIENT_HELLO = 0x01;
/** Record type, version, record length, handshake type, handshake length (RFC 8446, sections 4 and 5.1). */
const TLS_HEADER_BYTES = 9;
const HTTP_METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) /;
/** RFC 9112, section 3: a request line, or the status line of a response. */
const HTTP_FIRST_LINE =
  /^(?:(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) \S+ HTTP\/\d|HTTP\/1\.\d \d{3})/;
/** As much of a first line as is looked at. */
const MAX_FIRST_LINE_BYTES = 2_048;

const TLS = "this looks like TLS, use tcps://";
const HTTP = "this looks like HTTP, use http://";

/**
 * What a peer's first bytes are beyond doubt, although they could be read as messages. A page can make a browser send
 * HTTP anywhere, with lines of its own choice in it: read as messages they would be commands.
 */
export function foreignSpeech(first: Buffer): string | undefined {
  if (isClientHello(first)) return TLS;
  // Every first line begins with a capital.
  if ((first[0] as number) < 0x41 || (first[0] as number) > 0x5a) return undefined;
  return HTTP_FIRST_LINE.test(first.toString("latin1", 0, MAX_FIRST_LINE_BYTES)) ? HTTP : undefined;
}

/** What bytes that are no messages may be, for whoever reads the error. */
export function looksLike(first: Buffer): string | undefined {
  const isRecord = first[0] === TLS_HANDSHAKE_RECORD || first[0] === TLS_ALERT_RECORD;
  if (isRecord && first[1] === TLS_MAJOR_VERSION) return TLS;
  return HTTP_METHOD.test(first.toString("latin1")) ? HTTP : undefined;
}

function isClientHello(first: Buffer): boolean {
  if (first.length < TLS_HEADER_BYTES || first[0] !== TLS_HANDSHAKE_RECORD || first[1] !== TLS_MAJOR_VERSION)
    return false;
  // The handshake message fills the record, but for its own four bytes.
  return first[5] === TLS_CLIENT_HELLO && first.readUIntBE(6, 3) === first.readUInt16BE(3) - 4;
}
