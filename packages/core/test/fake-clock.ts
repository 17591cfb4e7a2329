import { type Clock, systemClock, type Timer } from "../src/clock.ts";

/** Time that passes when the test says so. Turns of the event loop are the real ones. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly callback: () => void; readonly dueAtMs: number }>();

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  /** Timers that are still set. */
  get pending(): number {
    return this.#timers.size;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { callback, dueAtMs: this.#now + delayMs };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  endOfTurn(callback: () => void): void {
    systemClock.endOfTurn(callback);
  }

  advance(milliseconds: number): void {
    const until = this.#now + milliseconds;
    for (;;) {
      const next = [...this.#timers].toSorted((one, other) => one.dueAtMs - other.dueAtMs)[0];
      if (next === undefined || next.dueAtMs > until) break;
      this.#timers.delete(next);
      this.#now = next.dueAtMs;
      next.callback();
    }
    this.#now = until;
  }
}
