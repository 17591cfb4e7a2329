import type { Clock, Timer } from "@polywire/core";

/** Microtasks that may follow one another before a turn counts as over. */
const QUIET_ROUNDS = 30;

interface FakeTimer extends Timer {
  readonly callback: () => void;
  readonly dueMs: number;
}

/** Time that stands still until a test moves it, and turns of the event loop that end when a test says so. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #timers: FakeTimer[] = [];
  #turn: (() => void)[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer: FakeTimer = {
      callback,
      dueMs: this.#nowMs + delayMs,
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
    this.#timers.push(timer);
    return timer;
  }

  endOfTurn(callback: () => void): void {
    this.#turn.push(callback);
  }

  /** Lets everything happen that is ready: promises, microtasks and turns of the event loop, until nothing moves. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_ROUNDS; quiet++) {
      await Promise.resolve();
      if (this.#turn.length === 0) continue;
      quiet = 0;
      const turn = this.#turn;
      this.#turn = [];
      for (const callback of turn) callback();
    }
  }

  /** Moves time, calling back what becomes due on the way, in order. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await this.settle();
    for (;;) {
      const next = this.#next(endMs);
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.cancel();
      next.callback();
      await this.settle();
    }
    this.#nowMs = endMs;
  }

  /** The event loop did nothing for so long: timers come late, all at once. */
  async stall(forMs: number): Promise<void> {
    this.#nowMs += forMs;
    await this.advance(0);
  }

  #next(untilMs: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}
