import { expect, test } from "vitest";
import { retryAfterMs } from "../src/index.ts";

const NOON = Date.UTC(2027, 0, 15, 12, 0, 0);

test.each([
  ["0", 0],
  ["120", 120_000],
  [" 7 ", 7_000],
  // Seconds that no deadline has room for are no date in the past.
  ["99999999999", 99_999_999_999_000],
  ["Fri, 15 Jan 2027 12:00:05 GMT", 5_000],
  ["Friday, 15-Jan-27 12:00:05 GMT", 5_000],
  ["Fri Jan 15 12:00:05 2027", 5_000],
  ["Fri, 15 Jan 2027 11:59:00 GMT", 0],
  ["soon", undefined],
  ["", undefined],
])("Retry-After %o is %o ms", (value, expected) => {
  expect(retryAfterMs(new Map([["retry-after", value]]), NOON)).toBe(expected);
});

test.each([
  ["250", 250],
  ["-1", Number.POSITIVE_INFINITY],
  ["1.5", Number.POSITIVE_INFINITY],
])("grpc-retry-pushback-ms %o is %o ms, whatever Retry-After says", (value, expected) => {
  const headers = new Map([
    ["grpc-retry-pushback-ms", value],
    ["retry-after", "9"],
  ]);
  expect(retryAfterMs(headers, NOON)).toBe(expected);
});

test("a peer that says nothing of another attempt asks for nothing", () => {
  expect(retryAfterMs(new Map(), NOON)).toBeUndefined();
});
