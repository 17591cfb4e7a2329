const MAX_SOURCES = 10_000;
/** A source that goes on sending too much is told of once in so long. */
const TELL_EVERY_MS = 60_000;

interface Bucket {
  tokens: number;
  filledAtMs: number;
  toldAtMs: number;
}

/** A token bucket for every source: so many a second, and as many at once. */
export class Rate {
  readonly #perSecond: number;
  /** In the order in which they were last asked for. */
  readonly #buckets = new Map<string, Bucket>();
  /** Datagrams come in bursts: the bucket of the last one is mostly that of the next. */
  #lastSource: string | undefined = undefined;
  #lastBucket: Bucket | undefined = undefined;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Whether the source may have one more. */
  allows(source: string, nowMs: number): boolean {
    const bucket = source === this.#lastSource ? (this.#lastBucket as Bucket) : this.#find(source, nowMs);
    const filled = bucket.tokens + ((nowMs - bucket.filledAtMs) * this.#perSecond) / 1_000;
    bucket.tokens = Math.min(filled, this.#perSecond);
    bucket.filledAtMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #find(source: string, nowMs: number): Bucket {
    let bucket = this.#buckets.get(source);
    if (bucket !== undefined) {
      this.#buckets.delete(source);
    } else {
      // Whoever was silent the longest goes: its bucket is the fullest.
      if (this.#buckets.size >= MAX_SOURCES) this.#buckets.delete(this.#buckets.keys().next().value as string);
      bucket = { tokens: this.#perSecond, filledAtMs: nowMs, toldAtMs: -Infinity };
    }
    this.#buckets.set(source, bucket);
    this.#lastSource = source;
    this.#lastBucket = bucket;
    return bucket;
  }

  /** Whether to tell of the source that was asked for last and not allowed: true once a minute. */
  isWorthTelling(nowMs: number): boolean {
    const bucket = this.#lastBucket;
    if (bucket === undefined || nowMs - bucket.toldAtMs < TELL_EVERY_MS) return false;
    bucket.toldAtMs = nowMs;
    return true;
  }
}
