const bucketCount = 2048;

/** Latencies in whole microseconds: exact to 127, then to 1.6 %, in fixed memory. The C generator has the same one. */
export class Histogram {
  readonly #buckets = new Float64Array(bucketCount);
  #count = 0;
  #maximum = 0;

  get maximum(): number {
    return this.#maximum;
  }

  add(valueUs: number): void {
    if (valueUs > this.#maximum) this.#maximum = valueUs;
    const shift = valueUs < 128 ? 0 : 25 - Math.clz32(valueUs);
    const bucket = Math.min((shift << 6) + (valueUs >>> shift), bucketCount - 1);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
  }

  /** The upper edge of the bucket that holds the value of this rank; never more than the maximum seen. */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (const [bucket, held] of this.#buckets.entries()) {
      seen += held;
      if (seen < wanted) continue;
      const shift = bucket < 128 ? 0 : (bucket >> 6) - 1;
      return Math.min((bucket - (shift << 6) + 1) * 2 ** shift - 1, this.#maximum);
    }
    return this.#maximum;
  }

  reset(): void {
    this.#buckets.fill(0);
    this.#count = 0;
    this.#maximum = 0;
  }
}
