import { PolywireError } from "@polywire/core";

/** What the SDK hands to its WebSocket: lines of JSON, or Protobuf messages each behind its length. */
export type SdkFrame = string | Uint8Array;

/** One command of a frame. */
interface Command {
  /** As the SDK wrote it. */
  readonly whole: SdkFrame;
  /** Without the length in front. */
  readonly bare: SdkFrame;
}

const MAX_VARINT_BYTES = 5;

/**
 * The link messages that a frame of the SDK becomes: the frame as it is (`joined`), or one for each command (`single`).
 * A joined frame over the link's limit is divided between its commands.
 *
 * @throws PolywireError `too-large` if one command alone is over the limit; nothing may be sent then.
 */
export function linkMessages(frame: SdkFrame, isJoined: boolean, maxBytes: number): readonly SdkFrame[] {
  if (isJoined && byteLength(frame, maxBytes) <= maxBytes) return [frame];
  const messages = commandsOf(frame).map((command) => (isJoined ? command.whole : command.bare));
  for (const message of messages) {
    const size = byteLength(message, maxBytes);
    if (size <= maxBytes) continue;
    throw new PolywireError(
      "too-large",
      `a command of ${size} bytes is over the limit of ${maxBytes}: publish less at once, or raise maxMessageBytes on both sides`,
    );
  }
  return messages;
}

/** A bare Protobuf reply with its length in front, as the SDK reads it; in memory of its own. */
export function delimited(message: Uint8Array): ArrayBuffer {
  let lengthBytes = 1;
  for (let rest = message.byteLength; rest > 0x7f; rest = Math.floor(rest / 128)) lengthBytes++;
  const bytes = new Uint8Array(lengthBytes + message.byteLength);
  let rest = message.byteLength;
  for (let index = 0; index < lengthBytes; index++) {
    bytes[index] = (rest & 0x7f) | (index === lengthBytes - 1 ? 0 : 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.set(message, lengthBytes);
  return bytes.buffer;
}

function commandsOf(frame: SdkFrame): readonly Command[] {
  if (typeof frame !== "string") return delimitedCommands(frame);
  const lines = frame.split("\n").filter((line) => line !== "");
  return lines.map((line) => ({ whole: line, bare: line }));
}

function delimitedCommands(bytes: Uint8Array): readonly Command[] {
  const commands: Command[] = [];
  for (let start = 0; start < bytes.byteLength; ) {
    const { length, end: bodyStart } = readVarint(bytes, start);
    const end = bodyStart + length;
    if (end > bytes.byteLength) throw malformed();
    commands.push({ whole: bytes.subarray(start, end), bare: bytes.subarray(bodyStart, end) });
    start = end;
  }
  return commands;
}

function readVarint(bytes: Uint8Array, start: number): { length: number; end: number } {
  let length = 0;
  for (let index = 0; index < MAX_VARINT_BYTES; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) break;
    length += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return { length, end: start + index + 1 };
  }
  throw malformed();
}

function malformed(): PolywireError {
  return new PolywireError(
    "invalid-argument",
    "a binary frame must hold Protobuf messages, each behind its length as a varint: is this the SDK's Protobuf build?",
  );
}

const encoder = new TextEncoder();

/** Bytes in UTF-8. Counted only where the text could be over the limit. */
function byteLength(message: SdkFrame, maxBytes: number): number {
  if (typeof message !== "string") return message.byteLength;
  return message.length * 3 <= maxBytes ? message.length : encoder.encode(message).byteLength;
}
