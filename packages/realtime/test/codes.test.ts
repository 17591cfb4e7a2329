import { expect, it } from "vitest";
import { DISCONNECTS, ERRORS, UNSUBSCRIBES } from "../src/index.ts";

it("errors are temporary exactly where the same command may succeed later: clients stop for good on the others", () => {
  const rows = Object.values(ERRORS).map(({ code, message, isTemporary }) => [code, message, isTemporary]);
  expect(rows).toEqual([
    [100, "internal server error", true],
    [101, "unauthorized", false],
    [102, "unknown channel", false],
    [103, "permission denied", false],
    [104, "method not found", false],
    [105, "already subscribed", false],
    [106, "limit exceeded", false],
    [107, "bad request", false],
    [108, "not available", false],
    [109, "token expired", false],
    [110, "expired", false],
    [111, "too many requests", true],
    [112, "unrecoverable position", false],
  ]);
});

it("disconnects are in the range that says whether clients come back, and their reasons are plain text", () => {
  const comeBack = ["shutdown", "slow", "insufficientState", "noPong", "tooManyRequests", "internal"] as const;
  const stayAway = [
    "badRequest",
    "stale",
    "invalidToken",
    "connectionLimit",
    "notAvailable",
    "permissionDenied",
  ] as const;
  for (const name of comeBack) expect(DISCONNECTS[name].code).toBeLessThan(3_500);
  for (const name of stayAway) expect(DISCONNECTS[name].code).toBeGreaterThanOrEqual(3_500);
  for (const { code, reason } of [...Object.values(DISCONNECTS), ...Object.values(UNSUBSCRIBES)]) {
    expect(new TextEncoder().encode(reason).length).toBeLessThanOrEqual(123);
    expect(() => JSON.parse(reason), `${code}`).toThrow(SyntaxError);
  }
  expect(Object.values(UNSUBSCRIBES).map(({ code }) => code)).toEqual([2000, 2500, 2501, 2502]);
});
