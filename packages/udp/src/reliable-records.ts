import { isUtf8 } from "node:buffer";
import { FramedBytes, type Framing, type Payload } from "@polywire/core";

/** Bytes that a length may take. */
const MAX_LENGTH_BYTES = 5;
const LEAST_GROWTH_BYTES = 4_096;

/** How messages follow one another in the stream of a reliable link: a length, doubled, plus one for text; the bytes. */
export const recordFraming: Framing = {
  name: "udp-records",
  prepare(payloads) {
    const records = payloads.map(record);
    const largest = payloads.reduce((most, payload) => Math.max(most, bytesIn(payload)), 0);
    return new FramedBytes(recordFraming, Buffer.concat(records), payloads.length, largest);
  },
};

/** The payload as a record, in memory of its own. */
export function record(payload: Payload): Buffer {
  const isText = typeof payload === "string";
  const byteLength = bytesIn(payload);
  let value = byteLength * 2 + (isText ? 1 : 0);
  const bytes = Buffer.alloc(lengthBytes(value) + byteLength);
  let at = 0;
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes[at++] = (value % 128) | 0x80;
  bytes[at++] = value;
  if (isText) bytes.write(payload, at, "utf8");
  else bytes.set(payload, at);
  return bytes;
}

function bytesIn(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

function lengthBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

export interface RecordFault {
  readonly fault: "too-large" | "malformed";
  /** Of the message that is too large. */
  readonly byteLength: number;
}

/** Who gets the messages. */
export interface RecordSink {
  /** Reading stops before the next message. */
  readonly isPaused: boolean;
  message(payload: Payload): void;
}

const MALFORMED: RecordFault = { fault: "malformed", byteLength: 0 };

/** Finds messages in the stream, wherever it was cut. Memory grows with what arrives, not with what is announced. */
export class RecordReader {
  readonly #maxMessageBytes: number;
  readonly #sink: RecordSink;
  #value = 0;
  #lengthBytes = 0;
  /** Bytes of the message that is being read; -1 while its length is. */
  #byteLength = -1;
  #isText = false;
  #partial: Buffer | undefined = undefined;
  #partialBytes = 0;
  #fault: RecordFault | undefined = undefined;
  #isReleased = false;

  constructor(maxMessageBytes: number, sink: RecordSink) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#sink = sink;
  }

  /** A message has arrived in part. */
  get isMidway(): boolean {
    return this.#byteLength !== -1 || this.#lengthBytes > 0;
  }

  /** Bytes of that message. */
  get partialBytes(): number {
    return this.#partialBytes;
  }

  /** What is wrong with the stream; nothing more is read from it. */
  get fault(): RecordFault | undefined {
    return this.#fault;
  }

  /** Nobody wants messages any more: forgets the one that has arrived in part, and reads over all that follows. */
  release(): void {
    this.#isReleased = true;
    this.#partial = undefined;
    this.#partialBytes = 0;
  }

  /** Delivers every message that ends in these bytes, up to a pause. Returns how many bytes it read. */
  read(bytes: Buffer): number {
    let at = 0;
    while (
      !this.#isReleased &&
      this.#fault === undefined &&
      (at < bytes.length || this.#byteLength === 0) &&
      !this.#sink.isPaused
    ) {
      if (this.#byteLength === -1) {
        this.#readLength(bytes[at++] as number);
        continue;
      }
      const taken = Math.min(bytes.length - at, this.#byteLength - this.#partialBytes);
      at += taken;
      this.#take(bytes.subarray(at - taken, at));
    }
    return this.#isReleased ? bytes.length : at;
  }

  #readLength(byte: number): void {
    this.#value += (byte & 0x7f) * 128 ** this.#lengthBytes++;
    if (byte > 0x7f) {
      if (this.#lengthBytes === MAX_LENGTH_BYTES) this.#fault = MALFORMED;
      return;
    }
    const byteLength = Math.floor(this.#value / 2);
    this.#isText = this.#value % 2 === 1;
    this.#value = 0;
    this.#lengthBytes = 0;
    if (byteLength > this.#maxMessageBytes) this.#fault = { fault: "too-large", byteLength };
    else this.#byteLength = byteLength;
  }

  #take(piece: Buffer): void {
    if (this.#partialBytes === 0 && piece.length === this.#byteLength) return this.#deliver(piece);
    const filled = this.#partialBytes + piece.length;
    this.#grow(filled);
    piece.copy(this.#partial as Buffer, this.#partialBytes);
    this.#partialBytes = filled;
    if (filled === this.#byteLength) this.#deliver((this.#partial as Buffer).subarray(0, filled));
  }

  #grow(byteLength: number): void {
    if (this.#partial !== undefined && this.#partial.length >= byteLength) return;
    const wanted = Math.max(byteLength, LEAST_GROWTH_BYTES, (this.#partial?.length ?? 0) * 2);
    const grown = Buffer.alloc(Math.min(wanted, this.#byteLength));
    this.#partial?.copy(grown, 0, 0, this.#partialBytes);
    this.#partial = grown;
  }

  #deliver(bytes: Buffer): void {
    this.#byteLength = -1;
    this.#partial = undefined;
    this.#partialBytes = 0;
    if (!this.#isText) this.#sink.message(bytes);
    else if (isUtf8(bytes)) this.#sink.message(bytes.toString("utf8"));
    else this.#fault = MALFORMED;
  }
}
