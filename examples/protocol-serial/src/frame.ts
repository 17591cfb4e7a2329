import { checkPayload, FramedBytes, type Framing, type Payload, PolywireError, type Prepared } from "@polywire/core";

// RFC 1055: a byte that ends each message, and one that says that the next byte is not what it seems.
const END = 0xc0;
const ESCAPE = 0xdb;
const ESCAPED_END = 0xdc;
const ESCAPED_ESCAPE = 0xdd;

const NOTHING: Buffer = Buffer.alloc(0);
const SMALLEST_BYTES = 256;
/** What a decoder keeps between messages: an idle link should not hold the room of its largest one. */
const KEPT_BYTES = 4_096;

/** Bytes of the payload itself. Looks at a payload without copying it. */
export function sizeOf(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

/**
 * One message as its bytes on the wire: escaped, and an end after it. The payload may be reused afterwards.
 *
 * An end without a message before it means nothing in SLIP, so that both sides may send one whenever the line was noisy. The RFC
 * has no empty messages: an escaped end stands for one here.
 */
export function frame(payload: Payload): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  if (bytes.byteLength === 0) return Buffer.from([ESCAPE, END]);
  let escapes = 0;
  for (const byte of bytes) if (byte === END || byte === ESCAPE) escapes++;
  const framed = Buffer.alloc(bytes.byteLength + escapes + 1);
  let at = 0;
  for (const byte of bytes) {
    const isSpecial = byte === END || byte === ESCAPE;
    if (isSpecial) framed[at++] = ESCAPE;
    framed[at++] = isSpecial ? (byte === END ? ESCAPED_END : ESCAPED_ESCAPE) : byte;
  }
  framed[at] = END;
  return framed;
}

/** All links frame alike, so they share this one object, and what is prepared with it. */
export const framing: Framing = {
  name: "serial",
  prepare(payloads): Prepared {
    let largest = 0;
    const frames = payloads.map((payload) => {
      checkPayload(payload);
      largest = Math.max(largest, sizeOf(payload));
      return frame(payload);
    });
    return new FramedBytes(framing, Buffer.concat(frames), payloads.length, largest);
  },
};

/** Cuts the bytes that arrive into messages. Knows no line: its tests feed bytes, split anywhere. */
export class Decoder {
  readonly #maxMessageBytes: number;
  #room: Buffer = NOTHING;
  #length = 0;
  #isEscaped = false;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Bytes of a message that is not whole yet. */
  get pendingBytes(): number {
    return this.#length + (this.#isEscaped ? 1 : 0);
  }

  /**
   * Feeds the next bytes, and hands over every message that is whole: lent, until `take` returns.
   *
   * @throws PolywireError `too-large`, as soon as a message has more bytes than it may, or `protocol-violation`. Nothing can be fed
   * after that.
   */
  feed(chunk: Buffer, take: (message: Buffer) => void): void {
    for (const byte of chunk) {
      const isEscaped = this.#isEscaped;
      this.#isEscaped = !isEscaped && byte === ESCAPE;
      if (this.#isEscaped) continue;
      const isEmpty = this.#length === 0;
      if (byte !== END) this.#add(isEscaped ? unescaped(byte) : byte);
      else if (isEscaped && !isEmpty) throw unknownEscape(byte);
      else if (isEscaped || !isEmpty) take(this.#release());
    }
  }

  #add(byte: number): void {
    if (this.#length === this.#maxMessageBytes) {
      const message = `the peer sent a message over maxMessageBytes (${this.#maxMessageBytes})`;
      throw new PolywireError("too-large", message);
    }
    if (this.#length === this.#room.byteLength) {
      const grown = Buffer.alloc(Math.max(SMALLEST_BYTES, this.#room.byteLength * 2));
      this.#room.copy(grown, 0, 0, this.#length);
      this.#room = grown;
    }
    this.#room[this.#length++] = byte;
  }

  /** The message that has become whole; begins anew. */
  #release(): Buffer {
    const message = this.#room.subarray(0, this.#length);
    this.#length = 0;
    if (this.#room.byteLength > KEPT_BYTES) this.#room = NOTHING;
    return message;
  }
}

function unescaped(byte: number): number {
  if (byte === ESCAPED_END) return END;
  if (byte === ESCAPED_ESCAPE) return ESCAPE;
  throw unknownEscape(byte);
}

function unknownEscape(byte: number): PolywireError {
  return new PolywireError("protocol-violation", `the peer escaped the byte ${byte}, which SLIP does not know`);
}
