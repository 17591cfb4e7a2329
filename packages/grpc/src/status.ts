import { type ErrorCode, PolywireError } from "@polywire/core";

/** The status codes of gRPC, by name. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatusName = keyof typeof GRPC_STATUS;

/** Names the exact HTTP-like status of an answer, where the status code of gRPC says it less exactly. */
export const STATUS_HEADER = "polywire-status";

/** What a status says in words. */
export const MESSAGE_HEADER = "grpc-message";

/** HTTP-like statuses and codes for each other: google.rpc.Code's own mapping. */
const HTTP_OF_CODE: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

const CODE_OF_HTTP: ReadonlyMap<number, number> = new Map([
  [400, GRPC_STATUS.INVALID_ARGUMENT],
  [401, GRPC_STATUS.UNAUTHENTICATED],
  [403, GRPC_STATUS.PERMISSION_DENIED],
  [404, GRPC_STATUS.NOT_FOUND],
  [408, GRPC_STATUS.DEADLINE_EXCEEDED],
  [409, GRPC_STATUS.ABORTED],
  [412, GRPC_STATUS.FAILED_PRECONDITION],
  [413, GRPC_STATUS.RESOURCE_EXHAUSTED],
  [416, GRPC_STATUS.OUT_OF_RANGE],
  [429, GRPC_STATUS.RESOURCE_EXHAUSTED],
  [499, GRPC_STATUS.CANCELLED],
  [500, GRPC_STATUS.INTERNAL],
  [501, GRPC_STATUS.UNIMPLEMENTED],
  [502, GRPC_STATUS.UNAVAILABLE],
  [503, GRPC_STATUS.UNAVAILABLE],
  [504, GRPC_STATUS.DEADLINE_EXCEEDED],
]);

const ERROR_OF_CODE: readonly ErrorCode[] = [
  "internal",
  "aborted",
  "internal",
  "invalid-argument",
  "timed-out",
  "not-available",
  "invalid-state",
  "permission-denied",
  "limit-reached",
  "invalid-state",
  "not-available",
  "invalid-argument",
  "unsupported",
  "internal",
  "not-available",
  "internal",
  "permission-denied",
];

/** Codes that another try may not meet again. */
const RETRYABLE: ReadonlySet<number> = new Set([
  GRPC_STATUS.DEADLINE_EXCEEDED,
  GRPC_STATUS.RESOURCE_EXHAUSTED,
  GRPC_STATUS.ABORTED,
  GRPC_STATUS.UNAVAILABLE,
]);

const MAX_MESSAGE_LENGTH = 512;

/** How a call ended, as its trailers say. */
export interface CallStatus {
  readonly code: number;
  readonly message: string;
}

/** gRPC's code for an HTTP-like status. */
export function codeOfHttp(status: number): number {
  if (status < 400) return GRPC_STATUS.OK;
  return CODE_OF_HTTP.get(status) ?? (status < 500 ? GRPC_STATUS.INVALID_ARGUMENT : GRPC_STATUS.INTERNAL);
}

/** The HTTP-like status for a code of gRPC. */
export function httpOfCode(code: number): number {
  return HTTP_OF_CODE[code] ?? 500;
}

/** `PERMISSION_DENIED` for 7. */
export function nameOfCode(code: number): string {
  return Object.entries(GRPC_STATUS).find(([, value]) => value === code)?.[0] ?? `code ${code}`;
}

export function isRetryable(code: number): boolean {
  return RETRYABLE.has(code);
}

/** What the code makes of an error that says what was attempted. */
export function statusError(context: string, { code, message }: CallStatus): PolywireError {
  const said = message === "" ? "" : `: ${printable(message)}`;
  const error = new PolywireError(
    ERROR_OF_CODE[code] ?? "internal",
    `${context}: the server answered ${nameOfCode(code)} (${code})${said}`,
    { retryable: isRetryable(code), cause: new GrpcStatusCause(code, message) },
  );
  return error;
}

/** Carries the code of gRPC below a PolywireError. */
class GrpcStatusCause extends Error {
  readonly grpcStatus: number;

  constructor(code: number, message: string) {
    super(`${nameOfCode(code)}: ${message}`);
    this.grpcStatus = code;
  }
}

/** The code of gRPC that an error of this package stands for, if it does. */
export function grpcStatusOf(error: unknown): number | undefined {
  const cause = (error as { cause?: { grpcStatus?: unknown } } | undefined)?.cause?.grpcStatus;
  return typeof cause === "number" ? cause : undefined;
}

/** The code that tells a peer of an error of ours. */
export function codeOfError({ code }: PolywireError): number {
  switch (code) {
    case "too-large":
    case "overflow":
    case "limit-reached":
      return GRPC_STATUS.RESOURCE_EXHAUSTED;
    case "unsupported":
      return GRPC_STATUS.UNIMPLEMENTED;
    case "not-available":
      return GRPC_STATUS.UNAVAILABLE;
    case "timed-out":
      return GRPC_STATUS.DEADLINE_EXCEEDED;
    default:
      return GRPC_STATUS.INTERNAL;
  }
}

/** `grpc-message` is percent-encoded UTF-8: what is not printable ASCII, and the percent sign. */
export function encodeMessage(message: string): string {
  return message
    .slice(0, MAX_MESSAGE_LENGTH)
    .toWellFormed()
    .replace(/[^\x20-\x24\x26-\x7e]/gu, (character) =>
      Buffer.from(character).reduce((text, byte) => `${text}%${byte.toString(16).toUpperCase().padStart(2, "0")}`, ""),
    );
}

/** Lenient, as the specification asks: what is no valid encoding stays as it is. */
export function decodeMessage(encoded: string | undefined): string {
  const text = (encoded ?? "").slice(0, MAX_MESSAGE_LENGTH * 9);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The peer's own words, without what could forge a log line. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
