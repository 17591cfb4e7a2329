import { figure } from "../report.ts";
import { median, pairedRatio, type Spread } from "../statistics.ts";
import { type Column, renderTable } from "../table.ts";
import type { WireSample } from "./measure.ts";
import type { Wire } from "./wires.ts";

/** All rounds of one wire. */
export interface WireRuns {
  readonly wire: Wire;
  readonly raw: readonly WireSample[];
  readonly polywire: readonly WireSample[];
}

export interface WireRow {
  readonly wire: string;
  readonly rawCpuUs: number;
  readonly polywireCpuUs: number;
  readonly ratio: Spread | undefined;
  readonly rateRatio: Spread | undefined;
  readonly bar: number;
  readonly isMet: boolean;
}

const columns: readonly Column[] = [
  { title: "wire", align: "left" },
  { title: "raw µs/op", align: "right" },
  { title: "Polywire µs/op", align: "right" },
  { title: "CPU ratio", align: "right" },
  { title: "min – max", align: "right" },
  { title: "rate ratio", align: "right" },
  { title: "bar", align: "left" },
];

/** Client and server together: what a message costs, wherever it costs. */
function cpuOf({ clientCpuUs, serverCpuUs }: WireSample): number {
  return clientCpuUs + serverCpuUs;
}

export function wireRow({ wire, raw, polywire }: WireRuns): WireRow {
  const ratio = pairedRatio(polywire.map(cpuOf), raw.map(cpuOf));
  const rates = (samples: readonly WireSample[]): number[] => samples.map((sample) => sample.operationsPerSecond);
  return {
    wire: wire.title,
    rawCpuUs: median(raw.map(cpuOf)),
    polywireCpuUs: median(polywire.map(cpuOf)),
    ratio,
    rateRatio: pairedRatio(rates(polywire), rates(raw)),
    bar: wire.bar,
    isMet: ratio !== undefined && ratio.median <= wire.bar,
  };
}

export function renderWires(rows: readonly WireRow[]): string {
  return renderTable(
    columns,
    rows.map(({ wire, rawCpuUs, polywireCpuUs, ratio, rateRatio, bar, isMet }) => [
      wire,
      figure(rawCpuUs),
      figure(polywireCpuUs),
      `${ratio?.median.toFixed(2) ?? "–"}×`,
      ratio === undefined ? "–" : `${ratio.minimum.toFixed(2)} – ${ratio.maximum.toFixed(2)}`,
      `${rateRatio?.median.toFixed(2) ?? "–"}×`,
      `${isMet ? "met" : "missed"}: at most ${bar}×`,
    ]),
  );
}
