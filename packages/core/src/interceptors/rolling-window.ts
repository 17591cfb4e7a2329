const BUCKETS = 10;

/**
 * Counts of two kinds over the latest span of time, in ten buckets: what is older than the span is forgotten a tenth at a time.
 * Its memory does not grow.
 */
export class RollingWindow {
  readonly #bucketMs: number;
  readonly #firsts = new Float64Array(BUCKETS);
  readonly #seconds = new Float64Array(BUCKETS);
  /** Which tenth since the clock's beginning the newest bucket is. */
  #newest: number;

  constructor(spanMs: number, nowMs: number) {
    this.#bucketMs = spanMs / BUCKETS;
    this.#newest = Math.floor(nowMs / this.#bucketMs);
  }

  addFirst(nowMs: number): void {
    this.#add(this.#firsts, nowMs);
  }

  addSecond(nowMs: number): void {
    this.#add(this.#seconds, nowMs);
  }

  /** How many of each kind there are in the span that ends now. */
  totals(nowMs: number): readonly [first: number, second: number] {
    this.#forget(nowMs);
    return [sum(this.#firsts), sum(this.#seconds)];
  }

  #add(counts: Float64Array, nowMs: number): void {
    this.#forget(nowMs);
    const bucket = this.#newest % BUCKETS;
    counts[bucket] = (counts[bucket] as number) + 1;
  }

  #forget(nowMs: number): void {
    const newest = Math.floor(nowMs / this.#bucketMs);
    const oldestToClear = Math.max(this.#newest + 1, newest - BUCKETS + 1);
    for (let bucket = oldestToClear; bucket <= newest; bucket++) {
      this.#firsts[bucket % BUCKETS] = 0;
      this.#seconds[bucket % BUCKETS] = 0;
    }
    this.#newest = Math.max(this.#newest, newest);
  }
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0);
}
