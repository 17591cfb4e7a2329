import type { Clock, Timer } from "../contract/clock.ts";

/** How finely standstills are noticed. */
const TICK_MS = 100;
/** A round comes every half second: so finely are checks, samples and windows timed. */
const TICKS_PER_ROUND = 5;
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
  #ticks = 0;
  #isRoundDue = false;
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
    this.#dueMs = this.#clock.now() + TICK_MS;
    this.#timer = this.#clock.setTimer(this.#tick, TICK_MS);
  }

  /** The round itself comes when the sockets were looked at: an answer that has arrived while the process stood still is not missed. */
  readonly #tick = (): void => {
    this.#stalledMs = this.stalledMs;
    this.#next();
    if (++this.#ticks < TICKS_PER_ROUND || this.#isRoundDue) return;
    this.#ticks = 0;
    this.#isRoundDue = true;
    this.#clock.endOfTurn(this.#round);
  };

  readonly #round = (): void => {
    this.#isRoundDue = false;
    const { awakeMs } = this;
    for (const one of this.#watched) one.round(awakeMs);
  };
}
