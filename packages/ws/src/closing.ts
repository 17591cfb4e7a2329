import { type CloseInfo, type CloseReason, PolywireError } from "@polywire/core";

/** RFC 6455, section 7.4.1, and the registry it began. */
export const CLOSE_CODES = {
  normal: 1000,
  protocolError: 1002,
  noCode: 1005,
  /** Never sent: stands for an end without a close frame. */
  lost: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  tooLarge: 1009,
  internalError: 1011,
} as const;

/** Ends that dialling again would only repeat: the purpose was fulfilled, or one side finds the other at fault. */
const FINAL_CODES: ReadonlySet<number> = new Set([1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010]);

/** A close frame holds 125 bytes, two of them the code. */
const MAX_REASON_BYTES = 123;

/** How a link is ending, once that is decided on this side. */
export interface Ending {
  readonly by: "local" | "network";
  readonly code: number;
  readonly reason: string;
  readonly error?: PolywireError;
}

/** How a link ended: what the peer's close frame said (1006 without one), and what was decided here before. */
export function closeInfo(
  received: { readonly code: number; readonly reason: string },
  ending: Ending | undefined,
  bytesLost: number,
): CloseInfo {
  const { code, reason } = received;
  const isAgreed = code !== CLOSE_CODES.lost && ending?.error === undefined;
  const clean = isAgreed && bytesLost === 0;
  if (ending !== undefined) return { ...ending, clean, retryable: ending.by === "network", bytesLost };
  if (isAgreed) return { by: "remote", clean, code, reason, retryable: !FINAL_CODES.has(code), bytesLost };
  return new Loss(bytesLost);
}

/**
 * The end of a link without a close frame. Its error is made when somebody asks for it: when a network fails and
 * thousands of links go at once, their stack traces would cost more than everything else about their end.
 */
class Loss implements CloseInfo {
  readonly by = "network";
  readonly clean = false;
  readonly code: number = CLOSE_CODES.lost;
  readonly reason = "";
  readonly retryable = true;
  readonly bytesLost: number;
  #error: PolywireError | undefined = undefined;

  constructor(bytesLost: number) {
    this.bytesLost = bytesLost;
  }

  get error(): PolywireError {
    this.#error ??= new PolywireError(
      "connection-reset",
      "the connection was lost: no close frame came before its end",
    );
    return this.#error;
  }
}

/**
 * The code to close with.
 *
 * @throws PolywireError `invalid-argument` for one that may not be sent.
 */
export function checkCloseCode(code: CloseReason["code"] = CLOSE_CODES.normal): number {
  const isStandard = code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
  if (Number.isInteger(code) && (isStandard || (code >= 3000 && code <= 4999))) return code;
  throw new PolywireError(
    "invalid-argument",
    `close code ${String(code)} may not be sent: use 1000, another of 1001 to 1014 but 1004 to 1006, or 3000 to 4999`,
  );
}

/** The reason, cut to what fits, never in the middle of a character. */
export function fitReason(reason: string): string {
  if (reason.length * 3 <= MAX_REASON_BYTES) return reason;
  const bytes = Buffer.from(reason);
  if (bytes.byteLength <= MAX_REASON_BYTES) return reason;
  let end = MAX_REASON_BYTES;
  // 10xxxxxx continues a character.
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** What a library error about the peer's bytes means, and the code the library closes with. */
export function violation(
  error: Error & { code?: string },
  maxMessageBytes: number,
): { code: number; error: PolywireError } {
  const code = codeOf(error.code ?? "");
  if (code === CLOSE_CODES.tooLarge) {
    const message = `the peer sent a message over maxMessageBytes (${maxMessageBytes})`;
    return { code, error: new PolywireError("too-large", message, { cause: error }) };
  }
  const message = `the peer broke the protocol: ${error.message}`;
  return { code, error: new PolywireError("protocol-violation", message, { cause: error }) };
}

function codeOf(name: string): number {
  switch (name) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
    case "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH":
      return CLOSE_CODES.tooLarge;
    case "WS_ERR_INVALID_UTF8":
      return CLOSE_CODES.invalidPayload;
    case "WS_ERR_TOO_MANY_BUFFERED_PARTS":
      return CLOSE_CODES.policyViolation;
    default:
      return name.startsWith("WS_ERR_") ? CLOSE_CODES.protocolError : CLOSE_CODES.invalidPayload;
  }
}
