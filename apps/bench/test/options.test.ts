import { describe, expect, test } from "vitest";
import { readOptions } from "../src/options.ts";

describe("options", () => {
  test("five rounds of everything by default, two when quick", () => {
    expect(readOptions([])).toMatchObject({ runs: 5, isQuick: false });
    expect(readOptions(["--quick"])).toMatchObject({ runs: 2, isQuick: true });
    expect(readOptions([]).scenarios.map(({ name }) => name)).toEqual(["fan-out", "channels", "memory", "connects"]);
  });

  test("servers and scenarios in the order given", () => {
    const options = readOptions(["--servers", "socket-io,polywire", "--only", "memory", "--runs", "7"]);
    expect(options.servers.map(({ name }) => name)).toEqual(["socket-io", "polywire"]);
    expect(options.scenarios.map(({ name }) => name)).toEqual(["memory"]);
    expect(options.runs).toBe(7);
  });

  test.each([
    [["--only", "fanout"], 'no "fanout"; there is fan-out'],
    [["--servers", "ws"], 'no "ws"; there is polywire, plain-ws'],
    [["--runs", "0"], "--runs takes"],
    [["--generator", "go"], "--generator takes"],
    [["faults"], 'no group "faults"'],
    [["--qick"], "--qick"],
  ])("%j is refused with a reason", (argv, reason) => {
    expect(() => readOptions(argv)).toThrow(reason);
  });
});
