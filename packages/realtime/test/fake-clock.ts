import type { Clock, Timer } from "@polywire/core";

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

  /** Ends turns of the event loop until nothing waits for one any more. */
  settle(): void {
    for (let rounds = 0; this.#turn.length > 0; rounds++) {
      if (rounds === 100_000) throw new Error("the turns never end");
      const turn = this.#turn;
      this.#turn = [];
      for (const callback of turn) callback();
    }
  }

  /** Like {@link settle}, with everything that promises have to say in between. */
  async settlePromises(): Promise<void> {
    for (let rounds = 0; rounds < 20; rounds++) {
      this.settle();
      await Promise.resolve();
    }
  }

  /** Moves time, calling back what becomes due on the way, in order. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    this.settle();
    for (;;) {
      const next = this.#next(endMs);
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.cancel();
      next.callback();
      this.settle();
    }
    this.#nowMs = endMs;
  }

  /** The event loop did nothing for so long: timers come late, all at once. */
  stall(forMs: number): void {
    this.#nowMs += forMs;
    this.advance(0);
  }

  #next(untilMs: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}
