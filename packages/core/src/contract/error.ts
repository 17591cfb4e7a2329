import { ERROR_TABLE, type ErrorCode } from "./error-table.ts";

const BRAND = "polywire.error";

/** Codes that platforms put on their errors, and ours for them. */
const PLATFORM_CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["ABORT_ERR", "aborted"],
  ["ECONNREFUSED", "connection-refused"],
  ["ECONNRESET", "connection-reset"],
  ["EPIPE", "connection-reset"],
  ["ECONNABORTED", "connection-reset"],
  ["ETIMEDOUT", "timed-out"],
  ["EHOSTUNREACH", "host-unreachable"],
  ["ENETUNREACH", "host-unreachable"],
  ["EADDRNOTAVAIL", "host-unreachable"],
  ["ENOTFOUND", "host-not-found"],
  ["EAI_AGAIN", "host-not-found"],
  ["EAI_NODATA", "host-not-found"],
  ["EAI_NONAME", "host-not-found"],
  ["EADDRINUSE", "address-in-use"],
  ["EACCES", "permission-denied"],
  ["EPERM", "permission-denied"],
  ["EMFILE", "limit-reached"],
  ["ENFILE", "limit-reached"],
]);

/** Everything that OpenSSL and Node say about a certificate that they do not trust. */
const VERIFY_CODE =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH_EXCEEDED|CRL_)/;

function platformCode(code: string): ErrorCode | undefined {
  return PLATFORM_CODES.get(code) ?? (VERIFY_CODE.test(code) ? "tls-verify-failed" : undefined);
}

/**
 * The one error of Polywire. `code` is one of a closed table ({@link ERROR_TABLE}); the message names the input and
 * says what to do; `cause` keeps what lies below.
 *
 * Recognise it with {@link PolywireError.is}, which also works across two installed copies of this package, where
 * `instanceof` does not.
 */
export class PolywireError extends Error {
  override readonly name: string = "PolywireError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without any change. */
  readonly retryable: boolean;
  readonly brand: string = BRAND;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? ERROR_TABLE[code].retryable;
  }

  static is(value: unknown): value is PolywireError {
    return typeof value === "object" && value !== null && (value as { brand?: unknown }).brand === BRAND;
  }

  /**
   * Turns whatever was thrown into a PolywireError; one that is already passes through. The code comes from the
   * platform's code where it is known, else it is `fallback`. `context` is put before the message.
   */
  static from(thrown: unknown, fallback: ErrorCode = "internal", context?: string): PolywireError {
    if (PolywireError.is(thrown)) return thrown;
    const { code, name, message, errors } = describe(thrown);
    // Happy eyeballs reports one error for each address it tried; the first says what a reader needs.
    const known = platformCode(code) ?? platformCode(describe(errors?.[0]).code);
    const ours = known ?? (name === "AbortError" ? "aborted" : name === "TimeoutError" ? "timed-out" : fallback);
    const text = message === "" ? describe(errors?.[0]).message || ERROR_TABLE[ours].meaning : message;
    return new PolywireError(ours, context === undefined ? text : `${context}: ${text}`, { cause: thrown });
  }
}

interface Described {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly errors: readonly unknown[] | undefined;
}

function describe(thrown: unknown): Described {
  if (typeof thrown !== "object" || thrown === null) {
    return { code: "", name: "", message: thrown === undefined ? "" : String(thrown), errors: undefined };
  }
  const { code, name, message, errors } = thrown as { [key in keyof Described]?: unknown };
  return {
    code: typeof code === "string" ? code : "",
    name: typeof name === "string" ? name : "",
    message: typeof message === "string" ? message : "",
    errors: Array.isArray(errors) ? errors : undefined,
  };
}
