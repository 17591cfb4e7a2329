import { type ErrorCode, PolywireError } from "@polywire/core";

/** What the library's errors mean. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["UND_ERR_CONNECT_TIMEOUT", "timed-out"],
  ["UND_ERR_HEADERS_TIMEOUT", "timed-out"],
  ["UND_ERR_BODY_TIMEOUT", "timed-out"],
  ["UND_ERR_SOCKET", "connection-reset"],
  ["UND_ERR_DESTROYED", "closed"],
  ["UND_ERR_CLOSED", "closed"],
  ["UND_ERR_HEADERS_OVERFLOW", "too-large"],
  ["UND_ERR_RES_EXCEEDED_MAX_SIZE", "too-large"],
  ["UND_ERR_INVALID_ARG", "invalid-argument"],
  ["UND_ERR_NOT_SUPPORTED", "invalid-argument"],
  ["UND_ERR_REQ_CONTENT_LENGTH_MISMATCH", "invalid-argument"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "protocol-violation"],
]);

/** What Node says of an option that it cannot use, such as a certificate that is none. */
const ARGUMENT_ERROR = /^ERR_(?:INVALID_|OUT_OF_RANGE|TLS_INVALID_|TLS_PROTOCOL_VERSION_CONFLICT|OSSL_)/;

/** Why a request failed. */
export function requestError(thrown: unknown, purpose: string): PolywireError {
  const { code = "", message = "", name } = (thrown ?? {}) as Partial<Record<"code" | "message" | "name", string>>;
  const known = CODES.get(code);
  if (known !== undefined) return new PolywireError(known, `${purpose}: ${message}`, { cause: thrown });
  const fallback: ErrorCode = ARGUMENT_ERROR.test(code)
    ? "invalid-argument"
    : // Its code is missing for some of what the parser finds.
      name === "HTTPParserError" || code.startsWith("HPE_") || code.startsWith("ERR_HTTP2_")
      ? "protocol-violation"
      : code.startsWith("ERR_SSL_")
        ? "handshake-failed"
        : "internal";
  return PolywireError.from(thrown, fallback, purpose);
}
