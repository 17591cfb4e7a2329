/** RFC 6455 §5.2, the client's side: server frames come unmasked, ours leave masked. */
export const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** Called for each frame; the body is borrowed until the call returns. */
export type FrameHandler = (opcode: number, body: Buffer) => void;

/**
 * Finds the frames in a stream of bytes. Fragments are handed out as they come: the generator counts, it does not
 * assemble. A masked frame or one above the limit throws.
 */
export class FrameReader {
  readonly #maxFrameBytes: number;
  readonly #handle: FrameHandler;
  #rest: Buffer | undefined;

  constructor(maxFrameBytes: number, handle: FrameHandler) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#handle = handle;
  }

  push(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    const used = this.#read(data);
    // Copied, so that a few bytes do not keep a whole read buffer alive.
    this.#rest = used === data.length ? undefined : Buffer.from(data.subarray(used));
  }

  #read(data: Buffer): number {
    let at = 0;
    while (data.length - at >= 2) {
      const short = data.readUInt8(at + 1);
      if (short & 128) throw new Error("the server sent a masked frame");
      let head = 2;
      let length = short;
      if (short === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(at + 2);
        head = 4;
      } else if (short === 127) {
        if (data.length - at < 10) break;
        length = data.readUInt32BE(at + 2) * 2 ** 32 + data.readUInt32BE(at + 6);
        head = 10;
      }
      if (length > this.#maxFrameBytes) throw new Error(`the server sent a frame of ${length} bytes`);
      if (data.length - at - head < length) break;
      this.#handle(data.readUInt8(at) & 15, data.subarray(at + head, at + head + length));
      at += head + length;
    }
    return at;
  }
}

/** Fixed, and not zero: servers skip unmasking for a zero key, which no real client sends. */
const key = [0x5a, 0x17, 0xc3, 0x88] as const;

export function maskedFrame(opcode: number, body: Buffer): Buffer {
  if (body.length > 0xffff) throw new Error(`a frame of ${body.length} bytes is more than the generator sends`);
  const head = body.length < 126 ? 2 : 4;
  const frame = Buffer.alloc(head + 4 + body.length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (head === 2 ? body.length : 126);
  if (head === 4) frame.writeUInt16BE(body.length, 2);
  frame.set(key, head);
  for (let index = 0; index < body.length; index++) {
    frame[head + 4 + index] = (body[index] ?? 0) ^ (key[index & 3] ?? 0);
  }
  return frame;
}
