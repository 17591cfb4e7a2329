import fc from "fast-check";
import { expect, test } from "vitest";
import { HealthRecord } from "../../src/health/health-record.ts";
import { PolywireError } from "../../src/index.ts";

const SILENT = new PolywireError("timed-out", "no answer");

function recorded(outcomes: string, thresholds = { unhealthyAfter: 3, healthyAfter: 2 }): HealthRecord {
  const record = new HealthRecord(thresholds);
  for (const outcome of outcomes) {
    if (outcome === "+") record.succeeded();
    else record.failed(SILENT);
  }
  return record;
}

test.each([
  ["", "unknown"],
  ["+", "healthy"],
  ["-", "unknown"],
  ["--", "unknown"],
  ["---", "unhealthy"],
  ["+--", "healthy"],
  ["+---", "unhealthy"],
  ["+--+--", "healthy"],
  ["---+", "unhealthy"],
  ["---++", "healthy"],
  ["---+-+", "unhealthy"],
  ["---+-++", "healthy"],
  ["--+", "healthy"],
])("after %j it is %s", (outcomes, checked) => {
  expect(recorded(outcomes).checked).toBe(checked);
});

test("thresholds of one judge at once", () => {
  const thresholds = { unhealthyAfter: 1, healthyAfter: 1 };
  expect(["-", "-+", "-+-"].map((outcomes) => recorded(outcomes, thresholds).checked)).toEqual([
    "unhealthy",
    "healthy",
    "unhealthy",
  ]);
});

test.each([
  ["", 0, undefined, false],
  ["+", 0, undefined, false],
  ["+-", 1, SILENT, true],
  ["+-+", 0, undefined, false],
  ["+---", 3, SILENT, true],
  ["+---+", 0, SILENT, true],
  ["+---++", 0, undefined, false],
])("after %j: %d failures in a row, the error %s, undecided: %s", (outcomes, failures, error, isUndecided) => {
  const record = recorded(outcomes);
  expect([record.failures, record.error, record.isUndecided]).toEqual([failures, error, isUndecided]);
});

test("another link begins with nothing to its name", () => {
  const record = recorded("+---");
  record.restart();
  expect([record.checked, record.failures, record.error, record.isUndecided]).toEqual(["unknown", 0, undefined, false]);
  record.succeeded();
  expect(record.checked).toBe("healthy");
});

test("no flapping: a verdict changes only after as many outcomes in a row as its threshold says", () => {
  const thresholds = fc.record({
    unhealthyAfter: fc.integer({ min: 1, max: 6 }),
    healthyAfter: fc.integer({ min: 1, max: 6 }),
  });
  fc.assert(
    fc.property(thresholds, fc.array(fc.boolean(), { maxLength: 100 }), (given, outcomes) => {
      const record = new HealthRecord(given);
      let [good, bad] = [0, 0];
      for (const isGood of outcomes) {
        const before = record.checked;
        [good, bad] = isGood ? [good + 1, 0] : [0, bad + 1];
        if (isGood) record.succeeded();
        else record.failed(SILENT);
        expect(record.failures).toBe(bad);
        if (before === "unhealthy") expect(record.checked).toBe(good >= given.healthyAfter ? "healthy" : "unhealthy");
        else if (bad >= given.unhealthyAfter) expect(record.checked).toBe("unhealthy");
        else expect(record.checked).toBe(isGood ? "healthy" : before);
      }
    }),
    { numRuns: 2_000 },
  );
});
