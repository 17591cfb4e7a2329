import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FRAMINGS, type FramingName } from "../src/frame.ts";

const LIMIT = 1_048_576;

/** Everything that comes out of these chunks, copied: what is lent does not last. */
function decode(name: FramingName, chunks: readonly Uint8Array[], limit: number = LIMIT): (string | Buffer)[] {
  const messages: (string | Buffer)[] = [];
  const decoder = FRAMINGS[name].decoder(limit);
  for (const chunk of chunks) {
    // As Node does: every chunk is memory of its own, and is used again afterwards.
    const lent = Buffer.from(chunk);
    decoder.feed(lent, (message) => messages.push(typeof message === "string" ? message : Buffer.from(message)));
    lent.fill(0xdb);
  }
  expect(decoder.pendingBytes).toBe(0);
  return messages;
}

function encode(name: FramingName, payloads: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(payloads.map((payload) => FRAMINGS[name].frame(payload)));
}

/** The bytes cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

const binary = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
const line = fc
  .string({ unit: "binary", maxLength: 100 })
  .filter((text) => !/\n|\r$/.test(text) && text.isWellFormed());
const places = fc.array(fc.nat(), { maxLength: 12 });

describe.each(["u32", "varint"] as const)("%s", (name) => {
  test("any messages, cut anywhere, come out as they went in", () => {
    fc.assert(
      fc.property(binary, places, (payloads, at) => {
        const messages = decode(name, cut(encode(name, payloads), at));
        expect(messages).toEqual(payloads.map((payload) => Buffer.from(payload)));
      }),
    );
  });

  test("T19: cut in two at every position", () => {
    const payloads = [new Uint8Array(), new Uint8Array(200).fill(1), new Uint8Array(1), new Uint8Array(20_000).fill(7)];
    const bytes = encode(name, payloads);
    for (let at = 0; at <= bytes.length; at += at < 300 ? 1 : 997) {
      expect(decode(name, cut(bytes, [at])).map(({ length }) => length)).toEqual([0, 200, 1, 20_000]);
    }
  });

  test("T01, T24: a message of length 0 is a message", () => {
    expect(decode(name, [encode(name, ["", "", "x"])]).map(String)).toEqual(["", "", "x"]);
  });

  test("T03: a message at the limit passes, one byte more does not, whatever of it has come", () => {
    const most = FRAMINGS[name].frame(new Uint8Array(1_000));
    expect(decode(name, [most], 1_000)[0]?.length).toBe(1_000);
    const header = FRAMINGS[name].frame(new Uint8Array(1_001)).subarray(0, -1_001);
    expect(() => decode(name, [header], 1_000)).toThrow(
      expect.objectContaining({ code: "too-large", message: expect.stringContaining("maxMessageBytes is 1000") }),
    );
  });

  test("any bytes at all end in messages within the limit or in an error, and keep no more than the limit", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 20 }), (chunks) => {
        const decoder = FRAMINGS[name].decoder(64);
        try {
          for (const chunk of chunks) decoder.feed(Buffer.from(chunk), ({ length }) => expect(length).toBeLessThan(65));
        } catch (thrown) {
          expect(["too-large", "protocol-violation"]).toContain((thrown as { code: string }).code);
        }
        expect(decoder.pendingBytes).toBeLessThanOrEqual(64 + 10);
      }),
    );
  });
});

test("u32 is four bytes, the most significant first; varint is LEB128", () => {
  expect(FRAMINGS.u32.frame("abc")).toEqual(Buffer.from("\0\0\0\x03abc"));
  expect(FRAMINGS.varint.frame("abc")).toEqual(Buffer.from("\x03abc"));
  expect(FRAMINGS.varint.frame(new Uint8Array(300)).subarray(0, 2)).toEqual(Buffer.from([0xac, 0x02]));
});

test("T04: a length of 0xffffffff is refused before anything is kept for it", () => {
  const decoder = FRAMINGS.u32.decoder(LIMIT);
  expect(() => decoder.feed(Buffer.from([255, 255, 255, 255]), () => {})).toThrow("of 4294967295 bytes");
});

test.each([
  ["6 bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
  ["more than 64 bits", Array.from({ length: 11 }, () => 0xff)],
])("a varint of %s is refused", (_name, bytes) => {
  const chunks = [Buffer.from(bytes), ...bytes.map((byte) => Buffer.from([byte]))];
  expect(() => decode("varint", chunks.slice(0, 1))).toThrow("more than 5 bytes");
  expect(() => decode("varint", chunks.slice(1))).toThrow("more than 5 bytes");
});

test.each(["u32", "varint", "lines"] as const)("T17, %s: 1 MiB in 1-byte chunks costs less than a second", (name) => {
  const bytes = Buffer.from(FRAMINGS[name].frame("x".repeat(LIMIT)));
  let messages = 0;
  const decoder = FRAMINGS[name].decoder(LIMIT);
  const before = process.cpuUsage();
  for (let at = 0; at < bytes.length; at++) decoder.feed(bytes.subarray(at, at + 1), () => messages++);
  const { user, system } = process.cpuUsage(before);
  expect(messages).toBe(1);
  expect(user + system).toBeLessThan(1_000_000);
});

test.each(["u32", "varint", "lines"] as const)("T18, %s: 10,000 messages in one chunk", (name) => {
  const payloads = Array.from({ length: 10_000 }, (_, index) => `${index}`);
  expect(decode(name, [encode(name, payloads)]).map(String)).toEqual(payloads);
});

describe("lines", () => {
  test("T11: carriage returns alone end no line, and no more than a line of them is kept", () => {
    const decoder = FRAMINGS.lines.decoder(1_000);
    const feed = (): void => decoder.feed(Buffer.from("\r"), () => expect.unreachable());
    for (let bytes = 1; bytes <= 1_001; bytes++) {
      feed();
      expect(decoder.pendingBytes).toBe(bytes);
    }
    expect(feed).toThrow(expect.objectContaining({ code: "too-large" }));
  });

  test("any lines, cut anywhere, come out as they went in, whether LF or CR LF ends them", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), places, fc.boolean(), (lines, at, isDos) => {
        const bytes = isDos ? Buffer.from(lines.map((each) => `${each}\r\n`).join("")) : encode("lines", lines);
        expect(decode("lines", cut(bytes, at))).toEqual(lines);
      }),
    );
  });

  test("T08: a line over the limit is refused before its end has come", () => {
    expect(decode("lines", [Buffer.from(`${"x".repeat(1_000)}\r\n`)], 1_000)).toEqual(["x".repeat(1_000)]);
    for (const text of ["x".repeat(1_002), `${"x".repeat(1_001)}\n`, `${"ü".repeat(501)}\n`]) {
      expect(() => decode("lines", [Buffer.from(text)], 1_000)).toThrow(expect.objectContaining({ code: "too-large" }));
    }
  });

  test("T10: a line that is not valid UTF-8 is refused, also when a chunk cuts it", () => {
    const bytes = Buffer.from([0x61, 0xc3, 0x28, 0x0a]);
    expect(() => decode("lines", [bytes])).toThrow("not valid UTF-8");
    expect(() => decode("lines", cut(bytes, [2]))).toThrow("not valid UTF-8");
  });

  test.each([
    ["two\nlines", "line feed"],
    ["\n", "line feed"],
    ["ends\r", "carriage return"],
    [new Uint8Array([0x61, 0x0a]), "line feed"],
    [new Uint8Array([0xff]), "no UTF-8"],
  ])("cannot carry %o", (payload, problem) => {
    const refused = expect.objectContaining({ code: "invalid-argument", message: expect.stringContaining(problem) });
    expect(() => FRAMINGS.lines.frame(payload)).toThrow(refused);
    expect(() => FRAMINGS.lines.prepare(["fine", payload])).toThrow(refused);
  });
});

test("a message that lies in one chunk is lent from it, not copied", () => {
  const chunk = encode("u32", [new Uint8Array(100)]);
  FRAMINGS.u32.decoder(LIMIT).feed(chunk, (message) => expect((message as Buffer).buffer).toBe(chunk.buffer));
  expect.assertions(1);
});

test("what is prepared is what is framed", () => {
  for (const name of ["none", "lines", "u32", "varint"] as const) {
    const prepared = FRAMINGS[name].prepare(["one", "", new Uint8Array([0x41, 0x42, 0x43, 0x44])]);
    expect(prepared).toMatchObject({ messages: 3, largestMessageBytes: 4, framing: FRAMINGS[name] });
    expect((prepared as unknown as { bytes: Buffer }).bytes).toEqual(encode(name, ["one", "", "ABCD"]));
  }
});
