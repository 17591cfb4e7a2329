import { PolywireError } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FrameCutter, LengthCutter, LineCutter } from "../src/frame-cutter.ts";

const MAX_BYTES = 64;

function cut(cutter: FrameCutter, ...chunks: readonly Uint8Array[]): string[] {
  const frames: string[] = [];
  for (const chunk of chunks) {
    const lent = new Uint8Array(chunk);
    cutter.push(lent, (frame) => frames.push(Buffer.from(frame).toString("latin1")));
    // Chunks are lent: whoever kept bytes of one notices here.
    lent.fill(0xee);
  }
  return frames;
}

function refusal(cutter: FrameCutter, ...chunks: readonly Uint8Array[]): string | undefined {
  try {
    cut(cutter, ...chunks);
    return undefined;
  } catch (thrown) {
    return PolywireError.from(thrown).code;
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

function delimited(body: Uint8Array): Uint8Array {
  const { length } = body;
  const header = length < 0x80 ? [length] : [(length % 0x80) | 0x80, Math.floor(length / 0x80)];
  return new Uint8Array([...header, ...body]);
}

/** The bytes, cut at these places. */
function pieces(whole: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...places.map((place) => place % (whole.length + 1)), whole.length].sort((one, other) => one - other);
  return cuts.map((end, index) => whole.subarray(cuts[index - 1] ?? 0, end));
}

describe("lines", () => {
  it("are handed on without their ends, and blank ones not at all", () => {
    expect(cut(new LineCutter(MAX_BYTES), bytes('{"a":1}\n\n \t\r\n{"b":2}\r\n{"c"'), bytes(":3}\n"))).toEqual([
      '{"a":1}',
      '{"b":2}\r',
      '{"c":3}',
    ]);
  });

  it("come out whole, wherever the stream is cut", () => {
    const text = '{"id":1}\n\r\n{"text":"\xfc"}\n\n{"id":3,"long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxx"}\n';
    const whole = cut(new LineCutter(MAX_BYTES), bytes(text));
    expect(whole).toHaveLength(3);
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second++) {
        const cutter = new LineCutter(MAX_BYTES);
        expect(cut(cutter, ...pieces(bytes(text), [first, second]))).toEqual(whole);
        expect(cutter.pendingBytes).toBe(0);
      }
    }
  });

  it("past the limit are refused before their end is there, and those at it are not", () => {
    const longest = "x".repeat(MAX_BYTES);
    expect(cut(new LineCutter(MAX_BYTES), bytes(`${longest}\n`))).toEqual([longest]);
    expect(refusal(new LineCutter(MAX_BYTES), bytes(`${longest}x`))).toBe("too-large");
    expect(refusal(new LineCutter(MAX_BYTES), bytes(longest), bytes("x"))).toBe("too-large");
    const drip = Array.from({ length: MAX_BYTES + 1 }, () => bytes("x"));
    expect(refusal(new LineCutter(MAX_BYTES), ...drip)).toBe("too-large");
  });

  it("leave no more waiting than the limit, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
        const cutter = new LineCutter(MAX_BYTES);
        try {
          for (const chunk of chunks) {
            cutter.push(chunk, (frame) => expect(frame.length).toBeLessThanOrEqual(MAX_BYTES));
            expect(cutter.pendingBytes).toBeLessThanOrEqual(MAX_BYTES);
          }
        } catch (thrown) {
          if (!PolywireError.is(thrown)) throw thrown;
        }
      }),
    );
  });
});

describe("messages after their lengths", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });

  it("come out whole with their lengths, wherever the stream is cut", () => {
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(), { maxLength: 30 }), (some, places) => {
        const whole = some.map(delimited);
        const cutter = new LengthCutter(300);
        const frames = cut(cutter, ...pieces(new Uint8Array(Buffer.concat(whole)), places));
        expect(frames).toEqual(whole.map((frame) => Buffer.from(frame).toString("latin1")));
        expect(cutter.pendingBytes).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it("come out whole byte by byte, empty ones and long ways to write a length too", () => {
    const stream = [0x00, 0x80, 0x00, 0x81, 0x80, 0x00, 0x41, 0x01, 0x42];
    const single = stream.map((byte) => new Uint8Array([byte]));
    expect(cut(new LengthCutter(MAX_BYTES), ...single)).toEqual(["\x00", "\x80\x00", "\x81\x80\x00A", "\x01B"]);
    expect(cut(new LengthCutter(MAX_BYTES), new Uint8Array(stream))).toEqual([
      "\x00",
      "\x80\x00",
      "\x81\x80\x00A",
      "\x01B",
    ]);
  });

  it.each<[string, number[], string | undefined]>([
    ["the limit", [MAX_BYTES], undefined],
    ["one more", [MAX_BYTES + 1], "too-large"],
    ["4 GiB", [0xff, 0xff, 0xff, 0xff, 0x0f], "too-large"],
    ["the most that five bytes say", [0xff, 0xff, 0xff, 0xff, 0x7f], "too-large"],
    ["a length that goes on for ever", [0xff, 0xff, 0xff, 0xff, 0xff], "protocol-violation"],
    ["the beginning of a length", [0xff, 0xff, 0xff, 0xff], undefined],
  ])("a length of %s is judged before there is room for it", (_what, header, code) => {
    expect(refusal(new LengthCutter(MAX_BYTES), new Uint8Array(header))).toBe(code);
    expect(refusal(new LengthCutter(MAX_BYTES), ...header.map((byte) => new Uint8Array([byte])))).toBe(code);
  });

  it("takes room for what has come, not for what was announced", () => {
    const cutter = new LengthCutter(2 ** 31);
    cut(cutter, new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x07]), bytes("abc"));
    expect(cutter.pendingBytes).toBe(8);
  });

  it("cuts a megabyte that comes byte by byte in a second of work", () => {
    const cutter = new LengthCutter(2_000_000);
    const whole = new Uint8Array([0xc0, 0x84, 0x3d, ...new Uint8Array(1_000_000)]);
    const started = process.cpuUsage();
    let frames = 0;
    for (let index = 0; index < whole.length; index++) cutter.push(whole.subarray(index, index + 1), () => frames++);
    const { user } = process.cpuUsage(started);
    expect([frames, cutter.pendingBytes]).toEqual([1, 0]);
    // Copying all that came at each byte would take minutes.
    expect(user).toBeLessThan(5_000_000);
  });
});
