import { type Clock, systemClock, type Timer } from "@polywire/core";

interface Alarm {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Turns of the event loop after each alarm, so that what it set off is done before the next. */
const TURNS_PER_STEP = 4;

/** A clock that stands still until a test moves it. Turns of the event loop are real: there are real sockets in them. */
export class TestClock implements Clock {
  #nowMs = 0;
  readonly #alarms = new Set<Alarm>();

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const alarm = { atMs: this.#nowMs + delayMs, callback };
    this.#alarms.add(alarm);
    return { cancel: () => void this.#alarms.delete(alarm) };
  }

  endOfTurn(callback: () => void): void {
    systemClock.endOfTurn(callback);
  }

  /** Moves time on, calling back whatever is due, in order. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await turns();
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#alarms.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await turns();
    }
    this.#nowMs = endMs;
  }

  #next(untilMs: number): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.atMs <= untilMs && (next === undefined || alarm.atMs < next.atMs)) next = alarm;
    }
    return next;
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < TURNS_PER_STEP; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
