import fc from "fast-check";
import { expect, test } from "vitest";
import { isWorse, levelOf, type QualityLevel, type QualityProfile, worseOf } from "../../src/quality/levels.ts";

const LEVELS: readonly QualityLevel[] = ["unknown", "excellent", "good", "fair", "poor", "critical"];
const level = fc.constantFrom(...LEVELS);

test.each<[QualityProfile, readonly number[]]>([
  ["realtime", [80, 70, 60, 50]],
  ["rpc", [94, 85, 70, 50]],
])("the levels of %s begin at their scores and not a hair before", (profile, least) => {
  expect(levelOf(profile, 100)).toBe("excellent");
  expect(levelOf(profile, 0)).toBe("critical");
  for (const [index, score] of least.entries()) {
    expect(levelOf(profile, score)).toBe(LEVELS[index + 1]);
    expect(levelOf(profile, score - 1e-9)).toBe(LEVELS[index + 2]);
  }
});

test("a better score is never a worse level", () => {
  const score = fc.double({ min: 0, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.constantFrom<QualityProfile>("realtime", "rpc"), score, score, (profile, one, other) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      expect(isWorse(levelOf(profile, high), levelOf(profile, low))).toBe(false);
    }),
  );
});

test("levels are in one order, what is unknown before the best", () => {
  fc.assert(
    fc.property(level, level, (one, other) => {
      expect(isWorse(one, other)).toBe(LEVELS.indexOf(one) > LEVELS.indexOf(other));
      expect(LEVELS.indexOf(worseOf(one, other))).toBe(Math.max(LEVELS.indexOf(one), LEVELS.indexOf(other)));
    }),
  );
});
