import type { Rounds } from "./rounds.ts";

/** Past that share the time that something took says more of this process than of the peer. */
const BLURRING_SHARE = 0.1;

/** How long something takes, without the moments in which this process stood still. Runs from its making on. */
export class Stopwatch {
  readonly #rounds: Rounds;
  readonly #sinceMs: number;
  readonly #stalledBeforeMs: number;

  constructor(rounds: Rounds) {
    this.#rounds = rounds;
    this.#sinceMs = rounds.awakeMs;
    this.#stalledBeforeMs = rounds.stalledMs;
  }

  /** Milliseconds awake. */
  get tookMs(): number {
    return this.#rounds.awakeMs - this.#sinceMs;
  }

  /** Milliseconds for which the process stood still meanwhile. */
  get stalledMs(): number {
    return this.#rounds.stalledMs - this.#stalledBeforeMs;
  }

  /** It stood still for so much of it that what it took is no measure: a standstill is noticed late, and only in part. */
  get isBlurred(): boolean {
    return this.stalledMs > this.tookMs * BLURRING_SHARE;
  }
}
