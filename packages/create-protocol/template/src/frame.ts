import { checkPayload, FramedBytes, type Framing, type Payload, PolywireError, type Prepared } from "@polywire/core";

const HEADER_BYTES = 4;
const NOTHING: Buffer = Buffer.alloc(0);

/** One message as its bytes on the wire: its length, then itself. The payload may be reused afterwards. */
export function frame(payload: Payload): Buffer {
  const bytes = Buffer.from(payload as string);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(bytes.byteLength);
  return Buffer.concat([header, bytes]);
}

/** All links frame alike, so they share this one object, and what is prepared with it. */
export const framing: Framing = {
  name: "mywire",
  prepare(payloads): Prepared {
    for (const payload of payloads) checkPayload(payload);
    const frames = payloads.map(frame);
    const largest = Math.max(0, ...frames.map((each) => each.byteLength - HEADER_BYTES));
    return new FramedBytes(framing, Buffer.concat(frames), payloads.length, largest);
  },
};

/** Cuts the bytes that arrive into messages. Knows no socket: its tests feed bytes, split anywhere. */
export class Decoder {
  readonly #maxMessageBytes: number;
  #pieces: Buffer[] = [];
  #length = 0;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Bytes of a message that is not whole yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** @throws PolywireError `too-large`, before any of a message that is too large is kept. */
  feed(chunk: Buffer, take: (message: Buffer) => void): void {
    this.#pieces.push(chunk);
    this.#length += chunk.byteLength;
    for (;;) {
      if (this.#length < HEADER_BYTES) return this.#keep();
      const length = this.#peek(HEADER_BYTES).readUInt32BE(0);
      if (length > this.#maxMessageBytes) throw this.#tooLarge(length);
      const end = HEADER_BYTES + length;
      if (this.#length < end) return this.#keep();
      const whole = this.#peek(this.#length);
      this.#pieces = end === whole.byteLength ? [] : [whole.subarray(end)];
      this.#length -= end;
      take(whole.subarray(HEADER_BYTES, end));
    }
  }

  /** The first bytes in one piece. Joins pieces only when a message is whole, so that no byte is copied over and over. */
  #peek(bytes: number): Buffer {
    const [first = NOTHING] = this.#pieces;
    if (first.byteLength >= bytes) return first;
    if (bytes === this.#length) {
      const whole = Buffer.concat(this.#pieces);
      this.#pieces = [whole];
      return whole;
    }
    return Buffer.concat(this.#pieces, bytes);
  }

  /** What was fed is lent: a piece that is kept is copied. */
  #keep(): void {
    const last = this.#pieces.pop();
    if (last !== undefined && last.byteLength > 0) this.#pieces.push(Buffer.from(last));
  }

  #tooLarge(length: number): PolywireError {
    const message = `the peer sent a message of ${length} bytes, maxMessageBytes is ${this.#maxMessageBytes}`;
    return new PolywireError("too-large", message);
  }
}
