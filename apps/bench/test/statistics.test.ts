import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Histogram } from "../src/load/histogram.ts";
import { median, pairedRatio, percentile, spread } from "../src/statistics.ts";

describe("statistics", () => {
  test("the median of an odd and of an even count", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 9, 1, 2])).toBe(5.5);
    expect(median([])).toBeNaN();
  });

  test("percentiles are values that occurred, by nearest rank", () => {
    const values = [15, 20, 35, 40, 50];
    expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => percentile(values, share))).toEqual([15, 20, 20, 35, 50]);
  });

  test("spread keeps the extremes", () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, minimum: 1, maximum: 3 });
  });

  test("ratios pair what ran in the same round, and skip rounds that failed", () => {
    // The machine was twice as slow in round 2: the ratio does not move.
    expect(pairedRatio([200, 100, 220], [100, 50, 100])).toEqual({ median: 2, minimum: 2, maximum: 2.2 });
    expect(pairedRatio([200, undefined], [100, 50])).toEqual({ median: 2, minimum: 2, maximum: 2 });
    expect(pairedRatio([undefined], [1])).toBeUndefined();
  });
});

describe("histogram", () => {
  test("percentiles are within 1.6 % above the exact ones and never above the maximum", () => {
    const property = fc.property(
      fc.array(fc.nat(100_000_000), { minLength: 1, maxLength: 500 }),
      fc.constantFrom(0.5, 0.9, 0.99, 1),
      (values, share) => {
        const histogram = new Histogram();
        for (const value of values) histogram.add(value);
        const exact = percentile(values, share);
        const found = histogram.percentile(share);
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found).toBeLessThanOrEqual(exact * 1.016 + 1);
        expect(found).toBeLessThanOrEqual(histogram.maximum);
      },
    );
    fc.assert(property);
  });

  test("starts empty again after a reset", () => {
    const histogram = new Histogram();
    histogram.add(500);
    histogram.reset();
    histogram.add(3);
    expect([histogram.percentile(0.5), histogram.percentile(1), histogram.maximum]).toEqual([3, 3, 3]);
  });
});
