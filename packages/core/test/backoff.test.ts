import fc from "fast-check";
import { expect, test } from "vitest";
import { BACKOFF_PRESETS, type BackoffPreset, backoffDelay } from "../src/connection/backoff.ts";

/** The shortest and the longest wait after so many failures. */
function bounds(preset: BackoffPreset, failures: number): [number, number] {
  const backoff = BACKOFF_PRESETS[preset];
  return [backoffDelay(backoff, failures, () => 0), backoffDelay(backoff, failures, () => 1)];
}

test("the waits of the presets", () => {
  expect([0, 1, 2, 5, 6, 100].map((failures) => bounds("centrifuge", failures))).toEqual([
    [0, 500],
    [500, 1_500],
    [500, 2_500],
    [500, 16_500],
    [500, 20_000],
    [500, 20_000],
  ]);
  expect([1, 2, 3].map((failures) => bounds("grpc", failures).map(Math.round))).toEqual([
    [800, 1_200],
    [1_280, 1_920],
    [2_048, 3_072],
  ]);
  expect(bounds("grpc", 50)).toEqual([96_000, 120_000]);
  expect(bounds("nats", 3).map(Math.round)).toEqual([1_999, 2_100]);
  expect([1, 2, 3, 4, 9].map((failures) => bounds("socketio", failures))).toEqual([
    [500, 1_500],
    [1_000, 3_000],
    [2_000, 5_000],
    [2_500, 5_000],
    [2_500, 5_000],
  ]);
});

test("no wait is negative, endless or over the cap", () => {
  const presets = fc.constantFrom(...Object.values(BACKOFF_PRESETS));
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(presets, fc.nat(10_000), chance, (backoff, failures, random) => {
      const delayMs = backoffDelay(backoff, failures, () => random);
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThanOrEqual(backoff.capMs);
    }),
  );
});
