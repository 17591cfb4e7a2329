import { gzipSync } from "node:zlib";
import { FramedBytes, PolywireError } from "@polywire/core";
import { expect, test } from "vitest";
import { frame, grpcFraming, MessageDecoder } from "../src/frame.ts";
import { decodeMessage, encodeMessage } from "../src/status.ts";
import { decodeTimeout, encodeTimeout } from "../src/timeout.ts";

const MAX = 1_000;

function decode(chunks: readonly Buffer[], encoding?: string): string[] {
  const decoder = new MessageDecoder(MAX, encoding);
  const messages: string[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let next = decoder.next(); next !== undefined; next = decoder.next())
      messages.push(Buffer.from(next).toString());
  }
  expect(decoder.byteLength).toBe(0);
  return messages;
}

test("messages are the same wherever their bytes are cut", () => {
  const bytes = Buffer.concat(["one", "", "grüß Gott", "x".repeat(300)].map(frame));
  const expected = ["one", "", "grüß Gott", "x".repeat(300)];
  for (let cut = 0; cut <= bytes.byteLength; cut++)
    expect(decode([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(expected);
  expect(decode(Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(expected);
});

test("a frame is a flag, a length and the message", () => {
  expect(frame("hello").toString("hex")).toBe("000000000568656c6c6f");
  const prepared = grpcFraming.prepare(["a", new Uint8Array([1, 2])]);
  expect(Buffer.from((prepared as FramedBytes).bytes).toString("hex")).toBe("00000000016100000000020102");
  expect(prepared).toMatchObject({ messages: 2, largestMessageBytes: 2, byteLength: 13 });
});

test("a length over the limit is refused with its prefix, whatever follows", () => {
  const decoder = new MessageDecoder(MAX, undefined);
  decoder.push(Buffer.from("00000003e9", "hex"));
  expect(decoder.hasNext).toBe(true);
  expect(() => decoder.next()).toThrow(expect.objectContaining({ code: "too-large" }));
});

test("compressed and plain messages mix", () => {
  const zipped = gzipSync("zipped");
  const prefix = Buffer.alloc(5);
  prefix[0] = 1;
  prefix.writeUInt32BE(zipped.byteLength, 1);
  expect(decode([frame("plain"), prefix, zipped, frame("again")], "gzip")).toEqual(["plain", "zipped", "again"]);
});

test("what cannot be decompressed is told apart", () => {
  const flagged = (payload: Buffer): Buffer => {
    const bytes = frame(payload);
    bytes[0] = 1;
    return bytes;
  };
  const codeOf = (bytes: Buffer, encoding: string | undefined): string => {
    const decoder = new MessageDecoder(MAX, encoding);
    decoder.push(bytes);
    try {
      return String(decoder.next());
    } catch (thrown) {
      return PolywireError.is(thrown) ? thrown.code : "none";
    }
  };
  expect(codeOf(flagged(gzipSync(Buffer.alloc(MAX + 1))), "gzip")).toBe("too-large");
  expect(codeOf(flagged(Buffer.from("no gzip")), "gzip")).toBe("protocol-violation");
  expect(codeOf(flagged(Buffer.from("x")), "snappy")).toBe("unsupported");
  expect(codeOf(flagged(Buffer.from("x")), undefined)).toBe("protocol-violation");
});

test("messages of a status survive their encoding", () => {
  for (const text of ["", "plain", "100 %", "grüß\nGott", "\u{1f600}", "a%20b"])
    expect(decodeMessage(encodeMessage(text))).toBe(text);
  expect(encodeMessage("a%ü\r\n")).toBe("a%25%C3%BC%0D%0A");
  expect(decodeMessage("not %zz encoded")).toBe("not %zz encoded");
});

test("timeouts survive their encoding", () => {
  for (const milliseconds of [1, 999, 99_999_999])
    expect(decodeTimeout(encodeTimeout(milliseconds))).toBe(milliseconds);
  expect(encodeTimeout(0.2)).toBe("1m");
  expect(decodeTimeout(encodeTimeout(2_147_483_647))).toBe(2_147_484_000);
  expect(decodeTimeout("2H")).toBe(7_200_000);
  expect(decodeTimeout("5u")).toBeCloseTo(0.005);
  expect(decodeTimeout(undefined)).toBeUndefined();
  for (const wrong of ["", "x", "1", "m", "-1m", "1.5S", "123456789m", " 1m"]) expect(decodeTimeout(wrong)).toBeNaN();
});
