import { type Clock, systemClock, type Timer } from "../contract/clock.ts";

/** The platform's clock, so many times faster: for tests over real wires of what takes many seconds. Lateness grows with it. */
export class FastClock implements Clock {
  readonly #times: number;

  /** @param times How much faster: 10 makes a second of a tenth. */
  constructor(times: number) {
    this.#times = times;
  }

  now(): number {
    return systemClock.now() * this.#times;
  }

  wallTime(): number {
    return systemClock.wallTime();
  }

  setTimer(callback: () => void, delayMs: number, options?: { readonly keepsAlive?: boolean }): Timer {
    return systemClock.setTimer(callback, delayMs / this.#times, options);
  }

  endOfTurn(callback: () => void): void {
    systemClock.endOfTurn(callback);
  }
}
