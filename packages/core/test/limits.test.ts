import { expect, test } from "vitest";
import { completeLimits, DEFAULT_LIMITS } from "../src/index.ts";

test("what is not given is the default", () => {
  expect(completeLimits()).toEqual(DEFAULT_LIMITS);
  expect(completeLimits({ maxLinks: 5 })).toEqual({ ...DEFAULT_LIMITS, maxLinks: 5 });
  expect(completeLimits({ maxLinks: undefined } as object)).toEqual(DEFAULT_LIMITS);
});

test("the defaults may be others", () => {
  const defaults = completeLimits({ maxMessageBytes: 10 });
  expect(completeLimits({ maxLinks: 5 }, defaults)).toMatchObject({ maxMessageBytes: 10, maxLinks: 5 });
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "10", null])(
  "a limit of %s is refused by name",
  (value) => {
    expect(() => completeLimits({ maxBufferedBytes: value as number })).toThrow(/limit maxBufferedBytes is .*: give a/);
  },
);

test("P23: an unknown limit is refused, with those that are known", () => {
  expect(() => completeLimits({ maxMessageByte: 1 } as object)).toThrow(
    /unknown limit "maxMessageByte": known are max/,
  );
  expect(() => completeLimits(JSON.parse('{"__proto__": 1}') as object)).toThrow(/unknown limit "__proto__"/);
});

test("P20: the given object is not changed and may be frozen", () => {
  const given = Object.freeze({ maxBufferedBytes: 100 });
  expect(completeLimits(given)).toMatchObject({ maxBufferedBytes: 100, waitAboveBytes: 100 });
});

test("a sender is told to wait before it is refused", () => {
  expect(completeLimits({ maxBufferedBytes: 1_000 }).waitAboveBytes).toBe(1_000);
  expect(completeLimits({ maxBufferedBytes: 1_000, waitAboveBytes: 10 }).waitAboveBytes).toBe(10);
});
