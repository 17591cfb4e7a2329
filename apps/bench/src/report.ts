import type { Run } from "./run.ts";
import type { Bar, Sample, Scenario } from "./scenarios/scenario.ts";
import type { ServerDefinition } from "./servers/index.ts";
import { median, pairedRatio, type Spread, spread } from "./statistics.ts";
import { type Column, renderTable } from "./table.ts";

/** The server all others are compared with. */
const baseline = "plain-ws";
/** The one whose bars are judged. */
const ours = "polywire";
const busyGeneratorPercent = 80;
const noisyMachinePercent = 20;

export interface Row {
  readonly scenario: string;
  readonly server: string;
  readonly title: string;
  readonly value: Spread;
  readonly ratio: Spread | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly serverCpuUs: number | undefined;
  /** Server CPU per operation, to the baseline's. */
  readonly cpuRatio: Spread | undefined;
  readonly generatorCpuPercent: number;
  readonly otherCpuPercent: number | undefined;
  readonly details: Readonly<Record<string, number>>;
  readonly isGeneratorBusy: boolean;
  readonly isMachineNoisy: boolean;
  readonly samples: number;
}

export interface Verdict {
  readonly scenario: string;
  readonly bar: Bar;
  readonly ratio: Spread;
  readonly isMet: boolean;
}

function samplesOf(runs: readonly Run[], scenario: string, server: string): (Sample | undefined)[] {
  return runs.filter((run) => run.scenario === scenario && run.server === server).map((run) => run.sample);
}

type Pick = (sample: Sample) => number | undefined;

const valueOf: Pick = (sample) => sample.value;
const serverCpuOf: Pick = (sample) => sample.serverCpuUs;

function ratioOf(
  runs: readonly Run[],
  scenario: string,
  { server, against, pick }: { server: string; against: string; pick: Pick },
): Spread | undefined {
  const picked = (name: string): (number | undefined)[] =>
    samplesOf(runs, scenario, name).map((sample) => (sample === undefined ? undefined : pick(sample)));
  return pairedRatio(picked(server), picked(against));
}

function medianOf(samples: readonly Sample[], pick: Pick): number | undefined {
  const picked = samples.map(pick).filter((value) => value !== undefined);
  return picked.length === 0 ? undefined : median(picked);
}

/** Medians over the rounds; no row for a server without a single sample. */
export function rowOf(runs: readonly Run[], scenario: Scenario, server: ServerDefinition): Row | undefined {
  const samples = samplesOf(runs, scenario.name, server.name).filter((sample) => sample !== undefined);
  if (samples.length === 0) return undefined;
  const generatorCpuPercent = medianOf(samples, (sample) => sample.generatorCpuPercent) ?? 0;
  const otherCpuPercent = medianOf(samples, (sample) => sample.otherCpuPercent);
  const details = Object.keys(samples[0]?.details ?? {}).map((key) => [
    key,
    medianOf(samples, (sample) => sample.details[key]) ?? Number.NaN,
  ]);
  return {
    scenario: scenario.name,
    server: server.name,
    title: server.title,
    value: spread(samples.map((sample) => sample.value)),
    ratio: ratioOf(runs, scenario.name, { server: server.name, against: baseline, pick: valueOf }),
    p50Ms: medianOf(samples, (sample) => sample.p50Ms),
    p99Ms: medianOf(samples, (sample) => sample.p99Ms),
    serverCpuUs: medianOf(samples, serverCpuOf),
    cpuRatio: ratioOf(runs, scenario.name, { server: server.name, against: baseline, pick: serverCpuOf }),
    generatorCpuPercent,
    otherCpuPercent,
    details: Object.fromEntries(details),
    isGeneratorBusy: generatorCpuPercent > busyGeneratorPercent,
    isMachineNoisy: (otherCpuPercent ?? 0) > noisyMachinePercent,
    samples: samples.length,
  };
}

