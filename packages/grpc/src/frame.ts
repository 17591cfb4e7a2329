import { checkPayload, FramedBytes, type Framing, type Payload, PolywireError, type Prepared } from "@polywire/core";
import { inflate } from "./inflate.ts";

/** One byte that says whether the message is compressed, four of its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX_BYTES = 5;

/**
 * How every gRPC stream frames, in both directions: each message uncompressed behind its prefix. All links share it, so
 * that what is sent to many is framed once.
 */
export const grpcFraming: Framing = {
  name: "grpc",
  prepare(payloads: readonly Payload[]): Prepared {
    const lengths = payloads.map((payload) => {
      checkPayload(payload);
      return payloadLength(payload);
    });
    const bytes = allocateFrame(lengths.reduce((sum, length) => sum + PREFIX_BYTES + length, 0));
    let offset = 0;
    let largest = 0;
    for (const [index, payload] of payloads.entries()) {
      const length = lengths[index] as number;
      offset = writeMessage(bytes, offset, { payload, length });
      largest = Math.max(largest, length);
    }
    return new FramedBytes(grpcFraming, bytes, payloads.length, largest);
  },
};

/** One message behind its prefix. */
export function frame(payload: Payload): Buffer {
  const length = payloadLength(payload);
  const bytes = allocateFrame(PREFIX_BYTES + length);
  writeMessage(bytes, 0, { payload, length });
  return bytes;
}

/** Bytes of the payload as a message, prefix excluded. */
function payloadLength(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

/** Whether the payload has more bytes than that. */
export function isOver(maxBytes: number, payload: Payload): boolean {
  if (typeof payload !== "string") return payload.byteLength > maxBytes;
  // A UTF-16 unit is three bytes at the most, so most strings need no counting.
  return payload.length * 3 > maxBytes && Buffer.byteLength(payload) > maxBytes;
}

function writeMessage(bytes: Buffer, at: number, { payload, length }: { payload: Payload; length: number }): number {
  bytes[at] = 0;
  bytes.writeUInt32BE(length, at + 1);
  const start = at + PREFIX_BYTES;
  if (typeof payload === "string") bytes.write(payload, start, length, "utf8");
  else bytes.set(payload, start);
  return start + length;
}

/**
 * The one place that takes memory without clearing it, which halves the cost of a small message: every caller writes a
 * prefix and a payload of exactly this length over it.
 */
function allocateFrame(byteLength: number): Buffer {
  // oxlint-disable-next-line eslint/no-restricted-properties -- this is the one reviewed place
  return Buffer.allocUnsafe(byteLength);
}

/**
 * Takes messages out of bytes as they come, however they are cut. A length over the limit is refused before anything of
 * the message is kept, so no more than one message and one chunk wait here.
 */
export class MessageDecoder {
  readonly #maxMessageBytes: number;
  #encoding: string;
  #chunks: Buffer[] = [];
  #byteLength = 0;
  /** Bytes of the next message, prefix included; -1 while its prefix is not complete. */
  #needed = -1;
  #flag = 0;

  /** @param encoding `grpc-encoding` of the peer: how messages that say so are compressed. */
  constructor(maxMessageBytes: number, encoding: string | undefined) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#encoding = encoding ?? "identity";
  }

  /** For a peer whose head comes after the decoder was made. */
  set encoding(encoding: string | undefined) {
    this.#encoding = encoding ?? "identity";
  }

  push(chunk: Buffer): void {
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#byteLength += chunk.byteLength;
  }

  /** Bytes that belong to a message of which more has to come, or to messages not taken yet. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** A whole message waits, or a wrong one. */
  get hasNext(): boolean {
    if (this.#needed === -1) {
      if (this.#byteLength < PREFIX_BYTES) return false;
      this.#readPrefix();
    }
    const isWrong = this.#flag > 1 || this.#needed - PREFIX_BYTES > this.#maxMessageBytes;
    return isWrong || this.#byteLength >= this.#needed;
  }

  /**
   * The next message, if it is there; its bytes lie in what was pushed.
   *
   * @throws PolywireError `too-large`, `unsupported` for an unknown encoding, `protocol-violation` for what cannot be read.
   */
  next(): Uint8Array | undefined {
    if (!this.hasNext) return undefined;
    const length = this.#needed - PREFIX_BYTES;
    if (length > this.#maxMessageBytes) throw tooLarge(`a message of ${length} bytes`, this.#maxMessageBytes);
    const flag = this.#flag;
    if (flag > 1) throw new PolywireError("protocol-violation", `a message begins with ${flag}: it must be 0 or 1`);
    const message = this.#take(this.#needed).subarray(PREFIX_BYTES);
    this.#needed = -1;
    return flag === 1 ? inflate(message, this.#encoding, this.#maxMessageBytes) : message;
  }

  #readPrefix(): void {
    let prefix = this.#chunks[0] as Buffer;
    if (prefix.byteLength < PREFIX_BYTES) {
      prefix = Buffer.concat(this.#chunks);
      this.#chunks = [prefix];
    }
    this.#flag = prefix[0] as number;
    this.#needed = PREFIX_BYTES + prefix.readUInt32BE(1);
  }

  /** The first bytes, joined once if they came in parts. */
  #take(byteLength: number): Buffer {
    const [first] = this.#chunks;
    const whole = first !== undefined && first.byteLength >= byteLength ? first : Buffer.concat(this.#chunks);
    if (whole === first) this.#chunks.shift();
    else this.#chunks = [];
    this.#byteLength -= byteLength;
    if (whole.byteLength > byteLength) this.#chunks.unshift(whole.subarray(byteLength));
    return whole.subarray(0, byteLength);
  }
}

function tooLarge(what: string, maxMessageBytes: number): PolywireError {
  return new PolywireError("too-large", `${what} arrived, maxMessageBytes is ${maxMessageBytes}`);
}
