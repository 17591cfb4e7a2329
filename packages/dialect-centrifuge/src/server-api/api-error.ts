import { PolywireError } from "@polywire/core";
import { type ClientError, ERRORS } from "@polywire/realtime";
import { count, type Field, object, required, text } from "./fields.ts";

/** Why a call was not carried out: one of the codes of {@link ERRORS}, with what is wrong behind its words. */
export interface ApiError {
  readonly code: number;
  readonly message: string;
}

/** The same as a part of results. */
export const ERROR_FIELD: Field<ApiError> = object(
  { code: required(count("one of the codes of the API")), message: required(text("what is wrong")) },
  "why it was not done",
);

/** HTTP statuses for codes; whatever is not here is 400. */
const STATUSES: ReadonlyMap<number, number> = new Map([
  [ERRORS.internal.code, 500],
  [ERRORS.unknownChannel.code, 404],
  [ERRORS.methodNotFound.code, 404],
  [ERRORS.limitExceeded.code, 429],
  [ERRORS.tooManyRequests.code, 429],
  [ERRORS.unrecoverablePosition.code, 416],
]);

/** There is no such method. */
export const NOT_FOUND: ApiError = { code: ERRORS.methodNotFound.code, message: "not found" };

/** Whose error it is: the caller's, or `undefined` for one that nobody outside is told more of. */
export function apiErrorOf(thrown: unknown): ApiError | undefined {
  if (!PolywireError.is(thrown)) return undefined;
  const known = isClientError(thrown.cause) ? thrown.cause : errorFor(thrown);
  return known && { code: known.code, message: `${known.message}: ${thrown.message}` };
}

export const INTERNAL: ApiError = { code: ERRORS.internal.code, message: ERRORS.internal.message };

export function statusOf({ code }: ApiError): number {
  return STATUSES.get(code) ?? 400;
}

function errorFor({ code }: PolywireError): ClientError | undefined {
  switch (code) {
    case "invalid-argument":
    case "too-large":
    case "protocol-violation":
      return ERRORS.badRequest;
    case "unsupported":
      return ERRORS.notAvailable;
    case "overflow":
    case "limit-reached":
      return ERRORS.tooManyRequests;
    default:
      return undefined;
  }
}

/** What the hub names as the cause: see `Hub`. */
function isClientError(cause: unknown): cause is ClientError {
  return Object.values(ERRORS).includes(cause as ClientError);
}
