import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { processorName } from "../machine.ts";
import { spread } from "../statistics.ts";
import { renderTable } from "../table.ts";
import type { ManagerProgram, ManagerSample } from "./program.ts";

const run = promisify(execFile);
const deadlineMs = 120_000;

/** With the manager beside without it; what the manager adds is what is judged. */
interface Row {
  readonly title: string;
  readonly without: ManagerProgram;
  readonly with: ManagerProgram;
  readonly unit: string;
  /** Most that the manager may add. */
  readonly bar: number;
}

const rows: readonly Row[] = [
  { title: "a pair of messages", without: "link-pairs", with: "connection-pairs", unit: "µs", bar: 0.5 },
  { title: "the same, its quality listened for", without: "link-pairs", with: "measured-pairs", unit: "µs", bar: 0.5 },
  { title: "heap of an idle connection", without: "link-heap", with: "connection-heap", unit: "bytes", bar: 2_048 },
];

export interface ManagerOptions {
  readonly runs: number;
  readonly fromSource: boolean;
}

/** Throws an Error with one line to show for anything it does not know. */
export function readManagerOptions(argv: readonly string[]): ManagerOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: { runs: { type: "string" }, source: { type: "boolean", default: false } },
  });
  const runs = Number(values.runs ?? 5);
  if (!Number.isInteger(runs) || runs < 1 || runs > 100)
    throw new Error(`--runs takes a whole number from 1 to 100, not "${values.runs}"`);
  return { runs, fromSource: values.source };
}

/** What the connection manager costs over a link of the in-memory wire, in turns. */
export async function benchManager(options: ManagerOptions): Promise<number> {
  console.log(`Node ${process.versions.node}, ${processorName()}; ${options.runs} interleaved rounds, medians\n`);
  const programs = [...new Set(rows.flatMap((row) => [row.without, row.with]))];
  const samples = new Map<ManagerProgram, number[]>(programs.map((program) => [program, []]));
  for (let round = 0; round < options.runs; round++) {
    for (const program of round % 2 === 0 ? programs : programs.toReversed()) {
      samples.get(program)?.push(await measure(program, options));
    }
    console.error(`round ${round + 1} of ${options.runs}`);
  }
  const columns = ["", "link alone", "connection", "added (range)", "bar"].map((title, index) => {
    return { title, align: index === 0 || index === 4 ? ("left" as const) : ("right" as const) };
  });
  console.log(
    renderTable(
      columns,
      rows.map((row) => cells(row, samples)),
    ),
  );
  return 0;
}

function cells(row: Row, samples: ReadonlyMap<ManagerProgram, readonly number[]>): readonly string[] {
  const alone = samples.get(row.without) ?? [];
  const managed = samples.get(row.with) ?? [];
  const added = spread(managed.map((value, round) => value - (alone[round] ?? Number.NaN)));
  const shown = (value: number): string => value.toFixed(row.unit === "µs" ? 2 : 0);
  return [
    row.title,
    `${shown(spread(alone).median)} ${row.unit}`,
    `${shown(spread(managed).median)} ${row.unit}`,
    `${shown(added.median)} (${shown(added.minimum)} – ${shown(added.maximum)})`,
    `${row.bar} ${row.unit}, ${added.median <= row.bar ? "met" : "missed"}`,
  ];
}

async function measure(program: ManagerProgram, { fromSource }: ManagerOptions): Promise<number> {
  const conditions = fromSource ? ["--conditions=@polywire/source"] : [];
  const file = fileURLToPath(import.meta.resolve("./program.ts"));
  const { stdout } = await run(process.execPath, [...conditions, "--expose-gc", file, program], {
    timeout: deadlineMs,
  });
  return (JSON.parse(stdout) as ManagerSample).value;
}
