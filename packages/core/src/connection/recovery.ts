import type { Clock, Random, Timer } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import { backoffDelay } from "./backoff.ts";
import type { CompleteReconnect } from "./options.ts";
import type { ReconnectBudget } from "./reconnect-budget.ts";

export interface RecoveryHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: ReconnectBudget;
}

/** A link that stayed up for less than this, or than the last wait, was not up: dials go on being counted. */
const STEADY_AFTER_MS = 10_000;

/** When a connection dials again. */
export class Recovery {
  readonly #host: RecoveryHost;
  readonly #options: CompleteReconnect;
  readonly #report: (error: PolywireError) => void;
  #failures = 0;
  #lastDelayMs = 0;
  /** Where the next wait is counted from. */
  #waitsFromMs = 0;
  #timer: Timer | undefined = undefined;

  constructor(host: RecoveryHost, options: CompleteReconnect, report: (error: PolywireError) => void) {
    this.#host = host;
    this.#options = options;
    this.#report = report;
  }

  get isLazy(): boolean {
    return this.#options.lazy;
  }

  /** Dials that failed since the link was last up for long, and links that were lost too soon. */
  get failures(): number {
    return this.#failures;
  }

  get isExhausted(): boolean {
    return this.#failures >= this.#options.maxAttempts;
  }

  /** The dial has failed. Its wait counts from where it began (gRPC connection backoff): one that took long is followed sooner. */
  failed(dialledAtMs: number): void {
    this.#failures++;
    this.#waitsFromMs = dialledAtMs;
  }

  /** The link is gone. Only one that was up for long makes up for the failures before it. */
  lost(openedAtMs: number): void {
    this.#waitsFromMs = this.#host.clock.now();
    const upMs = this.#waitsFromMs - openedAtMs;
    if (upMs >= Math.min(STEADY_AFTER_MS, this.#lastDelayMs)) this.#failures = 0;
    else this.#failures++;
  }

  /** The wait before the next dial, in milliseconds from now. `mostMs` bounds it where the program has no rule of its own. */
  delay(mostMs: number = Infinity): number {
    const { clock, random } = this.#host;
    const capMs = Math.min(this.#options.capMs, mostMs);
    const wanted = this.#ownDelay() ?? backoffDelay({ ...this.#options, capMs }, this.#failures, random);
    this.#lastDelayMs = wanted;
    return Math.max(0, wanted - (clock.now() - this.#waitsFromMs));
  }

  /** Calls back when the wait is over and the network's budget allows it. */
  schedule(delayMs: number, dial: () => void): void {
    this.cancel();
    this.#timer = this.#host.clock.setTimer(() => {
      this.#timer = this.#host.budget.ask(dial);
    }, delayMs);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #ownDelay(): number | undefined {
    const { delayMs: rule, capMs } = this.#options;
    if (rule === undefined) return undefined;
    try {
      const delayMs = rule(this.#failures);
      if (typeof delayMs === "number" && delayMs >= 0) return Math.min(delayMs, capMs);
      throw new PolywireError(
        "invalid-argument",
        `reconnect.delayMs gave ${String(delayMs)}: give milliseconds, 0 or more`,
      );
    } catch (thrown) {
      this.#report(PolywireError.from(thrown, "internal", "reconnect.delayMs threw"));
      return undefined;
    }
  }
}
