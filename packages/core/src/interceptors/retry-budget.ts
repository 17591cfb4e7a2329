import { checkCountOption, checkObjectOption, checkOptionNames, wrongOption } from "../wire/option-checks.ts";
import { RollingWindow } from "./rolling-window.ts";

/** How much of what goes to one endpoint may be repetitions. */
export interface RetryBudgetOptions {
  /** Repetitions a second that are always allowed. 10. */
  readonly perSecond?: number;
  /** Repetitions for each call, besides. 0.2: one for five. */
  readonly share?: number;
}

const SPAN_SECONDS = 10;

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeRetryBudget(given: RetryBudgetOptions = {}): Required<RetryBudgetOptions> {
  checkObjectOption("budget", given);
  checkOptionNames("budget", given, ["perSecond", "share"]);
  const { perSecond = 10, share = 0.2 } = given;
  if (perSecond !== 0) checkCountOption("budget.perSecond", perSecond, 1_000_000);
  if (!(typeof share === "number" && share >= 0 && share <= 100)) {
    throw wrongOption("budget.share", share, "give a number from 0 to 100");
  }
  return { perSecond, share };
}

/**
 * Keeps repetitions from making an outage worse: in any ten seconds there are no more of them than a share of the calls, and a
 * fixed number besides for an endpoint that is called rarely.
 */
export class RetryBudget {
  readonly #options: Required<RetryBudgetOptions>;
  readonly #callsAndRetries: RollingWindow;

  constructor(options: Required<RetryBudgetOptions>, nowMs: number) {
    this.#options = options;
    this.#callsAndRetries = new RollingWindow(SPAN_SECONDS * 1_000, nowMs);
  }

  called(nowMs: number): void {
    this.#callsAndRetries.addFirst(nowMs);
  }

  /** Whether one more repetition is within the budget; it is counted then. */
  take(nowMs: number): boolean {
    const { perSecond, share } = this.#options;
    const [calls, retries] = this.#callsAndRetries.totals(nowMs);
    if (retries >= perSecond * SPAN_SECONDS + share * calls) return false;
    this.#callsAndRetries.addSecond(nowMs);
    return true;
  }
}
