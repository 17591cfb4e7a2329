import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { placement, processorName } from "../machine.ts";
import { Processes } from "../processes.ts";
import { measureWire, type WireSample } from "./measure.ts";
import { renderWires, type WireRuns, wireRow } from "./report.ts";
import { type Wire, wires } from "./wires.ts";

const quickHaste = 10;

export interface WireOptions {
  readonly wires: readonly Wire[];
  readonly runs: number;
  readonly haste: number;
  readonly fromSource: boolean;
  readonly jsonFile: string | undefined;
}

/** Throws an Error with one line to show for anything it does not know. */
export function readWireOptions(argv: readonly string[]): WireOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      runs: { type: "string" },
      only: { type: "string" },
      json: { type: "string" },
      source: { type: "boolean", default: false },
    },
  });
  const runs = values.runs === undefined ? (values.quick ? 2 : 5) : Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1 || runs > 100)
    throw new Error(`--runs takes a whole number from 1 to 100, not "${values.runs}"`);
  const chosen = (values.only?.split(",") ?? wires.map(({ name }) => name)).map((name) => {
    const found = wires.find((wire) => wire.name === name.trim());
    if (found === undefined)
      throw new Error(`--only: no "${name}"; there is ${wires.map((each) => each.name).join(", ")}`);
    return found;
  });
  return {
    wires: chosen,
    runs,
    haste: values.quick ? quickHaste : 1,
    fromSource: values.source,
    jsonFile: values.json,
  };
}

/** Each wire's library alone and below Polywire, in turns; prints the ratios of their CPU per operation. */
export async function benchWires(options: WireOptions): Promise<number> {
  const placed = placement();
  const processes = new Processes(placed);
  process.once("exit", () => processes.killAll());
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => process.exit(code));
  }
  console.log(`Node ${process.versions.node}, ${processorName()}; ${options.runs} interleaved rounds, medians`);
  console.log(placed === undefined ? "not pinned" : "client and server each on a core of its own");
  const all = options.wires.map((wire) => ({ wire, raw: [] as WireSample[], polywire: [] as WireSample[] }));
  for (let round = 0; round < options.runs; round++) {
    for (const { wire, raw, polywire } of all) {
      // Whoever comes second meets a warmer machine, so they take turns at that too.
      const sides = [
        { samples: raw, file: wire.raw },
        { samples: polywire, file: wire.polywire },
      ];
      for (const { samples, file } of round % 2 === 0 ? sides : sides.toReversed())
        samples.push(await measureWire(processes, { file, wire }, options));
      console.error(`round ${round + 1} of ${options.runs}, ${wire.name}`);
    }
  }
  report(all, options);
  return 0;
}

function report(all: readonly WireRuns[], { jsonFile }: WireOptions): void {
  const rows = all.map(wireRow);
  const versions = new Set(all.flatMap(({ raw, polywire }) => [...raw, ...polywire].map(({ version }) => version)));
  console.log(`\nmeasured: ${[...versions].join(", ")}\n\n${renderWires(rows)}`);
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify({ rows, runs: all }, undefined, 2)}\n`);
}
