import type { HistogramFigures } from "./family.ts";

/** Bounds for durations in seconds, as OpenTelemetry's conventions for HTTP advise. */
const DURATION_BOUNDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Counts values by the bounds between which they lie. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  constructor(bounds: readonly number[] = DURATION_BOUNDS) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  record(value: number): void {
    let index = 0;
    while (index < this.#bounds.length && value > (this.#bounds[index] as number)) index++;
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#count++;
    this.#sum += value;
  }

  /** A snapshot. */
  figures(): HistogramFigures {
    return { count: this.#count, sum: this.#sum, bounds: this.#bounds, counts: [...this.#counts] };
  }
}
