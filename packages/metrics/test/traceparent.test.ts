import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatTraceparent, parseTraceparent } from "../src/index.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";

test("the example of the specification", () => {
  expect(parseTraceparent(`00-${TRACE}-${PARENT}-01`)).toEqual({ traceId: TRACE, parentId: PARENT, isSampled: true });
  expect(parseTraceparent(`00-${TRACE}-${PARENT}-00`)?.isSampled).toBe(false);
});

test.each([
  ["flags that are not known yet", `00-${TRACE}-${PARENT}-03`, true],
  ["a later version", `cc-${TRACE}-${PARENT}-01`, true],
  ["a later version with more in it", `cc-${TRACE}-${PARENT}-00-what-the-future-holds`, false],
])("is read: %s", (_what, text, isSampled) => {
  expect(parseTraceparent(text)).toEqual({ traceId: TRACE, parentId: PARENT, isSampled });
});

test.each([
  ["nothing", ""],
  ["more in version 00", `00-${TRACE}-${PARENT}-01-more`],
  ["a later version with more that is no field", `cc-${TRACE}-${PARENT}-01.more`],
  ["version ff", `ff-${TRACE}-${PARENT}-01`],
  ["capitals", `00-${TRACE.toUpperCase()}-${PARENT}-01`],
  ["a trace of zeros", `00-${"0".repeat(32)}-${PARENT}-01`],
  ["a parent of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["a short trace", `00-${TRACE.slice(1)}-${PARENT}-01`],
  ["two headers joined", `00-${TRACE}-${PARENT}-01,00-${TRACE}-${PARENT}-01`],
  ["space", ` 00-${TRACE}-${PARENT}-01`],
  ["a line break", `00-${TRACE}-${PARENT}-01\n`],
  ["far too much", `cc-${TRACE}-${PARENT}-01-${"x".repeat(1_000)}`],
])("is no traceparent: %s", (_what, text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test("ids that are none are named", () => {
  const fine = { traceId: TRACE, parentId: PARENT, isSampled: true };
  expect(() => formatTraceparent({ ...fine, traceId: "x" })).toThrow('traceId is "x": give 32 hexadecimal digits');
  expect(() => formatTraceparent({ ...fine, parentId: "0".repeat(16) })).toThrow("parentId");
  expect(() => formatTraceparent({ ...fine, parentId: `${PARENT}\n` })).toThrow("parentId");
});

test("what is written is read back, and no text makes the reading throw", () => {
  const hex = (digits: number): fc.Arbitrary<string> =>
    fc
      .array(fc.constantFrom(..."0123456789abcdef"), { minLength: digits, maxLength: digits })
      .map((each) => each.join(""))
      .filter((each) => /[^0]/.test(each));
  fc.assert(
    fc.property(fc.record({ traceId: hex(32), parentId: hex(16), isSampled: fc.boolean() }), (given) => {
      expect(parseTraceparent(formatTraceparent(given))).toEqual(given);
    }),
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => parseTraceparent(text) === undefined));
});
