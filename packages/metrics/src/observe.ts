import type { BatchObservableCallback, Meter, MetricOptions, Observable } from "@opentelemetry/api";
import type { MetricFamily } from "@polywire/core";

/** What has figures, and always some: a network. */
export interface Measured {
  metrics(): readonly MetricFamily[];
}

/**
 * Makes an observable instrument for every figure; they are read once in each collection, all together. A histogram, for
 * which there is no observable instrument, is told as two counters, `….count` and `….sum`. Returns the function that ends it.
 */
export function observe(meter: Meter, measured: Measured): () => void {
  const observation = new Observation(meter, measured);
  observation.begin(measured.metrics());
  return () => observation.end();
}

class Observation {
  readonly #meter: Meter;
  readonly #measured: Measured;
  readonly #instruments = new Map<string, Observable>();
  /** Those that the meter knows our callback to observe. */
  #registered: Observable[] = [];
  #isOver = false;

  constructor(meter: Meter, measured: Measured) {
    this.#meter = meter;
    this.#measured = measured;
  }

  begin(families: readonly MetricFamily[]): void {
    for (const family of families) this.#instrumentsOf(family);
    this.#register();
  }

  end(): void {
    this.#isOver = true;
    this.#meter.removeBatchObservableCallback(this.#read, this.#registered);
  }

  readonly #read: BatchObservableCallback = (result) => {
    const known = this.#instruments.size;
    for (const family of this.#measured.metrics()) {
      const [first, sum] = this.#instrumentsOf(family);
      for (const point of family.points) {
        if ("value" in point) {
          result.observe(first, point.value, point.attributes);
        } else if (sum !== undefined) {
          result.observe(first, point.histogram.count, point.attributes);
          result.observe(sum, point.histogram.sum, point.attributes);
        }
      }
    }
    // A figure that is new is observed from the next collection on: not now, for the meter is going through its callbacks.
    if (this.#instruments.size > known) queueMicrotask(() => this.#register());
  };

  #register(): void {
    if (this.#isOver) return;
    this.#meter.removeBatchObservableCallback(this.#read, this.#registered);
    this.#registered = [...this.#instruments.values()];
    this.#meter.addBatchObservableCallback(this.#read, this.#registered);
  }

  #instrumentsOf({ name, kind, unit, description }: MetricFamily): [Observable, Observable?] {
    if (kind !== "histogram") return [this.#instrument(name, kind, { unit, description })];
    return [
      this.#instrument(`${name}.count`, "counter", { unit: "1", description }),
      this.#instrument(`${name}.sum`, "counter", { unit, description }),
    ];
  }

  #instrument(name: string, kind: "counter" | "gauge", options: MetricOptions): Observable {
    let instrument = this.#instruments.get(name);
    if (instrument === undefined) {
      instrument =
        kind === "counter"
          ? this.#meter.createObservableCounter(name, options)
          : this.#meter.createObservableGauge(name, options);
      this.#instruments.set(name, instrument);
    }
    return instrument;
  }
}
