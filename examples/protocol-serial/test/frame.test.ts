import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoder, frame, framing } from "../src/frame.ts";

const MESSAGES = ["", "plain", "grüß Gott", "", "", "x".repeat(300)].map((text) => Buffer.from(text));
const SPECIAL = Buffer.from([0xc0, 0xdb, 0xdc, 0xdd, 0xdb, 0xc0]);
const ALL = [...MESSAGES, SPECIAL];
const WIRE = Buffer.concat(ALL.map((message) => frame(message)));
const EXPECTED = ALL.map((message) => message.toString("hex"));

/** What a decoder cuts these pieces into, as copies. */
function cut(pieces: readonly Buffer[], decoder: Decoder = new Decoder(1_000)): string[] {
  const messages: string[] = [];
  for (const piece of pieces) decoder.feed(piece, (message) => messages.push(message.toString("hex")));
  return messages;
}

test("messages arrive as they were sent, wherever the line cuts them in two", () => {
  for (let at = 0; at <= WIRE.byteLength; at++) {
    const decoder = new Decoder(1_000);
    assert.deepEqual(cut([WIRE.subarray(0, at), WIRE.subarray(at)], decoder), EXPECTED, `cut at ${at}`);
    assert.equal(decoder.pendingBytes, 0);
  }
});

test("the bytes are those of RFC 1055", () => {
  assert.deepEqual(frame("a"), Buffer.from([0x61, 0xc0]));
  assert.deepEqual(frame(new Uint8Array([0xc0, 0xdb])), Buffer.from([0xdb, 0xdc, 0xdb, 0xdd, 0xc0]));
});

test("ends before, between and after messages mean nothing", () => {
  const ends = Buffer.from([0xc0, 0xc0]);
  assert.deepEqual(cut([ends, frame("one"), ends, frame("two"), ends]), ["one", "two"].map(hexOf));
});

test("a message over the limit is refused before it is whole", () => {
  assert.deepEqual(cut([frame("x".repeat(10))], new Decoder(10)), [hexOf("x".repeat(10))]);
  assert.throws(() => cut([Buffer.alloc(11)], new Decoder(10)), {
    code: "too-large",
    message: /maxMessageBytes \(10\)/,
  });
});

test("an escape of anything else is a violation", () => {
  for (const bytes of [
    [0xdb, 0x00],
    [0xdb, 0xdb],
    [0x61, 0xdb, 0xc0],
  ]) {
    assert.throws(() => cut([Buffer.from(bytes)]), {
      code: "protocol-violation",
      message: /the peer escaped the byte/,
    });
  }
});

test("any number of payloads is framed once, as each of them would be", () => {
  const many = Array.from({ length: 200_000 }, (_, index) => `${index}`);
  const prepared = framing.prepare(many);
  assert.equal(prepared.messages, 200_000);
  assert.equal(prepared.largestMessageBytes, 6);
  assert.equal(prepared.byteLength, many.join(" ").length + 1);
});

function hexOf(text: string): string {
  return Buffer.from(text).toString("hex");
}
