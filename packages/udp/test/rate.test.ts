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
