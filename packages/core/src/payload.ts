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
