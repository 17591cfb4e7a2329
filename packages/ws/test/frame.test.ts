import type { Writable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as library from "ws";
import { frame, MaskSource, maskedFrame, openFrame, serverFraming } from "../src/frame.ts";

type Message = string | Uint8Array;

/** Exported by the library, missing in its types. */
const { Receiver } = library as unknown as {
  Receiver: new (options: object) => Writable;
};

/** What the library's own reader makes of the bytes, fed in chunks of the given size. */
function read(bytes: Uint8Array, { isServer, chunkBytes }: { isServer: boolean; chunkBytes: number }): Message[] {
  const messages: Message[] = [];
  const receiver = new Receiver({ isServer, maxPayload: 0, allowSynchronousEvents: true });
  receiver.on("message", (data: Buffer, isBinary: boolean) => {
    messages.push(isBinary ? new Uint8Array(data) : data.toString());
  });
  receiver.on("error", (error: Error) => {
    throw error;
  });
  // The reader unmasks in place.
  const copy = Buffer.from(bytes);
  for (let offset = 0; offset < copy.length; offset += chunkBytes) {
    receiver.write(copy.subarray(offset, offset + chunkBytes));
  }
  return messages;
}

/** What UTF-8 can carry: a lone surrogate becomes the replacement character. */
function wellFormed(message: Message): Message {
  return typeof message === "string" ? message.toWellFormed() : new Uint8Array(message);
}

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }),
);
const chunkBytes = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 600 }));

test("what is prepared for many, a client reads back", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), chunkBytes, (messages, size) => {
      const prepared = serverFraming.prepare(messages) as ReturnType<typeof serverFraming.prepare> & { bytes: Buffer };
      expect(prepared.messages).toBe(messages.length);
      expect(prepared.byteLength).toBe(prepared.bytes.byteLength);
      expect(prepared.largestMessageBytes).toBe(Math.max(0, ...messages.map((each) => Buffer.from(each).byteLength)));
      expect(read(prepared.bytes, { isServer: false, chunkBytes: size })).toEqual(messages.map(wellFormed));
      expect(prepared.bytes).toEqual(Buffer.concat(messages.map((each) => frame(each))));
    }),
  );
});

test("what a client masks, a server reads back", () => {
  const masks = new MaskSource();
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), chunkBytes, (messages, size) => {
      const bytes = Buffer.concat(messages.map((each) => maskedFrame(each, masks)));
      expect(read(bytes, { isServer: true, chunkBytes: size })).toEqual(messages.map(wellFormed));
    }),
  );
});

test.each([0, 1, 125, 126, 65_535, 65_536, 1_048_576])("a payload of %i bytes", (length) => {
  const payload = Buffer.alloc(length, "abcdefg");
  for (const sent of [payload, payload.toString()]) {
    const expected = [typeof sent === "string" ? sent : new Uint8Array(sent)];
    expect(read(frame(sent), { isServer: false, chunkBytes: 65_536 })).toEqual(expected);
    expect(read(maskedFrame(sent, new MaskSource()), { isServer: true, chunkBytes: 65_536 })).toEqual(expected);
    const opened = openFrame(frame(sent));
    expect(opened.isText).toBe(typeof sent === "string");
    expect(Buffer.compare(opened.payload, payload)).toBe(0);
  }
});

test("masks differ from frame to frame and go on past a block", () => {
  const masks = new MaskSource();
  const seen = new Set<string>();
  for (let index = 0; index < 3_000; index++) seen.add(maskedFrame("x", masks).subarray(2, 6).toString("hex"));
  expect(seen.size).toBeGreaterThan(2_990);
});

test("framing copies: the payload may change afterwards", () => {
  const payload = new Uint8Array([1, 2, 3]);
  const frames = [frame(payload), maskedFrame(payload, new MaskSource())];
  const before = frames.map((bytes) => bytes.toString("hex"));
  payload.fill(0xff);
  expect(frames.map((bytes) => bytes.toString("hex"))).toEqual(before);
});
