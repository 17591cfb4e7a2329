import { checkPayload, FramedBytes, type Framing, type Payload, PolywireError, type Prepared } from "@polywire/core";

// RFC 1055: a byte that ends a message, and one that announces that the next one is no end.
const END = 0xc0;
const ESCAPE = 0xdb;
const ESCAPED_END = 0xdc;
const ESCAPED_ESCAPE = 0xdd;
const SMALLEST_BYTES = 256;
const NOTHING: Buffer = Buffer.alloc(0);

/** One message as its bytes on the wire: escaped, and an end after it. The payload may be reused afterwards. */
export function frame(payload: Payload): Buffer {
  const bytes = Buffer.from(payload as string);
  let escapes = 0;
  for (const byte of bytes) if (byte === END || byte === ESCAPE) escapes++;
  const framed = Buffer.alloc(bytes.byteLength + escapes + 1);
  let at = 0;
  for (const byte of bytes) {
    if (byte === END || byte === ESCAPE) {
      framed[at++] = ESCAPE;
      framed[at++] = byte === END ? ESCAPED_END : ESCAPED_ESCAPE;
    } else {
      framed[at++] = byte;
    }
  }
  framed[at] = END;
  return framed;
}

/** Bytes of the payload itself. */
export function sizeOf(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

/** All links frame alike, so they share this one object, and what is prepared with it. */
export const framing: Framing = {
  name: "serial",
  prepare(payloads): Prepared {
    for (const payload of payloads) checkPayload(payload);
    const largest = Math.max(0, ...payloads.map(sizeOf));
    return new FramedBytes(framing, Buffer.concat(payloads.map(frame)), payloads.length, largest);
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

  /** @throws PolywireError `too-large`, as soon as a message has more bytes than it may, or `protocol-violation`. */
  feed(chunk: Buffer, take: (message: Buffer) => void): void {
    for (const byte of chunk) {
      if (this.#isEscaped) this.#add(this.#unescaped(byte));
      else if (byte === ESCAPE) this.#isEscaped = true;
      else if (byte !== END) this.#add(byte);
      else {
        const message = this.#room.subarray(0, this.#length);
        this.#length = 0;
        take(message);
      }
    }
  }

  #unescaped(byte: number): number {
    this.#isEscaped = false;
    if (byte === ESCAPED_END) return END;
    if (byte === ESCAPED_ESCAPE) return ESCAPE;
    throw new PolywireError("protocol-violation", `the peer escaped the byte ${byte}, which RFC 1055 does not know`);
  }

  #add(byte: number): void {
    if (this.#length === this.#maxMessageBytes) {
      const message = `the peer sent a message over maxMessageBytes (${this.#maxMessageBytes})`;
      throw new PolywireError("too-large", message);
    }
    if (this.#length === this.#room.byteLength) {
      // Room grows with what has come. A message that was handed out before keeps its own.
      const grown = Buffer.alloc(Math.max(SMALLEST_BYTES, this.#room.byteLength * 2));
      this.#room.copy(grown, 0, 0, this.#length);
      this.#room = grown;
    }
    this.#room[this.#length++] = byte;
  }
}
