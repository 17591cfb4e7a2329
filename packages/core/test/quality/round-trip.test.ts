import fc from "fast-check";
import { expect, test } from "vitest";
import { RoundTrip } from "../../src/quality/round-trip.ts";

const roundTripMs = fc.double({ min: 0, max: 100_000, noNaN: true });

function sampled(...roundTripsMs: readonly number[]): RoundTrip {
  const roundTrip = new RoundTrip();
  for (const each of roundTripsMs) roundTrip.sample(each);
  return roundTrip;
}

test("before the first sample nothing is known, and an answer has a second", () => {
  const { smoothedMs, jitterMs, leastMs, timeoutMs } = new RoundTrip();
  expect({ smoothedMs, jitterMs, leastMs, timeoutMs }).toEqual({
    smoothedMs: undefined,
    jitterMs: 0,
    leastMs: Infinity,
    timeoutMs: 1_000,
  });
});

test("RFC 6298, section 2: the first sample, then 7/8 and 3/4 of what was, the variation before the mean", () => {
  const roundTrip = sampled(2_000);
  expect(roundTrip.smoothedMs).toBe(2_000);
  expect(roundTrip.variationMs).toBe(1_000);
  expect(roundTrip.timeoutMs).toBe(2_000 + 4 * 1_000);

  roundTrip.sample(4_000);
  expect(roundTrip.variationMs).toBe(0.75 * 1_000 + 0.25 * 2_000);
  expect(roundTrip.smoothedMs).toBe(0.875 * 2_000 + 0.125 * 4_000);
  expect(roundTrip.timeoutMs).toBe(2_250 + 4 * 1_250);

  roundTrip.sample(1_000);
  expect(roundTrip.variationMs).toBe(0.75 * 1_250 + 0.25 * 1_250);
  expect(roundTrip.smoothedMs).toBe(0.875 * 2_250 + 0.125 * 1_000);
  expect(roundTrip.timeoutMs).toBe(2_093.75 + 4 * 1_250);
});

test("RFC 6298, section 2.3: with no variation left the clock's granularity stays", () => {
  const roundTrip = sampled(...Array.from({ length: 200 }, () => 5_000));
  expect(roundTrip.variationMs).toBeLessThan(0.01);
  expect(roundTrip.timeoutMs).toBe(5_001);
});

test("RFC 3550, appendix A.8: jitter moves by a sixteenth of each difference", () => {
  const roundTrip = sampled(100);
  expect(roundTrip.jitterMs).toBe(0);
  roundTrip.sample(260);
  expect(roundTrip.jitterMs).toBe(10);
  roundTrip.sample(260);
  expect(roundTrip.jitterMs).toBe(10 - 10 / 16);
  roundTrip.sample(100);
  expect(roundTrip.jitterMs).toBeCloseTo(9.375 + (160 - 9.375) / 16, 12);
});

test("an answer has a second at the least and half a minute at the most", () => {
  expect(sampled(1).timeoutMs).toBe(1_000);
  expect(sampled(20_000).timeoutMs).toBe(30_000);
});

test("whatever was measured: the mean lies among the samples, the jitter below their spread, the timeout within its bounds", () => {
  fc.assert(
    fc.property(fc.array(roundTripMs, { minLength: 1, maxLength: 50 }), (all) => {
      const { smoothedMs, jitterMs, leastMs, variationMs, timeoutMs } = sampled(...all);
      const [least, most] = [Math.min(...all), Math.max(...all)];
      const rounding = 1e-6;
      expect(smoothedMs).toBeGreaterThanOrEqual(least - rounding);
      expect(smoothedMs).toBeLessThanOrEqual(most + rounding);
      expect(leastMs).toBe(least);
      expect(jitterMs).toBeGreaterThanOrEqual(0);
      expect(jitterMs).toBeLessThanOrEqual(most - least + rounding);
      expect(variationMs).toBeGreaterThanOrEqual(0);
      expect(timeoutMs).toBeGreaterThanOrEqual(Math.min(30_000, Math.max(1_000, smoothedMs ?? 0)) - rounding);
      expect(timeoutMs).toBeLessThanOrEqual(30_000);
    }),
    { numRuns: 2_000 },
  );
});
