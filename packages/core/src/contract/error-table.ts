export type ErrorCode =
  | "aborted"
  | "timed-out"
  | "connection-refused"
  | "host-unreachable"
  | "host-not-found"
  | "connection-reset"
  | "handshake-failed"
  | "tls-verify-failed"
  | "protocol-violation"
  | "closed"
  | "too-large"
  | "overflow"
  | "limit-reached"
  | "invalid-argument"
  | "invalid-state"
  | "unknown-scheme"
  | "unsupported"
  | "incompatible"
  | "address-in-use"
  | "permission-denied"
  | "not-available"
  | "internal";

/**
 * Every error code, what it means and what to do. The README shows the same table, and a test keeps the two equal.
 * `retryable` says whether the same call may succeed later without any change.
 */
export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorRow>> = {
  aborted: row(false, "The caller's AbortSignal fired.", "Nothing: this was asked for."),
  "timed-out": row(true, "A deadline passed.", "Raise the timeout or look at what is slow."),
  "connection-refused": row(true, "Nobody listens at the address.", "Start the server, or check host and port."),
  "host-unreachable": row(true, "No route to the host.", "Check the network and the address."),
  "host-not-found": row(true, "The host name has no address.", "Check the spelling and the DNS server."),
  "connection-reset": row(true, "The peer or the network dropped the connection.", "Reconnect."),
  "handshake-failed": row(
    false,
    "The peer speaks another protocol or refused the handshake.",
    "Check scheme, path and credentials.",
  ),
  "tls-verify-failed": row(
    false,
    "The peer's certificate is not trusted.",
    "Give the right CA, or fix the certificate.",
  ),
  "protocol-violation": row(
    false,
    "The peer sent bytes that its protocol forbids.",
    "Look at the peer: it is broken or hostile.",
  ),
  closed: row(false, "The object was closed.", "Make a new one."),
  "too-large": row(false, "A message is over the limit.", "Send less, or raise maxMessageBytes on both sides."),
  overflow: row(true, "A buffer is full.", "Wait for drain, or slow the sender down."),
  "limit-reached": row(true, "A count (links, dials, channels) is at its limit.", "Raise the limit, or use less."),
  "invalid-argument": row(false, "An argument or option is wrong.", "Fix the call: the message names the value."),
  "invalid-state": row(
    false,
    "The call is not possible in this state.",
    "Fix the order of calls: the message names the state.",
  ),
  "unknown-scheme": row(
    false,
    "No protocol of this network carries the URL's scheme.",
    "Add the protocol package to the network.",
  ),
  unsupported: row(false, "The protocol cannot do this.", "Look at its traits, or choose another protocol."),
  incompatible: row(false, "A plugin was built for another contract version.", "Install matching versions."),
  "address-in-use": row(true, "Another program holds the address.", "Stop it, or choose another port."),
  "permission-denied": row(
    false,
    "The operating system or the peer forbids this.",
    "Use another port, or grant the right.",
  ),
  "not-available": row(true, "The resource is missing for now.", "Try again later."),
  internal: row(false, "Code of a plugin or of the program threw.", "Read the cause: it is a bug."),
};

export interface ErrorRow {
  readonly retryable: boolean;
  readonly meaning: string;
  readonly advice: string;
}

function row(retryable: boolean, meaning: string, advice: string): ErrorRow {
  return { retryable, meaning, advice };
}
