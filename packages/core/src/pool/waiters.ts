import type { Clock, Timer } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import type { Lease } from "./lease.ts";

export interface Wait {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface WaitersOwner {
  /** For the message of a wait that took too long. */
  timeoutError(timeoutMs: number): PolywireError;
  timedOut(error: PolywireError): void;
  /** Somebody has got a lease, after so long. */
  served(waitMs: number): void;
  /** Somebody has given up. */
  left(): void;
}

interface Waiter {
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: PolywireError) => void;
  readonly timer: Timer;
  readonly forget: () => void;
  readonly sinceMs: number;
}

/** Those who wait for a link, first come first served. Whoever leaves takes timer and listener along. */
export class Waiters {
  readonly #clock: Clock;
  readonly #owner: WaitersOwner;
  readonly #waiting = new Set<Waiter>();

  constructor(clock: Clock, owner: WaitersOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  get size(): number {
    return this.#waiting.size;
  }

  wait({ timeoutMs, signal }: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#remove(waiter);
        reject(abortError(signal));
        this.#owner.left();
      };
      const timer = this.#clock.setTimer(() => {
        this.#remove(waiter);
        const error = this.#owner.timeoutError(timeoutMs);
        reject(error);
        this.#owner.timedOut(error);
        this.#owner.left();
      }, timeoutMs);
      const forget = (): void => signal?.removeEventListener("abort", abort);
      const waiter: Waiter = { resolve, reject, timer, forget, sinceMs: this.#clock.now() };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  /** Ends the longest wait with a lease. There must be one. */
  serve(lease: Lease): void {
    const first = this.#takeFirst();
    if (first === undefined) return;
    this.#owner.served(this.#clock.now() - first.sinceMs);
    first.resolve(lease);
  }

  /** Ends the longest wait with an error; false if nobody waits. */
  fail(error: PolywireError): boolean {
    const first = this.#takeFirst();
    first?.reject(error);
    return first !== undefined;
  }

  failAll(error: PolywireError): void {
    while (this.fail(error));
  }

  #takeFirst(): Waiter | undefined {
    const [first] = this.#waiting;
    if (first !== undefined) this.#remove(first);
    return first;
  }

  #remove(waiter: Waiter): void {
    this.#waiting.delete(waiter);
    waiter.timer.cancel();
    waiter.forget();
  }
}

export function abortError(signal: AbortSignal | undefined): PolywireError {
  const cause: unknown = signal?.reason;
  if (PolywireError.is(cause)) return cause;
  return new PolywireError("aborted", "acquire a link: aborted by the caller", { cause });
}
