import { PolywireError } from "./error.ts";

/**
 * One message as a program sees it. A string is a text message, a `Uint8Array` a binary one; wires that keep the two
 * apart say so in {@link Traits.text}, the others deliver bytes.
 *
 * A received `Uint8Array` is borrowed: it is valid until the call that delivered it returns, and whoever keeps it
 * copies it. A sent one may be reused as soon as `send` returns.
 */
export type Payload = string | Uint8Array;

/**
 * How a link turns payloads into bytes on its wire. Links that hold the very same `Framing` object frame alike, so
 * bytes framed once with {@link Framing.prepare} can be sent on all of them.
 */
export interface Framing {
  readonly name: string;
  /** Frames the payloads, in order, once. The payloads may be reused as soon as this returns. */
  prepare(payloads: readonly Payload[]): Prepared;
}

/** Payloads framed once, immutable, to be sent on any number of links that share {@link Prepared.framing}. */
export interface Prepared {
  readonly framing: Framing;
  /** Bytes on the wire, framing included. */
  readonly byteLength: number;
  /** How many messages these bytes carry. */
  readonly messages: number;
  /** Bytes of the largest message inside, which is what a link's message limit is held against. */
  readonly largestMessageBytes: number;
}

/** The {@link Prepared} of every wire that carries plain bytes. */
export class FramedBytes implements Prepared {
  readonly framing: Framing;
  readonly bytes: Uint8Array;
  readonly messages: number;
  readonly largestMessageBytes: number;

  constructor(framing: Framing, bytes: Uint8Array, messages: number, largestMessageBytes: number) {
    this.framing = framing;
    this.bytes = bytes;
    this.messages = messages;
    this.largestMessageBytes = largestMessageBytes;
  }

  get byteLength(): number {
    return this.bytes.byteLength;
  }
}

/**
 * Checks the argument of a `send` at the call.
 *
 * @throws PolywireError `invalid-argument` for anything but a string or a `Uint8Array` whose memory is still there.
 */
export function checkPayload(value: unknown): asserts value is Payload {
  if (typeof value === "string") return;
  if (!(value instanceof Uint8Array)) throw notSendable(value);
  // A detached array looks like an empty one.
  if (value.byteLength === 0 && (value.buffer as ArrayBuffer).detached === true)
    throw new PolywireError("invalid-argument", "the payload's memory was transferred away: send it before, or a copy");
}

/** A copy of a received payload, to keep it past the call that lent it. */
export function copyPayload(payload: Payload): Payload {
  // Not `slice`: that of a Node Buffer does not copy.
  return typeof payload === "string" ? payload : new Uint8Array(payload);
}

function notSendable(value: unknown): PolywireError {
  if (typeof value === "object" && value !== null && "framing" in value) {
    const { name = "none" } = (value.framing ?? {}) as { name?: unknown };
    return new PolywireError(
      "invalid-argument",
      `prepared for the framing "${String(name)}", which this link does not use: prepare with link.framing`,
    );
  }
  const type =
    value === null ? "null" : typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
  return new PolywireError("invalid-argument", `cannot send a value of type ${type}: give a string or a Uint8Array`);
}