export function verdictsOf(runs: readonly Run[], scenario: Scenario): readonly Verdict[] {
  return scenario.bars.flatMap((bar) => {
    const ratio = ratioOf(runs, scenario.name, { server: ours, against: bar.against, pick: valueOf });
    if (ratio === undefined) return [];
    const isMet = scenario.better === "higher" ? ratio.median >= bar.ratio : ratio.median <= bar.ratio;
    return [{ scenario: scenario.name, bar, ratio, isMet }];
  });
}

/** Three significant digits, or whole thousands with separators. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)));
  const rounded = digits < 0 ? Math.round(value / 10 ** -digits) * 10 ** -digits : value;
  const decimals = Math.min(3, Math.max(0, digits));
  return rounded.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

const columns: readonly Column[] = [
  { title: "server", align: "left" },
  { title: "to plain ws", align: "right" },
  { title: "median", align: "right" },
  { title: "min – max", align: "right" },
  { title: "p50 ms", align: "right" },
  { title: "p99 ms", align: "right" },
  { title: "server CPU µs/op", align: "right" },
  { title: "generator CPU %", align: "right" },
  { title: "other CPU %", align: "right" },
];

function cells(row: Row): readonly string[] {
  return [
    row.title,
    row.ratio === undefined ? "–" : `${row.ratio.median.toFixed(2)}×`,
    figure(row.value.median),
    `${figure(row.value.minimum)} – ${figure(row.value.maximum)}`,
    figure(row.p50Ms),
    figure(row.p99Ms),
    row.cpuRatio === undefined
      ? figure(row.serverCpuUs)
      : `${figure(row.serverCpuUs)} (${row.cpuRatio.median.toFixed(2)}×)`,
    `${row.generatorCpuPercent.toFixed(0)}${row.isGeneratorBusy ? " (!)" : ""}`,
    row.otherCpuPercent === undefined ? "–" : `${row.otherCpuPercent.toFixed(0)}${row.isMachineNoisy ? " (?)" : ""}`,
  ];
}

function sentence({ bar, ratio, isMet }: Verdict, scenario: Scenario, servers: readonly ServerDefinition[]): string {
  const against = servers.find((server) => server.name === bar.against)?.title ?? bar.against;
  const range = `${ratio.minimum.toFixed(2)} – ${ratio.maximum.toFixed(2)}`;
  const wanted = `${scenario.better === "higher" ? "at least" : "at most"} ${bar.ratio}×`;
  return `${isMet ? "met   " : "MISSED"} ${ratio.median.toFixed(2)}× ${against} (${range}), wanted ${wanted}`;
}

/** The tables of one bench run as text. */
export function render(
  runs: readonly Run[],
  scenarios: readonly Scenario[],
  servers: readonly ServerDefinition[],
): string {
  const parts: string[] = [];
  const rows = scenarios.map((scenario) =>
    servers.map((server) => rowOf(runs, scenario, server)).filter((row) => row !== undefined),
  );
  for (const [index, scenario] of scenarios.entries()) {
    const own = rows[index] ?? [];
    parts.push(`## ${scenario.title}\n\n${scenario.unit}, ${scenario.better} is better\n`);
    parts.push(renderTable(columns, own.map(cells)), "");
    for (const row of own) {
      const details = Object.entries(row.details).map(([name, value]) => `${name} ${figure(value)}`);
      if (details.length > 0) parts.push(`${row.title}: ${details.join(", ")}`);
    }
    parts.push(...verdictsOf(runs, scenario).map((verdict) => sentence(verdict, scenario, servers)));
    const failed = runs.filter((run) => run.scenario === scenario.name && run.error !== undefined);
    for (const run of failed) parts.push(`FAILED ${run.server}, round ${run.round + 1}: ${run.error}`);
    parts.push("");
  }
  if (rows.flat().some((row) => row.isGeneratorBusy))
    parts.push(
      `(!) the load generator used more than ${busyGeneratorPercent} % of its core: it may be what was measured`,
    );
  if (rows.flat().some((row) => row.isMachineNoisy))
    parts.push(`(?) other programs used more than ${noisyMachinePercent} % of a core meanwhile`);
  return parts.join("\n");
}
