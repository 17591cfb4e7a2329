import { checkPayload, FramedBytes, type Framing, type Payload, PolywireError, type Prepared } from "@polywire/core";

/** A length of 32 bits, big-endian, comes before each message. */
const HEADER_BYTES = 4;
const NOTHING: Buffer = Buffer.alloc(0);
const SMALLEST_BYTES = 256;
/** What a decoder keeps between messages: an idle link should not hold the room of its largest one. */
const KEPT_BYTES = 4_096;

/** Bytes of the payload itself. Looks at a payload without copying it. */
export function sizeOf(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

/** One message as its bytes on the wire: its length, then itself. The payload may be reused afterwards. */
export function frame(payload: Payload, length: number = sizeOf(payload)): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + length);
  bytes.writeUInt32BE(length);
  if (typeof payload === "string") bytes.write(payload, HEADER_BYTES);
  else bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** All links frame alike, so they share this one object, and what is prepared with it. */
export const framing: Framing = {
  name: "mywire",
  prepare(payloads): Prepared {
    let largest = 0;
    const frames = payloads.map((payload) => {
      checkPayload(payload);
      const length = sizeOf(payload);
      largest = Math.max(largest, length);
      return frame(payload, length);
    });
    return new FramedBytes(framing, Buffer.concat(frames), payloads.length, largest);
  },
};

/** Cuts the bytes that arrive into messages. Knows no socket: its tests feed bytes, split anywhere. */
export class Decoder {
  readonly #maxMessageBytes: number;
  /** The message that is not whole yet, with its header. Room grows with what has come, never with what was announced. */
  #room: Buffer = NOTHING;
  #length = 0;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Bytes of a message that is not whole yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  /**
   * Feeds the next bytes, and hands over every message that is whole: lent, until `take` returns.
   *
   * @throws PolywireError `too-large`, before any of a message that is too large is kept. Nothing can be fed after that.
   */
  feed(chunk: Buffer, take: (message: Buffer) => void): void {
    let start = this.#length === 0 ? 0 : this.#complete(chunk, take);
    while (start < chunk.byteLength) {
      const end = this.#endOf(chunk, start);
      if (end > chunk.byteLength) return this.#keep(chunk.subarray(start));
      take(chunk.subarray(start + HEADER_BYTES, end));
      start = end;
    }
  }

  /** Goes on with the message that is not whole. Returns how many bytes of the chunk belong to it. */
  #complete(chunk: Buffer, take: (message: Buffer) => void): number {
    let taken = 0;
    // The rest of the header first, where that is missing; only then is the message's end known.
    for (let end = this.#endOf(this.#pending, 0); this.#length < end; end = this.#endOf(this.#pending, 0)) {
      if (taken === chunk.byteLength) return taken;
      const piece = chunk.subarray(taken, taken + end - this.#length);
      this.#keep(piece);
      taken += piece.byteLength;
    }
    take(this.#release());
    return taken;
  }

  /** Where the message that begins at `start` ends; the end of its header, while that is not whole. */
  #endOf(bytes: Buffer, start: number): number {
    const end = start + HEADER_BYTES;
    if (bytes.byteLength < end) return end;
    const length = bytes.readUInt32BE(start);
    if (length > this.#maxMessageBytes) throw this.#tooLarge(length);
    return end + length;
  }

  get #pending(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  /** What was fed is lent: a piece that is kept is copied. */
  #keep(piece: Buffer): void {
    const length = this.#length + piece.byteLength;
    if (length > this.#room.byteLength) {
      const grown = Buffer.alloc(Math.max(length, this.#room.byteLength * 2, SMALLEST_BYTES));
      this.#room.copy(grown, 0, 0, this.#length);
      this.#room = grown;
    }
    piece.copy(this.#room, this.#length);
    this.#length = length;
  }

  /** The message that has become whole; begins anew. */
  #release(): Buffer {
    const message = this.#pending.subarray(HEADER_BYTES);
    this.#length = 0;
    if (this.#room.byteLength > KEPT_BYTES) this.#room = NOTHING;
    return message;
  }

  #tooLarge(length: number): PolywireError {
    const message = `the peer sent a message of ${length} bytes, maxMessageBytes is ${this.#maxMessageBytes}`;
    return new PolywireError("too-large", message);
  }
}
