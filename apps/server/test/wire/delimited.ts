/** Whole Protobuf messages of what has come, each with its length before it, and what is left over. */
export interface Delimited {
  readonly frames: readonly Uint8Array[];
  readonly rest: Uint8Array;
}

/** Most bytes that a length may take. */
const MAX_LENGTH_BYTES = 5;

/** Cuts bytes after each message that is there as a whole. */
export function cutDelimited(bytes: Uint8Array): Delimited {
  const frames: Uint8Array[] = [];
  let rest = bytes;
  for (
    let length = announcedBytes(rest);
    length !== undefined && length <= rest.length;
    length = announcedBytes(rest)
  ) {
    frames.push(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
  return { frames, rest };
}

/** Bytes that the first message says it has, its length included; `undefined` while that is not said in full. */
function announcedBytes(bytes: Uint8Array): number | undefined {
  const last = bytes.subarray(0, MAX_LENGTH_BYTES).findIndex((byte) => byte < 0x80);
  if (last === -1) return undefined;
  let length = 0;
  for (let index = last; index >= 0; index--) length = length * 0x80 + ((bytes[index] ?? 0) & 0x7f);
  return last + 1 + length;
}

/** Whether the bytes are the beginning of a message of at most so many bytes, or may still become one. */
export function isUnfinished(bytes: Uint8Array, maxBytes: number): boolean {
  const announced = announcedBytes(bytes);
  if (announced === undefined) return bytes.length < MAX_LENGTH_BYTES;
  return announced > bytes.length && announced <= maxBytes;
}

/** The message without its length. */
export function withoutLength(frame: Uint8Array): Uint8Array {
  return frame.subarray(frame.findIndex((byte) => byte < 0x80) + 1);
}

export function withLength(message: Uint8Array): Uint8Array {
  const header: number[] = [];
  let length = message.length;
  for (; length >= 0x80; length = Math.floor(length / 0x80)) header.push((length % 0x80) | 0x80);
  return new Uint8Array([...header, length, ...message]);
}
