import { describe, expect, test } from "vitest";
import { figure, render, verdictsOf } from "../src/report.ts";
import type { Run } from "../src/run.ts";
import type { Sample, Scenario } from "../src/scenarios/scenario.ts";
import { servers } from "../src/servers/index.ts";
import { renderTable } from "../src/table.ts";

const scenario: Scenario = {
  name: "fan-out",
  title: "fan-out",
  unit: "deliveries/s",
  better: "higher",
  bars: [{ against: "plain-ws", ratio: 1.2 }],
  run: () => Promise.reject(new Error("not run here")),
};

function run(server: string, round: number, change: Partial<Sample>): Run {
  const sample: Sample = {
    value: 100,
    p50Ms: 1,
    p99Ms: 2,
    generatorCpuPercent: 40,
    serverCpuUs: 10,
    otherCpuPercent: 0,
    details: {},
    ...change,
  };
  return { scenario: "fan-out", server, round, version: `${server} 1.0`, sample, error: undefined };
}

describe("report", () => {
  test("a table lines up and is Markdown", () => {
    const columns = [
      { title: "server", align: "left" },
      { title: "rate", align: "right" },
    ] as const;
    expect(renderTable(columns, [["ws", "1,000"]]).split("\n")).toEqual([
      "| server |  rate |",
      "| ------ | ----: |",
      "| ws     | 1,000 |",
    ]);
  });

  test.each([
    [0, "0"],
    [10, "10.0"],
    [999.96, "1,000"],
    [0.012_34, "0.012"],
    [9.544, "9.54"],
    [66.72, "66.7"],
    [123.4, "123"],
    [87_654, "87,700"],
    [1_300_456, "1,300,000"],
    [undefined, "–"],
  ])("%s is shown as %s", (value, shown) => {
    expect(figure(value)).toBe(shown);
  });

  test("medians, ratios within the rounds and the verdict", () => {
    const runs = [
      run("polywire", 0, { value: 150 }),
      run("plain-ws", 0, { value: 100 }),
      run("polywire", 1, { value: 60 }),
      run("plain-ws", 1, { value: 50 }),
    ];
    const text = render(runs, [scenario], servers);
    expect(text).toMatch(/\| Polywire +\| +1\.35× \| +105 \| +60\.0 – 150 \|/);
    expect(text).toContain("met    1.35× plain ws (1.20 – 1.50), wanted at least 1.2×");
    expect(text).not.toContain("(!)");
  });

  test("a bar that is missed is said to be, and lower may be better", () => {
    const runs = [run("polywire", 0, { value: 110 }), run("plain-ws", 0, { value: 100 })];
    expect(verdictsOf(runs, scenario).map(({ isMet }) => isMet)).toEqual([false]);
    expect(verdictsOf(runs, { ...scenario, better: "lower" }).map(({ isMet }) => isMet)).toEqual([true]);
  });

  test("a generator above 80 % and a busy machine mark the row, a failed run is told", () => {
    const failed: Run = { ...run("socket-io", 0, {}), sample: undefined, error: "no port" };
    const runs = [run("plain-ws", 0, { generatorCpuPercent: 81, otherCpuPercent: 30 }), failed];
    const text = render(runs, [scenario], servers);
    expect(text).toContain("81 (!)");
    expect(text).toContain("30 (?)");
    expect(text).toContain("FAILED socket-io, round 1: no port");
  });
});
