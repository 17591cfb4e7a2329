import { PolywireError } from "@polywire/core";
import { describe, expect, it } from "vitest";
import { delimited, linkMessages } from "../src/frames.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const LIMIT = 1_000;

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (thrown) {
    return PolywireError.is(thrown) ? thrown.code : String(thrown);
  }
  return undefined;
}

describe("frames of the SDK as link messages", () => {
  it("joined: the frame as it is", () => {
    expect(linkMessages("{}\n{}", true, LIMIT)).toEqual(["{}\n{}"]);
    expect(linkMessages(bytes(0, 1, 7), true, LIMIT)).toEqual([bytes(0, 1, 7)]);
  });

  it("single: a line for each command of JSON, the bare message for each of Protobuf", () => {
    expect(linkMessages('{"id":1}\n{}\n', false, LIMIT)).toEqual(['{"id":1}', "{}"]);
    expect(linkMessages(bytes(0, 2, 8, 1, 1, 9), false, LIMIT)).toEqual([bytes(), bytes(8, 1), bytes(9)]);
  });

  it("a joined frame over the limit is divided between its commands, each still behind its length", () => {
    expect(linkMessages("aaaa\nbbbb", true, 8)).toEqual(["aaaa", "bbbb"]);
    expect(linkMessages(bytes(2, 8, 1, 1, 9), true, 4)).toEqual([bytes(2, 8, 1), bytes(1, 9)]);
  });

  it("one command over the limit is an error, and nothing of its frame is sent", () => {
    for (const isJoined of [true, false]) {
      expect(codeOf(() => linkMessages("a\nbbbbbbbbb", isJoined, 8))).toBe("too-large");
      expect(codeOf(() => linkMessages(bytes(1, 1, 5, 1, 2, 3, 4, 5), isJoined, 4))).toBe("too-large");
    }
  });

  it("the limit is in bytes of UTF-8, to the byte", () => {
    expect(linkMessages("ää", true, 4)).toEqual(["ää"]);
    expect(codeOf(() => linkMessages("ää", true, 3))).toBe("too-large");
    expect(linkMessages("aaa", true, 3)).toEqual(["aaa"]);
  });

  it("bytes that are no such messages are refused", () => {
    for (const broken of [bytes(5, 1), bytes(0x80), bytes(0xff, 0xff, 0xff, 0xff, 0xff, 1)])
      expect(codeOf(() => linkMessages(broken, false, LIMIT))).toBe("invalid-argument");
  });

  it.each([0, 1, 127, 128, 16_383, 16_384, 2_097_152])(
    "a message of %i bytes gets its length and loses it again",
    (size) => {
      const message = new Uint8Array(size).fill(3);
      const framed = new Uint8Array(delimited(message));
      expect(linkMessages(framed, false, size + 1)).toEqual([message]);
    },
  );
});
