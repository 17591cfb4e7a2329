import type { LogFields, Logger } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { Standstill } from "../src/standstill.ts";

test("F19: a process that stood still says so, once, and counts for how long", () => {
  const clock = new ManualClock();
  const lines: [string, LogFields][] = [];
  const log: Logger["log"] = (level, _component, message, fields = {}) =>
    void lines.push([`${level} ${message}`, fields]);
  const standstill = new Standstill({ clock, logger: { log } });
  standstill.start();
  clock.advance(10_000);
  // Late, but not for long enough to be told.
  clock.stall(1_400);
  clock.advance(1_000);
  expect(lines).toEqual([]);

  clock.stall(5_500);
  clock.advance(10_000);
  expect(lines).toEqual([["warn stood still: too much to do, or too little processor", { durationMs: 5_000 }]]);
  const figures = standstill.metrics().map(({ points: [point] }) => point && "value" in point && point.value);
  expect(figures).toEqual([1, 5]);
  standstill.stop();
  expect(clock.pending).toBe(0);
});
