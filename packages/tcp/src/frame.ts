import { isUtf8 } from "node:buffer";
import { checkPayload, FramedBytes, type Framing, type Payload, PolywireError, type Prepared } from "@polywire/core";

export type FramingName = "none" | "lines" | "u32" | "varint";

/** Takes messages as they are cut out of the wire's bytes. A view into what was fed is lent until the call returns. */
export type TakeMessage = (message: Payload) => void;

/** Cuts the bytes of a wire into messages. Knows no socket and no time. */
export interface Decoder {
  /**
   * Feeds the next bytes, and hands over every message that is whole.
   *
   * @throws PolywireError `too-large`, as soon as a message announces or shows more bytes than it may have, or
   * `protocol-violation`. Nothing can be fed after that.
   */
  feed(chunk: Buffer, take: TakeMessage): void;
  /** Bytes of a message that is not whole yet. */
  readonly pendingBytes: number;
}

/** A framing of ours: frames payloads one way and cuts messages the other. */
export interface TcpFraming extends Framing {
  /** @throws PolywireError `invalid-argument` for a payload that this framing cannot carry. */
  frame(payload: Payload): Uint8Array;
  /** Bytes of the payload itself. */
  size(payload: Payload): number;
  decoder(maxMessageBytes: number): Decoder;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const U32_BYTES = 4;
/** Of a length below 2^35, which is far above every limit. */
const MAX_VARINT_BYTES = 5;
const NOTHING: Buffer = Buffer.alloc(0);
/** What a decoder keeps between messages. */
const KEPT_BYTES = 65_536;
const SMALLEST_BYTES = 256;

abstract class BaseFraming implements TcpFraming {
  abstract readonly name: string;
  abstract frame(payload: Payload): Buffer;
  abstract decoder(maxMessageBytes: number): Decoder;

  size(payload: Payload): number {
    return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  }

  prepare(payloads: readonly Payload[]): Prepared {
    let largest = 0;
    const frames = payloads.map((payload) => {
      checkPayload(payload);
      largest = Math.max(largest, this.size(payload));
      return this.frame(payload);
    });
    const [only] = frames;
    const bytes = frames.length === 1 && only !== undefined ? only : Buffer.concat(frames);
    return new FramedBytes(this, bytes, payloads.length, largest);
  }
}

/** No messages: bytes as they are. */
class NoFraming extends BaseFraming {
  readonly name = "tcp bytes";

  frame(payload: Payload): Buffer {
    return Buffer.from(payload as string);
  }

  decoder(): Decoder {
    return { pendingBytes: 0, feed: (chunk, take) => take(chunk) };
  }
}

/** A line of text for each message. */
class LineFraming extends BaseFraming {
  readonly name = "tcp lines";

  frame(payload: Payload): Buffer {
    const length = this.size(payload);
    const bytes = Buffer.alloc(length + 1);
    if (typeof payload === "string") bytes.write(payload, 0);
    else bytes.set(payload, 0);
    bytes[length] = LINE_FEED;
    if (bytes.indexOf(LINE_FEED) < length) throw unfit("has a line feed in it");
    if (bytes[length - 1] === CARRIAGE_RETURN) throw unfit("ends with a carriage return");
    if (typeof payload !== "string" && !isUtf8(payload)) throw unfit("is no UTF-8 text");
    return bytes;
  }

  decoder(maxMessageBytes: number): Decoder {
    return new LineDecoder(maxMessageBytes);
  }
}

/** The length before each message, in a fixed number of bytes or as few as it takes. */
class LengthFraming extends BaseFraming {
  readonly name: string;
  readonly #header: LengthHeader;

  constructor(name: string, header: LengthHeader) {
    super();
    this.name = name;
    this.#header = header;
  }

  frame(payload: Payload): Buffer {
    const length = this.size(payload);
    const headerBytes = this.#header.bytesFor(length);
    const bytes = Buffer.alloc(headerBytes + length);
    this.#header.write(bytes, length);
    if (typeof payload === "string") bytes.write(payload, headerBytes);
    else bytes.set(payload, headerBytes);
    return bytes;
  }

  decoder(maxMessageBytes: number): Decoder {
    return new LengthDecoder(this.#header, maxMessageBytes);
  }
}

/** How a length is written. */
interface LengthHeader {
  bytesFor(length: number): number;
  write(bytes: Buffer, length: number): void;
  /** Reads the length at `start` into `found`; false while it is not whole. */
  read(bytes: Buffer, start: number, found: FoundLength): boolean;
}

/** A length that was read. Kept and reused: one is made for each decoder, not for each message. */
class FoundLength {
  headerBytes = 0;
  length = 0;
}

const u32Header: LengthHeader = {
  bytesFor: () => U32_BYTES,
  write: (bytes, length) => void bytes.writeUInt32BE(length, 0),
  read(bytes, start, found) {
    if (bytes.length - start < U32_BYTES) return false;
    found.headerBytes = U32_BYTES;
    found.length = bytes.readUInt32BE(start);
    return true;
  },
};

const varintHeader: LengthHeader = {
  bytesFor(length) {
    let bytes = 1;
    for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
    return bytes;
  },
  write(bytes, length) {
    let at = 0;
    let rest = length;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest & 0x7f) | 0x80;
    bytes[at] = rest;
  },
  read(bytes, start, found) {
    let length = 0;
    let scale = 1;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = bytes[start + index];
      if (byte === undefined) return false;
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        found.headerBytes = index + 1;
        found.length = length;
        return true;
      }
      scale *= 0x80;
    }
    throw new PolywireError("protocol-violation", `the length of a message takes more than ${MAX_VARINT_BYTES} bytes`);
  },
};

