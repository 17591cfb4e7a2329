import { describe, expect, test } from "vitest";
import { SETTINGS } from "../../src/config/schema.ts";
import { clientTrials } from "./client-trials.ts";
import { wireTrials } from "./wire-trials.ts";

/* Each limit of the configuration, set low, with all others at their defaults: it must hold by itself. */

const trials = [...wireTrials, ...clientTrials];

describe("alone", () => {
  test.each(trials)("%s holds", { timeout: 60_000 }, async (_key, holds) => {
    await expect(holds()).resolves.toBe(undefined);
  });
});

test("every limit is tried", () => {
  const limits = SETTINGS.map(({ key }) => key).filter((key) => key.startsWith("limits."));
  expect(
    trials
      .map(([key]) => key)
      .filter((key) => key.startsWith("limits."))
      .toSorted(),
  ).toEqual(limits.toSorted());
});
