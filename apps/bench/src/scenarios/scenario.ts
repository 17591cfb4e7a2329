import type { Generator } from "../load/generator.ts";
import type { Answer, Command } from "../load/protocol.ts";
import type { ServerProcess } from "../server-process.ts";

/** A fresh server and a fresh generator; nothing else is theirs. */
export interface Bench {
  readonly server: ServerProcess;
  readonly generator: Generator;
  /** Small counts and short times: to see that it works, not to quote. */
  readonly isQuick: boolean;
  /** Runs one command and the CPU accounts around it. */
  readonly measure: (command: Command) => Promise<Measured>;
}

export interface Measured extends Answer {
  readonly serverCpuSeconds: number | undefined;
  /** What other programs took meanwhile, in cores. */
  readonly otherCores: number | undefined;
}

/** What one run of one scenario against one server gave. */
export interface Sample {
  /** In the scenario's unit. */
  readonly value: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Of one core. Above 80 % the generator may be what was measured. */
  readonly generatorCpuPercent: number;
  /** Server CPU for one operation of the unit. */
  readonly serverCpuUs: number | undefined;
  readonly otherCpuPercent: number | undefined;
  /** More figures, by name with unit, for the JSON output. */
  readonly details: Readonly<Record<string, number>>;
}

/** What the project promises itself: our value over another server's. */
export interface Bar {
  readonly against: string;
  readonly ratio: number;
}

/** One thing measured. Scenarios are data: a file each, listed in index.ts. */
export interface Scenario {
  /** As typed after `--only`. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  readonly bars: readonly Bar[];
  run(bench: Bench): Promise<Sample>;
}

/** The figures every scenario shares, from the command that was measured. */
export function sampleOf(measured: Measured, value: number, operations: number): Sample {
  return {
    value,
    p50Ms: measured.received > 0 ? measured.p50Us / 1000 : undefined,
    p99Ms: measured.received > 0 ? measured.p99Us / 1000 : undefined,
    generatorCpuPercent: (measured.cpuSeconds / measured.seconds) * 100,
    serverCpuUs: measured.serverCpuSeconds === undefined ? undefined : (measured.serverCpuSeconds / operations) * 1e6,
    otherCpuPercent: measured.otherCores === undefined ? undefined : measured.otherCores * 100,
    details: {},
  };
}
