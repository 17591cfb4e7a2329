import fc from "fast-check";
import { expect, test } from "vitest";
import { FadingShare } from "../../src/quality/fading-share.ts";

test("of nothing the share is none", () => {
  expect(new FadingShare().share).toBe(0);
});

test("at one moment it is the plain share", () => {
  const share = new FadingShare();
  for (const badness of [1, 0, 0.5, 0]) share.add(badness, 7_000);
  expect(share.share).toBe(1.5 / 4);
});

test("an outcome of ten seconds ago counts for 1/e of a new one", () => {
  const share = new FadingShare();
  share.add(1, 0);
  for (let ms = 1; ms <= 10_000; ms++) share.add(0, ms);
  const faded = Array.from({ length: 10_000 }, (_, age) => Math.exp(-age / 10_000));
  const all = faded.reduce((sum, one) => sum + one, 1 / Math.E);
  expect(share.share).toBeCloseTo(1 / Math.E / all, 9);
});

test("where outcomes are rare the last five count all the same: one that is bad is a fifth", () => {
  const share = new FadingShare();
  for (let minute = 0; minute < 60; minute++) share.add(0, minute * 60_000);
  share.add(1, 60 * 60_000);
  expect(share.share).toBeCloseTo(1 / 5, 5);
  for (let minute = 61; minute < 90; minute++) share.add(1, minute * 60_000);
  expect(share.share).toBeGreaterThan(0.99);
});

test("a clock that seems to go back fades nothing and spoils nothing", () => {
  const share = new FadingShare();
  share.add(1, 10_000);
  share.add(0, 9_000);
  expect(share.share).toBe(0.5);
});

test("whatever happens it is a share, nothing but good is 0, nothing but bad is 1, and a failure never improves it", () => {
  const outcome = fc.record({ badness: fc.double({ min: 0, max: 1, noNaN: true }), afterMs: fc.nat(120_000) });
  fc.assert(
    fc.property(fc.array(outcome, { minLength: 1, maxLength: 60 }), (outcomes) => {
      const [all, good, bad] = [new FadingShare(), new FadingShare(), new FadingShare()];
      let nowMs = 0;
      for (const { badness, afterMs } of outcomes) {
        nowMs += afterMs;
        all.add(badness, nowMs);
        good.add(0, nowMs);
        bad.add(1, nowMs);
      }
      expect(all.share).toBeGreaterThanOrEqual(0);
      expect(all.share).toBeLessThanOrEqual(1 + 1e-12);
      expect(good.share).toBe(0);
      expect(bad.share).toBeCloseTo(1, 9);
      const before = all.share;
      all.add(1, nowMs);
      expect(all.share).toBeGreaterThanOrEqual(before - 1e-12);
    }),
    { numRuns: 2_000 },
  );
});
