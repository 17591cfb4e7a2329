import { expect, test } from "vitest";
import { readCrowdOptions } from "../src/crowd/main.ts";
import { Tally } from "../src/crowd/tally.ts";

test("without options a crowd is ten thousand for ten minutes", () => {
  expect(readCrowdOptions([])).toEqual({ clients: 10_000, minutes: 10, fromSource: false });
  expect(readCrowdOptions(["--quick"])).toMatchObject({ clients: 500, minutes: 0.2 });
});

test.each([
  [["--clients", "5"], '--clients takes a whole number from 10 to 20000, not "5"'],
  [["--clients", "many"], "--clients takes"],
  [["--minutes", "0"], '--minutes takes a number up to 120, not "0"'],
  [["--client", "10"], "--client"],
])("a wrong option is named: %j", (argv, message) => {
  expect(() => readCrowdOptions(argv)).toThrow(message);
});

test("a tally tells what there was since the last time, and begins anew", () => {
  const tally = new Tally();
  tally.deliveries = 3;
  tally.lost = 1;
  for (const tookMs of [1, 2, 9]) tally.latency(tookMs);
  tally.failed("106 limit exceeded");
  expect(tally.report(2)).toEqual({
    seconds: 2,
    deliveries: 3,
    lost: 1,
    repeated: 0,
    reconnects: 0,
    unrecovered: 0,
    errors: ["106 limit exceeded"],
    p50Ms: 2,
    p99Ms: 9,
    longestMs: 9,
  });
  expect(tally.report(1)).toMatchObject({ deliveries: 0, lost: 0, errors: [], p50Ms: 0, longestMs: 0 });
});
