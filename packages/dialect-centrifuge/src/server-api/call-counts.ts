import type { MetricFamily, MetricPoint } from "@polywire/core";
import { INTERNAL } from "./api-error.ts";

/** Plain numbers, from the handler's start on. */
export interface ServerApiStats {
  /** Calls that were carried out, or answered with an error; a batch is one. */
  readonly calls: number;
  /** Of those, with an error of the caller's, and with one of ours. */
  readonly refused: number;
  readonly failed: number;
  /** Requests without a key, or with a wrong one. */
  readonly unauthorized: number;
}

/** The code of a call that was done. */
const DONE = 0;

/** Counts calls by their method and the code of their answer: both are of small sets. */
export class CallCounts {
  readonly #byMethod = new Map<string, Map<number, number>>();
  #unauthorized = 0;

  /** @param code absent: it was done. */
  called(method: string, code: number = DONE): void {
    let codes = this.#byMethod.get(method);
    if (codes === undefined) {
      codes = new Map();
      this.#byMethod.set(method, codes);
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  unauthorized(): void {
    this.#unauthorized++;
  }

  get stats(): ServerApiStats {
    let [calls, refused, failed] = [0, 0, 0];
    for (const codes of this.#byMethod.values()) {
      for (const [code, count] of codes) {
        calls += count;
        if (code === INTERNAL.code) failed += count;
        else if (code !== DONE) refused += count;
      }
    }
    return { calls, refused, failed, unauthorized: this.#unauthorized };
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: "polywire.api.called",
        description: "Calls of the server API, by their method and the code of their answer; 0 is done.",
        unit: "{call}",
        kind: "counter",
        points: this.#points(),
      },
      {
        name: "polywire.api.unauthorized",
        description: "Requests to the server API without a key, or with a wrong one.",
        unit: "{request}",
        kind: "counter",
        points: [{ attributes: {}, value: this.#unauthorized }],
      },
    ];
  }

  #points(): MetricPoint[] {
    return Array.from(this.#byMethod, ([method, codes]) =>
      Array.from(codes, ([code, value]) => ({
        attributes: { "polywire.api.method": method, "polywire.api.code": code },
        value,
      })),
    ).flat();
  }
}
