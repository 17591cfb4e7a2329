import { type Clock, systemClock, type Timer } from "@polywire/core";

/** Keeps count of the timers and abort listeners that a protocol takes from its host. */
export class Ledger {
  readonly #timers = new Set<Timer>();
  readonly #abortListeners = new Map<AbortSignal, Set<unknown>>();

  /** Timers that were set and neither fired nor cancelled. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Listeners on signals that are still there. */
  get abortListeners(): number {
    return [...this.#abortListeners.values()].reduce((sum, listeners) => sum + listeners.size, 0);
  }

  readonly clock: Clock = {
    now: () => systemClock.now(),
    wallTime: () => systemClock.wallTime(),
    endOfTurn: (callback) => systemClock.endOfTurn(callback),
    setTimer: (callback, delayMs) => this.#setTimer(callback, delayMs),
  };

  #setTimer(callback: () => void, delayMs: number): Timer {
    const inner = systemClock.setTimer(() => {
      this.#timers.delete(timer);
      callback();
    }, delayMs);
    const timer: Timer = {
      cancel: () => {
        this.#timers.delete(timer);
        inner.cancel();
      },
    };
    this.#timers.add(timer);
    return timer;
  }

  /** Counts who listens on the signal from here on. */
  watch(signal: AbortSignal): AbortSignal {
    const listeners = new Set<unknown>();
    this.#abortListeners.set(signal, listeners);
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...given: Parameters<AbortSignal["addEventListener"]>) => {
      if (!signal.aborted) listeners.add(given[1]);
      add(...given);
    };
    signal.removeEventListener = (...given: Parameters<AbortSignal["removeEventListener"]>) => {
      listeners.delete(given[1]);
      remove(...given);
    };
    add("abort", () => listeners.clear(), { once: true });
    return signal;
  }
}
