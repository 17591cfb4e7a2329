import { percentile } from "../statistics.ts";
import type { LoadReport } from "./orders.ts";

const maxErrors = 10;
/** So many latencies are enough for a percentile; the rest is a sample. */
const maxLatencies = 500_000;

/** What all members of a crowd have noticed since the last report. */
export class Tally {
  deliveries = 0;
  lost = 0;
  repeated = 0;
  reconnects = 0;
  unrecovered = 0;
  #latenciesMs: number[] = [];
  #seen = 0;
  readonly #errors = new Set<string>();

  latency(tookMs: number): void {
    this.#seen++;
    if (this.#latenciesMs.length < maxLatencies) this.#latenciesMs.push(tookMs);
    else if (Math.random() < maxLatencies / this.#seen) {
      this.#latenciesMs[Math.floor(Math.random() * maxLatencies)] = tookMs;
    }
  }

  failed(error: string): void {
    if (this.#errors.size < maxErrors) this.#errors.add(error);
  }

  /** What there was in so many seconds; it begins anew. */
  report(seconds: number): LoadReport {
    const { deliveries, lost, repeated, reconnects, unrecovered } = this;
    const latencies = this.#latenciesMs;
    const share = (of: number): number => (latencies.length === 0 ? 0 : percentile(latencies, of));
    const report = {
      seconds,
      deliveries,
      lost,
      repeated,
      reconnects,
      unrecovered,
      errors: [...this.#errors],
      p50Ms: share(0.5),
      p99Ms: share(0.99),
      longestMs: latencies.reduce((longest, each) => Math.max(longest, each), 0),
    };
    [this.deliveries, this.lost, this.repeated, this.reconnects, this.unrecovered] = [0, 0, 0, 0, 0];
    this.#latenciesMs = [];
    this.#seen = 0;
    this.#errors.clear();
    return report;
  }
}
