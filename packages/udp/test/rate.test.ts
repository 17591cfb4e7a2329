import { expect, test } from "vitest";
import { Rate } from "../src/rate.ts";

test("a source that sends too much is told of once a minute, each source for itself", () => {
  const rate = new Rate(1);
  expect(rate.allows("192.0.2.1", 0)).toBe(true);
  expect(rate.allows("192.0.2.1", 0)).toBe(false);
  expect(rate.isWorthTelling(0)).toBe(true);
  expect(rate.allows("192.0.2.1", 1)).toBe(false);
  expect(rate.isWorthTelling(1)).toBe(false);

  rate.allows("192.0.2.2", 1);
  expect(rate.allows("192.0.2.2", 1)).toBe(false);
  expect(rate.isWorthTelling(1)).toBe(true);

  rate.allows("192.0.2.1", 60_000);
  expect(rate.allows("192.0.2.1", 60_000)).toBe(false);
  expect(rate.isWorthTelling(60_000)).toBe(true);
});

test("of 10,000 sources the one that was silent the longest is forgotten, not the one that came first", () => {
  const rate = new Rate(1);
  const source = (number: number): string => `2001:db8::${number.toString(16)}`;
  for (let number = 0; number < 10_000; number++) expect(rate.allows(source(number), 0)).toBe(true);
  expect(rate.allows(source(0), 0)).toBe(false);
  rate.allows("192.0.2.1", 0);
  // The first goes on sending and is known still; the second made room.
  expect(rate.allows(source(0), 0)).toBe(false);
  expect(rate.allows(source(1), 0)).toBe(true);
});
