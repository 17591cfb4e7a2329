import fc from "fast-check";
import { expect, test } from "vitest";
import { type RealtimeInputs, realtimeScore, requestScore } from "../../src/quality/scores.ts";

const ms = fc.double({ min: 0, max: 120_000, noNaN: true });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const inputs: fc.Arbitrary<RealtimeInputs> = fc.record({ roundTripMs: ms, jitterMs: ms, loss: share });

/** The E-model as media servers have it, written down once more. */
function expectedScore({ roundTripMs, jitterMs, loss }: RealtimeInputs): number {
  const effectiveMs = roundTripMs / 2 + 2 * jitterMs;
  const delay = effectiveMs <= 160 ? effectiveMs / 40 : (effectiveMs - 120) / 10;
  return Math.max(0, 100 - delay - 2.5 * 100 * loss);
}

test.each([
  [{ roundTripMs: 0, jitterMs: 0, loss: 0 }, 100],
  [{ roundTripMs: 320, jitterMs: 0, loss: 0 }, 96],
  [{ roundTripMs: 640, jitterMs: 0, loss: 0 }, 80],
  [{ roundTripMs: 100, jitterMs: 55, loss: 0 }, 96],
  [{ roundTripMs: 100, jitterMs: 100, loss: 0 }, 87],
  [{ roundTripMs: 0, jitterMs: 0, loss: 0.08 }, 80],
  [{ roundTripMs: 0, jitterMs: 0, loss: 0.4 }, 0],
  [{ roundTripMs: 10_000, jitterMs: 0, loss: 0 }, 0],
])("realtime: %o scores %d", (given, score) => {
  expect(realtimeScore(given).score).toBeCloseTo(score, 9);
});

test.each([
  [{ roundTripMs: 600, jitterMs: 10, loss: 0.01 }, "rtt"],
  [{ roundTripMs: 100, jitterMs: 200, loss: 0.05 }, "jitter"],
  [{ roundTripMs: 300, jitterMs: 20, loss: 0.1 }, "loss"],
  [{ roundTripMs: 0, jitterMs: 0, loss: 0 }, "rtt"],
] as const)("realtime: of %o %s is the worst", (given, worst) => {
  expect(realtimeScore(given).worst).toBe(worst);
});

test("realtime: the formula, 0 to 100, and never better for more delay, jitter or loss", () => {
  fc.assert(
    fc.property(inputs, inputs, (one, other) => {
      const { score } = realtimeScore(one);
      expect(score).toBeCloseTo(expectedScore(one), 6);
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThanOrEqual(100);
      for (const name of ["roundTripMs", "jitterMs", "loss"] as const) {
        const worse = { ...one, [name]: Math.max(one[name], other[name]) };
        expect(realtimeScore(worse).score).toBeLessThanOrEqual(score + 1e-9);
      }
    }),
    { numRuns: 5_000 },
  );
});

test.each([
  [0, 0, 100, "rtt"],
  [0.25, 0, 75, "rtt"],
  [0, 0.3, 70, "errors"],
  [0.25, 0.3, 45, "errors"],
  [0.3, 0.25, 45, "rtt"],
  [0.6, 0.6, 0, "rtt"],
] as const)("requests: %d slow and %d failed score %d, and the worst is %s", (slow, failed, score, worst) => {
  const scored = requestScore(slow, failed);
  expect(scored.score).toBeCloseTo(score, 9);
  expect(scored.worst).toBe(worst);
});

test("requests: 0 to 100, and never better for slower or fewer answers", () => {
  fc.assert(
    fc.property(share, share, share, share, (slow, failed, slower, moreFailed) => {
      const { score } = requestScore(slow, failed);
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThanOrEqual(100);
      expect(requestScore(Math.max(slow, slower), failed).score).toBeLessThanOrEqual(score);
      expect(requestScore(slow, Math.max(failed, moreFailed)).score).toBeLessThanOrEqual(score);
    }),
    { numRuns: 2_000 },
  );
});
