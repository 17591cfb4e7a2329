import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoder, frame, framing } from "../src/frame.ts";

const MESSAGES = ["", "plain", "grüß Gott", "x".repeat(300), "", "last"].map((text) => Buffer.from(text));
const WIRE = Buffer.concat(MESSAGES.map((message) => frame(message)));

/** What a fresh decoder cuts these pieces into, as copies. */
function cut(pieces: readonly Buffer[], decoder: Decoder = new Decoder(1_000)): string[] {
  const messages: string[] = [];
  for (const piece of pieces) decoder.feed(piece, (message) => messages.push(message.toString("hex")));
  return messages;
}

const EXPECTED = MESSAGES.map((message) => message.toString("hex"));

test("messages arrive as they were sent, wherever the wire cuts them in two", () => {
  for (let at = 0; at <= WIRE.byteLength; at++) {
    assert.deepEqual(cut([WIRE.subarray(0, at), WIRE.subarray(at)]), EXPECTED, `cut at ${at}`);
  }
});

test("messages arrive as they were sent in pieces of every size, from memory that is reused", () => {
  for (let size = 1; size <= WIRE.byteLength; size++) {
    const decoder = new Decoder(1_000);
    const memory = Buffer.alloc(size);
    const messages: string[] = [];
    for (let at = 0; at < WIRE.byteLength; at += size) {
      const piece = memory.subarray(0, WIRE.copy(memory, 0, at, at + size));
      decoder.feed(piece, (message) => messages.push(message.toString("hex")));
      memory.fill(0xdb);
    }
    assert.deepEqual(messages, EXPECTED, `pieces of ${size}`);
    assert.equal(decoder.pendingBytes, 0);
  }
});

test("a message over the limit is refused by its length, before any of it came", () => {
  const header = frame("x".repeat(11)).subarray(0, 4);
  for (let at = 0; at <= header.byteLength; at++) {
    const pieces = [header.subarray(0, at), header.subarray(at)];
    assert.throws(() => cut(pieces, new Decoder(10)), {
      code: "too-large",
      message: /of 11 bytes.*maxMessageBytes is 10/,
    });
  }
  assert.deepEqual(cut([frame("x".repeat(10))], new Decoder(10)), [Buffer.from("x".repeat(10)).toString("hex")]);
});

test("bytes of a message that is not whole are counted", () => {
  const decoder = new Decoder(1_000);
  assert.deepEqual(cut([WIRE.subarray(0, -1)], decoder), EXPECTED.slice(0, -1));
  assert.equal(decoder.pendingBytes, frame("last").byteLength - 1);
});

test("any number of payloads is framed once, as each of them would be", () => {
  const many = Array.from({ length: 200_000 }, (_, index) => `${index}`);
  const prepared = framing.prepare(many);
  assert.deepEqual(
    { messages: prepared.messages, largest: prepared.largestMessageBytes, bytes: prepared.byteLength },
    { messages: 200_000, largest: 6, bytes: many.reduce((sum, text) => sum + 4 + text.length, 0) },
  );
});
