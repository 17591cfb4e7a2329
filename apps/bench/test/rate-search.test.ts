import { describe, expect, test } from "vitest";
import { highestRate } from "../src/rate-search.ts";

const search = { start: 1000, ceiling: 1_000_000, precision: 0.05 };

async function searchFor(capacity: number): Promise<{ rate: number | undefined; offered: number[] }> {
  const offered: number[] = [];
  const rate = await highestRate(search, async (each) => {
    offered.push(each);
    return each <= capacity;
  });
  return { rate, offered };
}

describe("rate search", () => {
  test.each([64, 999, 1000, 9100, 87_654])("comes within 5 %% below a capacity of %i", async (capacity) => {
    const { rate, offered } = await searchFor(capacity);
    expect(rate).toBeLessThanOrEqual(capacity);
    expect(rate).toBeGreaterThan(capacity * 0.95 - 1);
    expect(offered.length).toBeLessThan(20);
  });

  test("offers no more than its ceiling", async () => {
    const { rate, offered } = await searchFor(Number.POSITIVE_INFINITY);
    expect(rate).toBe(search.ceiling);
    expect(Math.max(...offered)).toBe(search.ceiling);
  });

  test("gives up on a server that holds nothing", async () => {
    const { rate, offered } = await searchFor(0);
    expect(rate).toBeUndefined();
    expect(offered.length).toBeLessThan(10);
  });
});
