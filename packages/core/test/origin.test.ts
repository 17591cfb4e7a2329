import { expect, test } from "vitest";
import { isForeignPage } from "../src/index.ts";

test.each([
  ["http://localhost:8000", "localhost:8000", false],
  ["http://localhost", "localhost:80", false],
  ["https://example.com", "EXAMPLE.com:443", false],
  ["https://example.com", "example.com:80", true],
  ["http://localhost:8000", "localhost:9000", true],
  ["http://localhost:8000", undefined, true],
  ["null", "localhost", true],
  ["file://", "localhost", true],
  ["http://a@localhost", "localhost", false],
  ["http://localhost", "local host", true],
])("a page of %s, asking for %s, is foreign: %s", (origin, host, expected) => {
  const headers = new Map([["origin", origin], ...(host === undefined ? [] : [["host", host] as const])]);
  expect(isForeignPage({ secure: false, headers })).toBe(expected);
});

test("who sends no origin is no page", () => {
  expect(isForeignPage({ secure: false })).toBe(false);
  expect(isForeignPage({ secure: false, headers: new Map([["host", "localhost"]]) })).toBe(false);
});
