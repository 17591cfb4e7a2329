import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameReader, maskedFrame, opcodes } from "../src/load/frame-reader.ts";

function serverFrame(opcode: number, body: Buffer, lengthForm: 7 | 16 | 64): Buffer {
  const head = Buffer.alloc(lengthForm === 7 ? 2 : lengthForm === 16 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (lengthForm === 7) head[1] = body.length;
  else if (lengthForm === 16) {
    head[1] = 126;
    head.writeUInt16BE(body.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(body.length), 2);
  }
  return Buffer.concat([head, body]);
}

function recorder(maxFrameBytes = 1024 * 1024): { frames: [number, string][]; reader: FrameReader } {
  const frames: [number, string][] = [];
  const reader = new FrameReader(maxFrameBytes, (opcode, body) => frames.push([opcode, body.toString("latin1")]));
  return { frames, reader };
}

describe("frame reader", () => {
  test("finds the same frames wherever the bytes are cut", () => {
    const body = fc.uint8Array({ maxLength: 300 });
    const frame = fc.record({ opcode: fc.constantFrom(1, 2, 8, 9, 10), body, form: fc.constantFrom(16, 64) });
    const property = fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(2000)), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ opcode, body, form }) => serverFrame(opcode, Buffer.from(body), form)));
      const { frames: found, reader } = recorder();
      const edges = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
      for (const [index, edge] of edges.entries()) reader.push(bytes.subarray(edges[index - 1] ?? 0, edge));
      expect(found).toEqual(frames.map(({ opcode, body }) => [opcode, Buffer.from(body).toString("latin1")]));
    });
    fc.assert(property);
  });

  test("reads the short length form, byte by byte", () => {
    const { frames, reader } = recorder();
    for (const byte of serverFrame(opcodes.text, Buffer.from("hello"), 7)) reader.push(Buffer.from([byte]));
    expect(frames).toEqual([[opcodes.text, "hello"]]);
  });

  test("refuses a frame above the limit before it has arrived", () => {
    const { reader } = recorder(100);
    expect(() => reader.push(Buffer.from([0x81, 126, 0, 101]))).toThrow("101 bytes");
  });

  test("refuses a masked frame", () => {
    const { reader } = recorder();
    expect(() => reader.push(maskedFrame(opcodes.text, Buffer.from("hello")))).toThrow("masked");
  });
});

describe("masked frame", () => {
  test.each([0, 1, 125, 126, 60_000])("carries %i bytes that its key unmasks", (length) => {
    const body = Buffer.alloc(length, "abcdefg");
    const frame = maskedFrame(opcodes.text, body);
    const head = length < 126 ? 2 : 4;
    expect(frame[0]).toBe(0x81);
    expect((frame[1] ?? 0) & 128).toBe(128);
    expect(length < 126 ? (frame[1] ?? 0) & 127 : frame.readUInt16BE(2)).toBe(length);
    const key = frame.subarray(head, head + 4);
    expect(key).not.toEqual(Buffer.alloc(4));
    const unmasked = frame.subarray(head + 4).map((byte, index) => byte ^ (key[index & 3] ?? 0));
    expect(Buffer.from(unmasked)).toEqual(body);
  });
});
