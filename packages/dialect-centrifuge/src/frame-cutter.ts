import { PolywireError } from "@polywire/core";

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/** A length takes 32 bits at most: five bytes of seven. */
const MAX_LENGTH_BYTES = 5;

const NO_BYTES = new Uint8Array(0);

/** What is kept for the next frame that comes in pieces. */
const KEPT_BYTES = 4_096;
const SMALLEST_BYTES = 256;

/** Cuts a stream of bytes into frames of one command each. It knows no socket and no timer. */
export interface FrameCutter {
  /**
   * Takes what arrived and hands on each frame that is whole with it. The bytes of a frame are lent until `take` returns.
   *
   * @throws PolywireError `too-large` as soon as a frame is known to be, `protocol-violation` for a length that is none.
   */
  push(chunk: Uint8Array, take: (frame: Uint8Array) => void): void;
  /** Bytes of a frame that is not whole yet. */
  readonly pendingBytes: number;
}

/** JSON: a command on each line. A carriage return before the newline is white space, and blank lines are nothing. */
export class LineCutter implements FrameCutter {
  readonly #maxBytes: number;
  readonly #pending = new Pending();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Uint8Array, take: (frame: Uint8Array) => void): void {
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      const end = newline === -1 ? chunk.length : newline;
      if (this.#pending.length + end - start > this.#maxBytes) throw tooLarge(this.#maxBytes);
      const piece = chunk.subarray(start, end);
      start = end + 1;
      if (newline === -1) return this.#pending.add(piece);
      const line = this.#pending.complete(piece);
      if (!isBlank(line)) take(line);
    }
  }
}

/** Protobuf: each command after its length, which is handed on with it. */
export class LengthCutter implements FrameCutter {
  readonly #maxBytes: number;
  readonly #pending = new Pending();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Uint8Array, take: (frame: Uint8Array) => void): void {
    let start = 0;
    while (start < chunk.length) {
      if (this.#pending.length > 0) {
        start += this.#completePending(chunk.subarray(start), take);
        continue;
      }
      const bytes = this.#frameBytes(chunk, start);
      if (bytes === undefined || start + bytes > chunk.length) return this.#pending.add(chunk.subarray(start));
      take(chunk.subarray(start, start + bytes));
      start += bytes;
    }
  }

  /** Returns how many of the bytes it took. */
  #completePending(chunk: Uint8Array, take: (frame: Uint8Array) => void): number {
    const bytes = this.#frameBytes(this.#pending.bytes, 0);
    if (bytes === undefined) {
      this.#pending.add(chunk.subarray(0, 1));
      const { length } = this.#pending;
      if (this.#frameBytes(this.#pending.bytes, 0) === length) take(this.#pending.complete(NO_BYTES));
      return 1;
    }
    const piece = chunk.subarray(0, bytes - this.#pending.length);
    if (this.#pending.length + piece.length === bytes) take(this.#pending.complete(piece));
    else this.#pending.add(piece);
    return piece.length;
  }

  /** Bytes of the frame that begins here, its length included; `undefined` while the length is not whole. */
  #frameBytes(bytes: Uint8Array, start: number): number | undefined {
    let length = 0;
    for (let index = 0; index < MAX_LENGTH_BYTES; index++) {
      const byte = bytes[start + index];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) * 2 ** (7 * index);
      if (byte >= 0x80) continue;
      if (length > this.#maxBytes) throw tooLarge(this.#maxBytes);
      return index + 1 + length;
    }
    throw new PolywireError("protocol-violation", `a length takes more than ${MAX_LENGTH_BYTES} bytes`);
  }
}

/** The pieces of a frame that is not whole yet: room grows with what has come, never with what was announced. */
class Pending {
  #room: Uint8Array = NO_BYTES;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  add(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#room.length) {
      const grown = new Uint8Array(Math.max(length, this.#room.length * 2, SMALLEST_BYTES));
      grown.set(this.bytes);
      this.#room = grown;
    }
    this.#room.set(piece, this.#length);
    this.#length = length;
  }

  /** The whole frame, of which this is the last piece: lent until the next call. */
  complete(piece: Uint8Array): Uint8Array {
    if (this.#length === 0) return piece;
    this.add(piece);
    const whole = this.bytes;
    this.#length = 0;
    if (this.#room.length > KEPT_BYTES) this.#room = NO_BYTES;
    return whole;
  }
}

/** Nothing but spaces, tabs and carriage returns. */
export function isBlank(line: Uint8Array | string): boolean {
  if (typeof line === "string") return !/[^ \t\r]/.test(line);
  for (const byte of line) if (byte !== SPACE && byte !== TAB && byte !== RETURN) return false;
  return true;
}

function tooLarge(maxBytes: number): PolywireError {
  return new PolywireError("too-large", `a command has more than ${maxBytes} bytes`);
}