class LengthDecoder implements Decoder {
  readonly #header: LengthHeader;
  readonly #maxMessageBytes: number;
  readonly #found = new FoundLength();
  readonly #pending = new Pending();

  constructor(header: LengthHeader, maxMessageBytes: number) {
    this.#header = header;
    this.#maxMessageBytes = maxMessageBytes;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  feed(chunk: Buffer, take: TakeMessage): void {
    let start = this.#pending.length === 0 ? 0 : this.#complete(chunk, take);
    while (start < chunk.length) {
      const end = this.#endOf(chunk, start);
      if (end === undefined || end > chunk.length) {
        this.#pending.add(chunk.subarray(start));
        return;
      }
      take(chunk.subarray(start + this.#found.headerBytes, end));
      start = end;
    }
  }

  /** Goes on with the message that is pending; returns how many bytes of the chunk it took. */
  #complete(chunk: Buffer, take: TakeMessage): number {
    let taken = 0;
    // A header is short: byte by byte until it is whole.
    let end = this.#endOf(this.#pending.bytes, 0);
    while (end === undefined && taken < chunk.length) {
      this.#pending.add(chunk.subarray(taken, taken + 1));
      taken++;
      end = this.#endOf(this.#pending.bytes, 0);
    }
    if (end === undefined) return taken;
    const missing = end - this.#pending.length;
    this.#pending.add(chunk.subarray(taken, taken + missing));
    taken += Math.min(missing, chunk.length - taken);
    if (this.#pending.length === end) take(this.#pending.release().subarray(this.#found.headerBytes));
    return taken;
  }

  /** Where the message that begins at `start` ends; `undefined` while its length is not whole. */
  #endOf(bytes: Buffer, start: number): number | undefined {
    if (!this.#header.read(bytes, start, this.#found)) return undefined;
    const { headerBytes, length } = this.#found;
    if (length > this.#maxMessageBytes) throw tooLarge(`of ${length} bytes`, this.#maxMessageBytes);
    return start + headerBytes + length;
  }
}

class LineDecoder implements Decoder {
  readonly #maxMessageBytes: number;
  readonly #pending = new Pending();

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  feed(chunk: Buffer, take: TakeMessage): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      if (end === -1) break;
      if (this.#pending.length === 0) {
        take(this.#textOf(chunk.subarray(start, end)));
      } else {
        this.#pending.add(chunk.subarray(start, end));
        take(this.#textOf(this.#pending.release()));
      }
      start = end + 1;
    }
    if (start < chunk.length) this.#pending.add(chunk.subarray(start));
    // A carriage return may still turn out to belong to the end of the line.
    if (this.#pending.length > this.#maxMessageBytes + 1) throw tooLarge("that has no end yet", this.#maxMessageBytes);
  }

  #textOf(line: Buffer): string {
    const text = line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
    if (text.length > this.#maxMessageBytes) throw tooLarge(`of ${text.length} bytes`, this.#maxMessageBytes);
    if (!isUtf8(text)) throw new PolywireError("protocol-violation", "a line is not valid UTF-8");
    return text.toString("utf8");
  }
}

/** The pieces of a message that is not whole yet: room grows with what has come, never with what was announced. */
class Pending {
  #room: Buffer = NOTHING;
  length = 0;

  get bytes(): Buffer {
    return this.#room.subarray(0, this.length);
  }

  add(piece: Buffer): void {
    const length = this.length + piece.length;
    if (length > this.#room.length) {
      const grown = Buffer.alloc(Math.max(length, this.#room.length * 2, SMALLEST_BYTES));
      this.#room.copy(grown, 0, 0, this.length);
      this.#room = grown;
    }
    piece.copy(this.#room, this.length);
    this.length = length;
  }

  /** All of it, lent until the next call of any of these; begins anew. */
  release(): Buffer {
    const { bytes } = this;
    this.length = 0;
    if (this.#room.length > KEPT_BYTES) this.#room = NOTHING;
    return bytes;
  }
}

export const FRAMINGS: Readonly<Record<FramingName, TcpFraming>> = {
  none: new NoFraming(),
  lines: new LineFraming(),
  u32: new LengthFraming("tcp u32 lengths", u32Header),
  varint: new LengthFraming("tcp varint lengths", varintHeader),
};

function unfit(problem: string): PolywireError {
  return new PolywireError("invalid-argument", `cannot send as a line: the payload ${problem}`);
}

function tooLarge(which: string, maxMessageBytes: number): PolywireError {
  return new PolywireError("too-large", `the peer sent a message ${which}, maxMessageBytes is ${maxMessageBytes}`);
}
