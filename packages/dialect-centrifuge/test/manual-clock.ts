import { type Clock, systemClock, type Timer } from "@polywire/core";

interface Alarm {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. Turns of the event loop are the real ones. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #alarms = new Set<Alarm>();

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return this.#nowMs;
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
  advance(byMs: number): void {
    const end = this.#nowMs + byMs;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#alarms.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = end;
  }

  #next(untilMs: number): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.atMs <= untilMs && (next === undefined || alarm.atMs < next.atMs)) next = alarm;
    }
    return next;
  }
}
