import type { Clock, Timer } from "../contract/clock.ts";

/** How finely checks, samples and windows are timed. */
const ROUND_MS = 500;
/** So late may any timer be; what is past that tells of an event loop that stood still. */
const LATE_MS = 20;

export interface Watched {
  /** One more round is due. */
  round(awakeMs: number): void;
}

/**
 * One timer for everything that is watched on a network. Time is told without the moments in which this process itself stood
 * still, so that nobody else is blamed for them.
 */
export class Rounds {
  readonly #clock: Clock;
  readonly #watched = new Set<Watched>();
  #timer: Timer | undefined = undefined;
  #dueMs = 0;
  #stalledMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds in which the event loop turned; while nobody is watched a standstill is not noticed. */
  get awakeMs(): number {
    return this.#clock.now() - this.stalledMs;
  }

  /** Milliseconds for which the event loop stood still while somebody was watched. */
  get stalledMs(): number {
    return this.#stalledMs + this.#lateMs;
  }

  add(one: Watched): void {
    this.#watched.add(one);
    if (this.#timer === undefined) this.#next();
  }

  remove(one: Watched): void {
    this.#watched.delete(one);
    if (this.#watched.size > 0) return;
    this.#stalledMs = this.stalledMs;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** For how long the timer has been overdue. It grows from nothing, so that awake time never goes back. */
  get #lateMs(): number {
    return this.#timer === undefined ? 0 : Math.max(0, this.#clock.now() - this.#dueMs - LATE_MS);
  }

  #next(): void {
    this.#dueMs = this.#clock.now() + ROUND_MS;
    this.#timer = this.#clock.setTimer(this.#go, ROUND_MS);
  }

  readonly #go = (): void => {
    this.#stalledMs = this.stalledMs;
    this.#timer = undefined;
    const { awakeMs } = this;
    for (const one of this.#watched) one.round(awakeMs);
    if (this.#watched.size > 0 && this.#timer === undefined) this.#next();
  };
}
