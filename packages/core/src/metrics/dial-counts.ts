import type { ErrorCode } from "../contract/error-table.ts";
import type { MetricFamily } from "./family.ts";
import { Histogram } from "./histogram.ts";
import { Tally } from "./tally.ts";

/** Every dial of a network: how it ended, and how long those took that succeeded. */
export class DialCounts {
  readonly #ends = new Tally();
  readonly #durations = new Map<string, Histogram>();

  succeeded(protocol: string, durationMs: number): void {
    this.#ends.add(protocol);
    let durations = this.#durations.get(protocol);
    if (durations === undefined) {
      durations = new Histogram();
      this.#durations.set(protocol, durations);
    }
    durations.record(durationMs / 1_000);
  }

  failed(protocol: string, code: ErrorCode): void {
    this.#ends.add(protocol, code);
  }

  families(underWay: number): MetricFamily[] {
    return [
      {
        name: "polywire.dial.active",
        description: "Dials under way, of connections and of what makes requests.",
        unit: "{dial}",
        kind: "gauge",
        points: [{ attributes: {}, value: underWay }],
      },
      {
        name: "polywire.dial.ended",
        description: "Dials that succeeded, and those that failed by the code of their error.",
        unit: "{dial}",
        kind: "counter",
        points: this.#ends.points((protocol, code) => ({
          "network.protocol.name": protocol,
          ...(code !== "" && { "error.type": code }),
        })),
      },
      {
        name: "polywire.dial.duration",
        description: "How long dials took that succeeded.",
        unit: "s",
        kind: "histogram",
        points: Array.from(this.#durations, ([protocol, durations]) => ({
          attributes: { "network.protocol.name": protocol },
          histogram: durations.figures(),
        })),
      },
    ];
  }
}
