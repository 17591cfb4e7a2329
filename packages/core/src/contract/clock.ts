/** Time and turns of the event loop, passed in so that tests own them. */
export interface Clock {
  /** Monotonic milliseconds with fractions; for intervals. */
  now(): number;
  /** Milliseconds since 1970-01-01 UTC; for people and tokens, never for intervals. */
  wallTime(): number;
  /**
   * Calls back once, not before `delayMs` have passed. It does not keep the process alive, unless `keepsAlive` says that
   * somebody awaits it.
   */
  setTimer(callback: () => void, delayMs: number, options?: { readonly keepsAlive?: boolean }): Timer;
  /** Calls back once, after everything the current turn of the event loop has ready. */
  endOfTurn(callback: () => void): void;
}

export interface Timer {
  /** The callback will not be called any more. Idempotent. */
  cancel(): void;
}

/** A number in [0, 1), as `Math.random` gives. */
export type Random = () => number;

/** The longest delay that platforms keep; they turn a longer one into no delay at all. */
export const MAX_DELAY_MS = 2_147_483_647;

/** The platform's own time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (callback, delayMs, { keepsAlive = false } = {}) => {
    return new PlatformTimer(callback, Math.min(delayMs, MAX_DELAY_MS), keepsAlive);
  },
  endOfTurn: findEndOfTurn(),
};

class PlatformTimer implements Timer {
  readonly #handle: ReturnType<typeof setTimeout>;

  constructor(callback: () => void, delayMs: number, keepsAlive: boolean) {
    this.#handle = setTimeout(callback, delayMs);
    if (!keepsAlive) (this.#handle as { unref?: () => void }).unref?.();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

function findEndOfTurn(): Clock["endOfTurn"] {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  if (setImmediate !== undefined) return (callback) => void setImmediate(callback);
  return (callback) => void setTimeout(callback, 0);
}
