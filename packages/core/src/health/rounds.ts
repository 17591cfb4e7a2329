import type { Clock, Timer } from "../contract/clock.ts";

/** How finely checks, samples and windows are timed. */
const ROUND_MS = 500;
/** A timer that is later than this tells of an event loop that stood still. */
const LATE_MS = 20;
/** One that is so late tells that what was timed meanwhile was not timed at all: how long it stood before is not known. */
const STANDSTILL_MS = 100;

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
  #standstillAtMs = -Infinity;

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

  now(): number {
    return this.#clock.now();
  }

  /** How long something took that began then (in {@link now}'s time); undefined if this process stood still meanwhile. */
  timed(sinceMs: number): number | undefined {
    const isKnown = this.#lateMs < STANDSTILL_MS && this.#standstillAtMs <= sinceMs;
    return isKnown ? this.#clock.now() - sinceMs : undefined;
  }

  add(one: Watched): void {
    this.#watched.add(one);
    if (this.#timer === undefined) this.#next();
  }

  remove(one: Watched): void {
    this.#watched.delete(one);
    if (this.#watched.size > 0) return;
    this.#noteLateness();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** For how long the timer has been overdue, if that is worth the talk. */
  get #lateMs(): number {
    if (this.#timer === undefined) return 0;
    const lateMs = this.#clock.now() - this.#dueMs;
    return lateMs > LATE_MS ? lateMs : 0;
  }

  #noteLateness(): void {
    if (this.#lateMs >= STANDSTILL_MS) this.#standstillAtMs = this.#clock.now();
    this.#stalledMs = this.stalledMs;
  }

  #next(): void {
    this.#dueMs = this.#clock.now() + ROUND_MS;
    this.#timer = this.#clock.setTimer(this.#go, ROUND_MS);
  }

  readonly #go = (): void => {
    this.#noteLateness();
    this.#timer = undefined;
    const { awakeMs } = this;
    for (const one of this.#watched) one.round(awakeMs);
    if (this.#watched.size > 0 && this.#timer === undefined) this.#next();
  };
}
