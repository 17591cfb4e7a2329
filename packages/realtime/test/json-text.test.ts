import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isJsonText } from "../src/json-text.ts";

const DEEP = 1_000_000;
const utf8 = new TextEncoder();

function isJson(text: string, maxDepth: number = DEEP): boolean {
  return isJsonText(utf8.encode(text), maxDepth);
}

/** The platform's own verdict. */
function isParsed(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}

const right = [
  "0",
  "-0",
  "1e999",
  "-12.50E+07",
  "0e0",
  "true",
  "false",
  "null",
  '""',
  '"\\u0000\\ud800\\"\\\\\\/\\b\\f\\n\\r\\t"',
  '"\u007f\u0080\u07ff\u0800\uffff😀"',
  "[]",
  "{}",
  "[[],{}]",
  ' \t\r\n{ "a" : [ 1 , 2 ] , "a" : { } } \n',
  '{"":"","__proto__":1}',
  '[1,[2,{"3":[4]}],5]',
];

const wrong = [
  "",
  " ",
  "01",
  "-",
  "+1",
  "1.",
  ".5",
  "1e",
  "1e+",
  "0x1",
  "NaN",
  "Infinity",
  "nul",
  "nulll",
  "True",
  "tru",
  "fals",
  "undefined",
  '"',
  '"\\"',
  '"\\x"',
  '"\\u12g4"',
  '"\\u123',
  '"\n"',
  '"\u0000"',
  "'a'",
  "[",
  "]",
  "[1",
  "[1,",
  "[1,]",
  "[,1]",
  "[1 2]",
  "[1}",
  "{",
  "}",
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  "{,}",
  '{"a" 1}',
  "{a:1}",
  "{1:1}",
  '{"a":1]',
  '["a":1]',
  "1 1",
  "1,",
  "{}{}",
  "[] []",
  "/**/1",
  "1\u00a0",
  "\ufeff1",
  "[1]\u0000",
];

/** Bytes that are no UTF-8, to be put inside a string. */
const notUtf8: readonly (readonly number[])[] = [
  [0x80],
  [0xbf],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xc2],
  [0xc2, 0x22],
  [0xe0, 0x80, 0x80],
  [0xe0, 0x9f, 0xbf],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf0, 0x9f, 0x98],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xfe],
  [0xff],
];

describe("JSON text", () => {
  it.each(right)("takes %j", (text) => {
    expect(isParsed(utf8.encode(text))).toBe(true);
    expect(isJson(text)).toBe(true);
  });

  it.each(wrong)("refuses %j", (text) => {
    expect(isParsed(utf8.encode(text))).toBe(false);
    expect(isJson(text)).toBe(false);
  });

  it.each(notUtf8)("refuses bytes that are no UTF-8: %j", (...bytes) => {
    const text = Uint8Array.from([0x22, ...bytes, 0x22]);
    expect(isParsed(text)).toBe(false);
    expect(isJsonText(text, DEEP)).toBe(false);
    // Cut off in the middle of the character, too.
    expect(isJsonText(text.subarray(0, -1), DEEP)).toBe(false);
  });

  it("counts the depth as brackets that are open at once", () => {
    expect(isJson("1", 0)).toBe(true);
    expect(isJson("[]", 0)).toBe(false);
    expect(isJson("[]", 1)).toBe(true);
    expect(isJson("{}", 1)).toBe(true);
    expect(isJson("[[],[],{}]", 1)).toBe(false);
    expect(isJson("[[],[],{}]", 2)).toBe(true);
    for (const depth of [30, 31, 32, 61, 62, 63, 64, 1_024]) {
      const text = "[".repeat(depth) + "]".repeat(depth);
      expect(isJson(text, depth)).toBe(true);
      expect(isJson(text, depth - 1)).toBe(false);
    }
  });

  it("keeps objects and arrays apart at every depth", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200, size: "max" }), fc.nat(), (isObjects, at) => {
        const open = isObjects.map((isObject) => (isObject ? '{"a":' : "[")).join("");
        const closing = isObjects.map((isObject) => (isObject ? "}" : "]")).reverse();
        expect(isJson(`${open}1${closing.join("")}`)).toBe(true);
        if (closing.length === 0) return;
        const index = at % closing.length;
        closing[index] = closing[index] === "}" ? "]" : "}";
        expect(isJson(`${open}1${closing.join("")}`)).toBe(false);
      }),
    );
  });

  it("judges a million brackets at once", () => {
    const text = utf8.encode("[".repeat(DEEP) + "]".repeat(DEEP));
    const startMs = performance.now();
    expect(isJsonText(text, DEEP)).toBe(true);
    expect(isJsonText(text, 1_024)).toBe(false);
    expect(isJsonText(utf8.encode('{"a":'.repeat(DEEP)), DEEP)).toBe(false);
    // 10,000 must take less than 20 ms; this is a hundred times as much.
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it("agrees with the platform on any value, however it is written", () => {
    const indent = fc.constantFrom(undefined, 1, "\t", "\r\n");
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme" }), indent, (value, space) => {
        expect(isJson(JSON.stringify(value, undefined, space))).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("agrees with the platform on damaged text", () => {
    const damage = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("replace", "insert", "remove", "cut", "repeat"),
      byte: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(...utf8.encode('{}[]":,\\u0e-.+ \n'))),
    });
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme" }),
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        (value, damages) => {
          let bytes = [...utf8.encode(JSON.stringify(value))];
          for (const { at, kind, byte } of damages) {
            const index = at % (bytes.length + 1);
            if (kind === "replace") bytes[index] = byte;
            else if (kind === "insert") bytes.splice(index, 0, byte);
            else if (kind === "remove") bytes.splice(index, 1);
            else if (kind === "cut") bytes = bytes.slice(0, index);
            else bytes = [...bytes.slice(0, index), ...bytes.slice(Math.max(0, index - 3))];
          }
          const text = Uint8Array.from(bytes);
          expect(isJsonText(text, DEEP)).toBe(isParsed(text));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("agrees with the platform on any bytes between quotes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (inside) => {
        const text = Uint8Array.from([0x22, ...inside, 0x22]);
        expect(isJsonText(text, DEEP)).toBe(isParsed(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it("looks at the view it is given, not at the memory around it", () => {
    const memory = utf8.encode('[1]{"a":1}[2]');
    expect(isJsonText(memory.subarray(3, 10), 1)).toBe(true);
    expect(isJsonText(memory.subarray(3, 9), 1)).toBe(false);
  });
});
