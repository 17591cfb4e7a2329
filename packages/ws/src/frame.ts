import { randomFillSync } from "node:crypto";
import { FramedBytes, type Framing, type Payload, type Prepared } from "@polywire/core";

/** RFC 6455, section 5.2: the opcodes of data frames. Control frames are left to the library. */
const OPCODES = { text: 0x1, binary: 0x2 } as const;

/** The FIN bit: whole messages only, never fragments. */
const FIN = 0x80;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** Longer payloads take two bytes of extended length, those over 65,535 take eight. */
const MAX_SHORT_LENGTH = 125;
const LENGTH_OF_16_BITS = 126;
const LENGTH_OF_64_BITS = 127;

/**
 * How every server frames: unmasked, uncompressed, one frame a message. All accepted links share it, so that what is
 * sent to many is framed once.
 */
export const serverFraming: Framing = {
  name: "websocket",
  prepare(payloads: readonly Payload[]): Prepared {
    const lengths = payloads.map(payloadLength);
    const byteLength = lengths.reduce((sum, length) => sum + headerLength(length) + length, 0);
    const bytes = allocateFrame(byteLength);
    let offset = 0;
    let largest = 0;
    for (const [index, payload] of payloads.entries()) {
      const length = lengths[index] as number;
      offset = writeHeader(bytes, offset, { payload, length });
      writePayload(bytes, offset, payload);
      offset += length;
      largest = Math.max(largest, length);
    }
    return new FramedBytes(serverFraming, bytes, payloads.length, largest);
  },
};

/** One unmasked frame: what a server sends to one peer alone. */
export function frame(payload: Payload): Buffer {
  const length = payloadLength(payload);
  const bytes = allocateFrame(headerLength(length) + length);
  writePayload(bytes, writeHeader(bytes, 0, { payload, length }), payload);
  return bytes;
}

/** One masked frame: what a client sends. */
export function maskedFrame(payload: Payload, masks: MaskSource): Buffer {
  const length = payloadLength(payload);
  const bytes = allocateFrame(headerLength(length) + MASK_BYTES + length);
  const maskOffset = writeHeader(bytes, 0, { payload, length });
  bytes[1] = (bytes[1] as number) | MASKED;
  masks.writeTo(bytes, maskOffset);
  const offset = maskOffset + MASK_BYTES;
  writePayload(bytes, offset, payload);
  for (let index = 0; index < length; index++) {
    const at = offset + index;
    bytes[at] = (bytes[at] as number) ^ (bytes[maskOffset + (index & 3)] as number);
  }
  return bytes;
}

/**
 * Unpredictable mask keys (RFC 6455, section 5.3: a page must not be able to choose the bytes on the wire), drawn from
 * the system in blocks because a call for each frame would cost more than the frame.
 */
export class MaskSource {
  readonly #block = new Uint8Array(4_096);
  #used = 4_096;

  writeTo(bytes: Uint8Array, offset: number): void {
    if (this.#used === this.#block.byteLength) {
      randomFillSync(this.#block);
      this.#used = 0;
    }
    for (let index = 0; index < MASK_BYTES; index++) bytes[offset + index] = this.#block[this.#used++] as number;
  }
}

/** Where the payload of a frame that {@link frame} built begins, and whether it is text. */
export function openFrame(bytes: Uint8Array): { readonly isText: boolean; readonly payload: Uint8Array } {
  const short = bytes[1] as number;
  const offset = short === LENGTH_OF_64_BITS ? 10 : short === LENGTH_OF_16_BITS ? 4 : 2;
  return { isText: ((bytes[0] as number) & 0xf) === OPCODES.text, payload: bytes.subarray(offset) };
}

/**
 * The one place that takes memory without clearing it, which halves the cost of a small frame: every caller writes a
 * header and a payload of exactly this length over it.
 */
function allocateFrame(byteLength: number): Buffer {
  // oxlint-disable-next-line eslint/no-restricted-properties -- this is the one reviewed place
  return Buffer.allocUnsafe(byteLength);
}

/** Bytes of the payload on the wire, header excluded. */
function payloadLength(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

function headerLength(length: number): number {
  return length <= MAX_SHORT_LENGTH ? 2 : length <= 0xffff ? 4 : 10;
}

/** Returns the offset after the header. */
function writeHeader(bytes: Buffer, offset: number, { payload, length }: { payload: Payload; length: number }): number {
  bytes[offset] = FIN | (typeof payload === "string" ? OPCODES.text : OPCODES.binary);
  if (length <= MAX_SHORT_LENGTH) {
    bytes[offset + 1] = length;
    return offset + 2;
  }
  if (length <= 0xffff) {
    bytes[offset + 1] = LENGTH_OF_16_BITS;
    return bytes.writeUInt16BE(length, offset + 2);
  }
  bytes[offset + 1] = LENGTH_OF_64_BITS;
  return bytes.writeUIntBE(length, bytes.writeUInt16BE(0, offset + 2), 6);
}

function writePayload(bytes: Buffer, offset: number, payload: Payload): void {
  if (typeof payload === "string") bytes.write(payload, offset);
  else bytes.set(payload, offset);
}
