import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoder, frame } from "../src/frame.ts";

const PAYLOADS = ["", "plain", "\u00e9", "two", "a".repeat(300)].map((text) => Buffer.from(text));
const SPECIAL = Buffer.from([0xc0, 0xdb, 0xdc, 0xdd, 0xdb, 0xc0]);

test("messages arrive as they were sent, wherever the line cuts them", () => {
  const payloads = [...PAYLOADS, SPECIAL];
  const wire = Buffer.concat(payloads.map((payload) => frame(payload)));
  for (let cut = 0; cut <= wire.byteLength; cut++) {
    const decoder = new Decoder(1_000);
    const arrived: string[] = [];
    for (const part of [wire.subarray(0, cut), wire.subarray(cut)]) {
      decoder.feed(part, (message) => arrived.push(message.toString("hex")));
    }
    assert.deepEqual(
      arrived,
      payloads.map((payload) => payload.toString("hex")),
      `cut at ${cut}`,
    );
    assert.equal(decoder.pendingBytes, 0);
  }
});

test("a message over the limit is refused before it is whole", () => {
  const decoder = new Decoder(10);
  assert.throws(() => decoder.feed(Buffer.alloc(11), () => {}), /maxMessageBytes \(10\)/);
});

test("an escape of nothing is a violation", () => {
  const decoder = new Decoder(10);
  assert.throws(() => decoder.feed(Buffer.from([0xdb, 0x00]), () => {}), /escaped the byte 0/);
});
