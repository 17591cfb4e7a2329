import { readFileSync } from "node:fs";
import { expect, expectTypeOf, test, vi } from "vitest";
import { ERROR_TABLE, type ErrorCode, PolywireError } from "../src/index.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("the README shows the table of error codes as it is", () => {
  const rows = Object.entries(ERROR_TABLE).map(
    ([code, { retryable, meaning, advice }]) =>
      `| \`${code}\` | ${retryable ? "yes" : "no"} | ${meaning} | ${advice} |`,
  );
  const shown = readme.split("\n").filter((line) => /^\| `[a-z-]+` \| (?:yes|no) \|/.test(line));
  expect(shown).toEqual(rows);
});

test("the type of codes and the table agree", () => {
  expectTypeOf<keyof typeof ERROR_TABLE>().toEqualTypeOf<ErrorCode>();
  const source = readFileSync(new URL("../src/contract/error-table.ts", import.meta.url), "utf8");
  const union = source.slice(source.indexOf("ErrorCode ="), source.indexOf(";"));
  expect([...union.matchAll(/"([a-z-]+)"/g)].map(([, code]) => code)).toEqual(Object.keys(ERROR_TABLE));
});

test("every row says what it means and what to do, in sentences", () => {
  for (const { meaning, advice } of Object.values(ERROR_TABLE)) {
    expect(meaning).toMatch(/^[A-Z].*\.$/);
    expect(advice).toMatch(/^[A-Z].*\.$/);
  }
});

test("the platform's codes become ours, the cause is kept", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:9"), { code: "ECONNREFUSED" });
  const error = PolywireError.from(refused, "internal", "connect to ws://127.0.0.1:9/");
  expect(error.code).toBe("connection-refused");
  expect(error.retryable).toBe(true);
  expect(error.message).toBe("connect to ws://127.0.0.1:9/: connect ECONNREFUSED 127.0.0.1:9");
  expect(error.cause).toBe(refused);
});

test("happy eyeballs' several errors are told by the first", () => {
  const each = [
    Object.assign(new Error("connect ETIMEDOUT ::1"), { code: "ETIMEDOUT" }),
    Object.assign(new Error("connect ECONNREFUSED 127.0.0.1"), { code: "ECONNREFUSED" }),
  ];
  const error = PolywireError.from(new AggregateError(each, ""));
  expect(error.code).toBe("timed-out");
  expect(error.message).toBe("connect ETIMEDOUT ::1");
});

test.each([
  [new DOMException("gone", "AbortError"), "aborted"],
  [new DOMException("late", "TimeoutError"), "timed-out"],
  [new TypeError("x is not a function"), "internal"],
  ["a string", "internal"],
  [undefined, "internal"],
  [null, "internal"],
  [{ code: 42 }, "internal"],
])("whatever was thrown becomes a PolywireError: %s", (thrown, code) => {
  const error = PolywireError.from(thrown);
  expect(error).toBeInstanceOf(PolywireError);
  expect(error.code).toBe(code);
  expect(error.message).not.toBe("");
});

test("one that is ours already passes through", () => {
  const error = new PolywireError("too-large", "no");
  expect(PolywireError.from(error, "internal", "context")).toBe(error);
});

test("P43: two copies of the package know each other's errors", async () => {
  vi.resetModules();
  const copy = await import("../src/index.ts");
  expect(copy.PolywireError).not.toBe(PolywireError);
  const theirs = new copy.PolywireError("overflow", "full");
  expect(theirs).not.toBeInstanceOf(PolywireError);
  expect(PolywireError.is(theirs)).toBe(true);
  expect(PolywireError.from(theirs)).toBe(theirs);
});

test("what only looks like an error of ours is none", () => {
  for (const value of [null, undefined, "polywire.error", {}, new Error("polywire.error"), { brand: "other" }])
    expect(PolywireError.is(value)).toBe(false);
});
