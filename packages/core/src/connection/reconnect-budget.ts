import type { Clock, Timer } from "../contract/clock.ts";
import { checkCountOption, checkObjectOption, checkOptionNames, wrongOption } from "../wire/option-checks.ts";

/** How fast the connections of a network may dial again, all together. */
export interface ReconnectBudgetOptions {
  /** Dials a second that are always allowed. 10. */
  readonly perSecond?: number;
  /** Dials a second for each connection there is, where that is more. 0.2: all are back after five seconds. */
  readonly share?: number;
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeBudget(given: ReconnectBudgetOptions = {}): Required<ReconnectBudgetOptions> {
  checkObjectOption("reconnectBudget", given);
  checkOptionNames("reconnectBudget", given, ["perSecond", "share"]);
  const { perSecond = 10, share = 0.2 } = given;
  checkCountOption("reconnectBudget.perSecond", perSecond, 1_000_000);
  if (!(typeof share === "number" && share >= 0 && share <= 1_000)) {
    throw wrongOption("reconnectBudget.share", share, "give a number from 0 to 1,000");
  }
  return { perSecond, share };
}

interface Waiting {
  readonly allowed: () => void;
}

/**
 * A token bucket that all dials after a loss draw from, so that a server that comes back is not run over by those it had:
 * in no second more than the budget. What is saved in quiet times is one dial, or a twentieth of a second's.
 */
export class ReconnectBudget {
  readonly #clock: Clock;
  readonly #options: Required<ReconnectBudgetOptions>;
  readonly #connections: () => number;
  readonly #waiting = new Set<Waiting>();
  #tokens: number;
  #filledAtMs: number;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, options: Required<ReconnectBudgetOptions>, connections: () => number) {
    this.#clock = clock;
    this.#options = options;
    this.#connections = connections;
    this.#tokens = this.#most;
    this.#filledAtMs = clock.now();
  }

  /** Dials a second, as many as there are connections now. */
  get perSecond(): number {
    const { perSecond, share } = this.#options;
    return Math.max(perSecond, share * this.#connections());
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls back when one more dial is allowed, at once if it is; first come first served. */
  ask(allowed: () => void): Timer {
    this.#fill();
    const waiting = { allowed };
    if (this.#waiting.size === 0 && this.#tokens >= 1) {
      this.#tokens--;
      allowed();
    } else {
      this.#waiting.add(waiting);
      this.#wakeLater();
    }
    return { cancel: () => this.#cancel(waiting) };
  }

  #cancel(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  get #most(): number {
    return Math.max(1, this.perSecond / 20);
  }

  #fill(): void {
    const nowMs = this.#clock.now();
    const gained = ((nowMs - this.#filledAtMs) / 1_000) * this.perSecond;
    this.#tokens = Math.min(this.#most, this.#tokens + gained);
    this.#filledAtMs = nowMs;
  }

  #wakeLater(): void {
    const missingMs = ((1 - this.#tokens) / this.perSecond) * 1_000;
    // A timer may fire a little early: a millisecond more makes sure that there is a token then.
    this.#timer ??= this.#clock.setTimer(() => this.#wake(), Math.max(0, missingMs) + 1);
  }

  #wake(): void {
    this.#timer = undefined;
    this.#fill();
    for (const waiting of this.#waiting) {
      if (this.#tokens < 1) break;
      this.#tokens--;
      this.#waiting.delete(waiting);
      waiting.allowed();
    }
    if (this.#waiting.size > 0) this.#wakeLater();
  }
}
