import type { Clock } from "@polywire/core";

/** The clock was set back by this much or more: somebody should know. */
const NOTABLE_MS = 1_000;

/**
 * What time it is, for tokens. It never goes back: when the system's clock is set back, time goes on from where it was, so
 * that no token that had expired is valid again.
 */
export class TrustedTime {
  readonly #clock: Clock;
  readonly #setBack: (byMs: number) => void;
  #wallMs: number;
  #atMs: number;
  #hasTold = false;

  /** @param setBack told once when the clock goes back, with by how much. */
  constructor(clock: Clock, setBack: (byMs: number) => void) {
    this.#clock = clock;
    this.#setBack = setBack;
    this.#wallMs = clock.wallTime();
    this.#atMs = clock.now();
  }

  /** Milliseconds since 1970-01-01 UTC. */
  now(): number {
    const wallMs = this.#clock.wallTime();
    const atMs = this.#clock.now();
    const leastMs = this.#wallMs + (atMs - this.#atMs);
    if (wallMs < leastMs) {
      if (leastMs - wallMs >= NOTABLE_MS && !this.#hasTold) {
        this.#hasTold = true;
        this.#setBack(leastMs - wallMs);
      }
      return leastMs;
    }
    this.#hasTold = false;
    this.#wallMs = wallMs;
    this.#atMs = atMs;
    return wallMs;
  }
}
