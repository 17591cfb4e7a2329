/** An answer to a command that says no. `isTemporary`: the same command may succeed later. */
export interface ClientError {
  readonly code: number;
  readonly message: string;
  readonly isTemporary: boolean;
}

/** The end of a session. Clients come back after it, unless the code is 3500 to 3999 or 4500 to 4999. */
export interface Disconnect {
  readonly code: number;
  /** Plain text, at most 123 bytes. */
  readonly reason: string;
}

/** The end of a subscription by the server. From 2500 on clients subscribe again at once, with recovery. */
export interface Unsubscribe {
  readonly code: number;
  readonly reason: string;
}

/** The codes of the Centrifuge protocol; programs use 400 to 1999 for errors of their own. */
export const ERRORS: {
  readonly [Name in
    | "internal"
    | "unauthorized"
    | "unknownChannel"
    | "permissionDenied"
    | "methodNotFound"
    | "alreadySubscribed"
    | "limitExceeded"
    | "badRequest"
    | "notAvailable"
    | "tokenExpired"
    | "expired"
    | "tooManyRequests"
    | "unrecoverablePosition"]: ClientError;
} = {
  internal: error(100, "internal server error", true),
  unauthorized: error(101, "unauthorized"),
  unknownChannel: error(102, "unknown channel"),
  permissionDenied: error(103, "permission denied"),
  methodNotFound: error(104, "method not found"),
  alreadySubscribed: error(105, "already subscribed"),
  limitExceeded: error(106, "limit exceeded"),
  badRequest: error(107, "bad request"),
  notAvailable: error(108, "not available"),
  tokenExpired: error(109, "token expired"),
  expired: error(110, "expired"),
  tooManyRequests: error(111, "too many requests", true),
  unrecoverablePosition: error(112, "unrecoverable position"),
};

/** The codes of the Centrifuge protocol; programs use 4000 to 4999 for ends of their own. */
export const DISCONNECTS: {
  readonly [Name in
    | "connectionClosed"
    | "shutdown"
    | "internal"
    | "connectionExpired"
    | "subscriptionExpired"
    | "slow"
    | "writeError"
    | "insufficientState"
    | "forceReconnect"
    | "noPong"
    | "tooManyRequests"
    | "invalidToken"
    | "badRequest"
    | "stale"
    | "forceDisconnect"
    | "connectionLimit"
    | "channelLimit"
    | "inappropriateProtocol"
    | "permissionDenied"
    | "notAvailable"
    | "tooManyErrors"]: Disconnect;
} = {
  connectionClosed: { code: 3000, reason: "connection closed" },
  shutdown: { code: 3001, reason: "shutdown" },
  internal: { code: 3004, reason: "internal server error" },
  connectionExpired: { code: 3005, reason: "connection expired" },
  subscriptionExpired: { code: 3006, reason: "subscription expired" },
  slow: { code: 3008, reason: "slow" },
  writeError: { code: 3009, reason: "write error" },
  insufficientState: { code: 3010, reason: "insufficient state" },
  forceReconnect: { code: 3011, reason: "force reconnect" },
  noPong: { code: 3012, reason: "no pong" },
  tooManyRequests: { code: 3013, reason: "too many requests" },
  invalidToken: { code: 3500, reason: "invalid token" },
  badRequest: { code: 3501, reason: "bad request" },
  stale: { code: 3502, reason: "stale" },
  forceDisconnect: { code: 3503, reason: "force disconnect" },
  connectionLimit: { code: 3504, reason: "connection limit" },
  channelLimit: { code: 3505, reason: "channel limit" },
  inappropriateProtocol: { code: 3506, reason: "inappropriate protocol" },
  permissionDenied: { code: 3507, reason: "permission denied" },
  notAvailable: { code: 3508, reason: "not available" },
  tooManyErrors: { code: 3509, reason: "too many errors" },
};

/** 2100 to 2499 (for good) and 2600 to 2999 (clients resubscribe) are free for programs. */
export const UNSUBSCRIBES: {
  readonly [Name in "server" | "insufficientState" | "subscriptionExpired" | "stateInvalidated"]: Unsubscribe;
} = {
  server: { code: 2000, reason: "server unsubscribe" },
  insufficientState: { code: 2500, reason: "insufficient state" },
  subscriptionExpired: { code: 2501, reason: "subscription expired" },
  stateInvalidated: { code: 2502, reason: "state invalidated" },
};

function error(code: number, message: string, isTemporary = false): ClientError {
  return { code, message, isTemporary };
}
