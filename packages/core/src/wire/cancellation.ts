import type { Clock } from "../contract/clock.ts";
import { MAX_DELAY_MS } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";

export interface CancellationOptions {
  readonly clock: Clock;
  /** The caller's own signal. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now; the deadline is set once and never moves. */
  readonly timeoutMs: number;
  /** What is being waited for, for the message: `connect to ws://host/`. */
  readonly purpose: string;
}

/**
 * One signal for the caller's abort and for a deadline. Its reason is always a PolywireError (`aborted`, `timed-out`).
 * Release it when the wait is over, so that neither timer nor listener stays behind.
 */
export class Cancellation {
  readonly #controller = new AbortController();
  readonly #release: () => void;

  constructor({ clock, signal, timeoutMs, purpose }: CancellationOptions) {
    checkTimeout(timeoutMs);
    const abort = (): void => {
      const cause: unknown = signal?.reason;
      const isOurs = PolywireError.is(cause);
      this.#controller.abort(
        isOurs ? cause : new PolywireError("aborted", `${purpose}: aborted by the caller`, { cause }),
      );
    };
    const timer = clock.setTimer(() => {
      this.#controller.abort(new PolywireError("timed-out", `${purpose}: not done within ${timeoutMs} ms`));
    }, timeoutMs);
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    this.#release = () => {
      timer.cancel();
      signal?.removeEventListener("abort", abort);
    };
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Fires the signal for a reason of our own. */
  abort(reason: PolywireError): void {
    this.#controller.abort(reason);
  }

  release(): void {
    this.#release();
  }
}

/** The work's result, or the signal's reason as soon as it fires. Leaves no listener behind. */
export function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** @throws PolywireError `invalid-argument` for anything but 1 to 2,147,483,647 milliseconds. */
export function checkTimeout(timeoutMs: number): void {
  if (typeof timeoutMs !== "number" || !(timeoutMs >= 1 && timeoutMs <= MAX_DELAY_MS)) {
    throw new PolywireError(
      "invalid-argument",
      `timeoutMs is ${String(timeoutMs)}: give 1 to ${MAX_DELAY_MS} milliseconds`,
    );
  }
}
