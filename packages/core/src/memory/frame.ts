import { checkPayload, FramedBytes, type Framing, type Payload, type Prepared } from "../contract/payload.ts";

/** Takes messages out of one buffer that {@link MemoryFraming.frame} and `prepare` filled, whole messages only. */
export interface BufferReader {
  /** Bytes of the next message, or -1 at the end of the buffer. */
  readonly nextBytes: number;
  /** The next message; its bytes lie in the buffer. */
  read(): Payload;
}

/** How the in-memory wire frames. */
export interface MemoryFraming extends Framing {
  /** One message as bytes of its own. */
  frame(payload: Payload): Uint8Array;
  reader(buffer: Uint8Array): BufferReader;
}

const TEXT = 1;
const BINARY = 2;
/** One byte of kind, four of length. */
const HEADER_BYTES = 5;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Whole messages, text and binary told apart. */
export const messageFraming: MemoryFraming = {
  name: "memory-message",
  frame(payload) {
    const bytes = bytesOf(payload);
    const framed = new Uint8Array(HEADER_BYTES + bytes.byteLength);
    framed[0] = typeof payload === "string" ? TEXT : BINARY;
    new DataView(framed.buffer).setUint32(1, bytes.byteLength);
    framed.set(bytes, HEADER_BYTES);
    return framed;
  },
  prepare(payloads) {
    return prepare(messageFraming, payloads, HEADER_BYTES);
  },
  reader: (buffer) => new MessageReader(buffer),
};

/** Bytes without boundaries. */
export const streamFraming: MemoryFraming = {
  name: "memory-stream",
  frame: (payload) => (typeof payload === "string" ? encoder.encode(payload) : new Uint8Array(payload)),
  prepare(payloads) {
    return prepare(streamFraming, payloads, 0);
  },
  reader: (buffer) => new StreamReader(buffer),
};

/** Bytes of a payload on the wire, without framing. */
export function payloadBytes(payload: Payload): number {
  return bytesOf(payload).byteLength;
}

function bytesOf(payload: Payload): Uint8Array {
  return typeof payload === "string" ? encoder.encode(payload) : payload;
}

function prepare(framing: MemoryFraming, payloads: readonly Payload[], headerBytes: number): Prepared {
  const frames = payloads.map((payload) => {
    checkPayload(payload);
    return framing.frame(payload);
  });
  const joined = new Uint8Array(frames.reduce((sum, frame) => sum + frame.byteLength, 0));
  let offset = 0;
  let largest = 0;
  for (const frame of frames) {
    joined.set(frame, offset);
    offset += frame.byteLength;
    largest = Math.max(largest, frame.byteLength - headerBytes);
  }
  return new FramedBytes(framing, joined, payloads.length, largest);
}

class MessageReader implements BufferReader {
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  get nextBytes(): number {
    return this.#offset === this.#buffer.byteLength ? -1 : this.#view.getUint32(this.#offset + 1);
  }

  read(): Payload {
    const start = this.#offset + HEADER_BYTES;
    const end = start + this.nextBytes;
    const kind = this.#buffer[this.#offset];
    this.#offset = end;
    const bytes = this.#buffer.subarray(start, end);
    return kind === TEXT ? decoder.decode(bytes) : bytes;
  }
}

class StreamReader implements BufferReader {
  readonly #buffer: Uint8Array;
  #isRead: boolean;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
    this.#isRead = buffer.byteLength === 0;
  }

  get nextBytes(): number {
    return this.#isRead ? -1 : this.#buffer.byteLength;
  }

  read(): Payload {
    this.#isRead = true;
    return this.#buffer;
  }
}
