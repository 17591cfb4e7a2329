import { type Clock, systemClock, type Timer } from "../contract/clock.ts";

interface Alarm {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** What the wall shows at the beginning: a moment in 2027. */
const START_WALL_MS = 1_800_000_000_000;

/** A clock that stands still until a test moves it. Turns of the event loop are the platform's. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #alarms = new Set<Alarm>();

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return START_WALL_MS + this.#nowMs;
  }

  /** Timers that are still set. */
  get pending(): number {
    return this.#alarms.size;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const alarm = { dueMs: this.#nowMs + delayMs, callback };
    this.#alarms.add(alarm);
    return { cancel: () => void this.#alarms.delete(alarm) };
  }

  endOfTurn(callback: () => void): void {
    systemClock.endOfTurn(callback);
  }

  /** Moves time on, calling back whatever becomes due on the way, in order and at its moment. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    while (this.#callNext(endMs));
    this.#nowMs = endMs;
  }

  /** Like {@link advance}, and waits for `settled` before the first callback and after each. */
  async advanceSettled(byMs: number, settled: () => Promise<void>): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await settled();
    while (this.#callNext(endMs)) await settled();
    this.#nowMs = endMs;
  }

  /** Moves time on and calls nobody: the process stood still. What became due comes late with the next advance. */
  stall(forMs: number): void {
    this.#nowMs += forMs;
  }

  #callNext(untilMs: number): boolean {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.dueMs <= untilMs && (next === undefined || alarm.dueMs < next.dueMs)) next = alarm;
    }
    if (next === undefined) return false;
    this.#alarms.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    next.callback();
    return true;
  }
}
