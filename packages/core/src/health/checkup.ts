import type { Random } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import { HealthRecord } from "./health-record.ts";
import type { CompleteHealth } from "./options.ts";
import type { Rounds } from "./rounds.ts";

export interface CheckupHost {
  readonly rounds: Rounds;
  readonly random: Random;
}

export interface CheckupOwner {
  /** Whether the peer can be asked now. */
  readonly canCheck: boolean;
  /** Longest wait for an answer that makes sense, in milliseconds. */
  readonly patienceMs: number;
  /** Asks the peer. Rejects, or throws, with what is wrong. */
  check(signal: AbortSignal): void | Promise<void>;
  /**
   * It answered, or did not (then `error` says why). The record knows already. How long it took is undefined where that could not
   * be told.
   */
  checked(tookMs: number | undefined, error: PolywireError | undefined): void;
}

/** From one interval to the next, so that the checks of many do not fall into step. */
const JITTER = 0.15;

interface Check {
  /** Awake time. */
  readonly sinceMs: number;
  readonly startMs: number;
  readonly patienceMs: number;
  readonly abort: AbortController;
}

/** The health checks of one peer: when one is due, what became of it, and what all of them come to. */
export class Checkup {
  readonly record: HealthRecord;
  readonly #host: CheckupHost;
  readonly #options: CompleteHealth<unknown>;
  readonly #owner: CheckupOwner;
  #nextMs = Infinity;
  #underWay: Check | undefined = undefined;

  constructor(host: CheckupHost, options: CompleteHealth<unknown>, owner: CheckupOwner) {
    this.#host = host;
    this.#options = options;
    this.#owner = owner;
    this.record = new HealthRecord(options);
  }

  /** There is somebody to ask, known to be well for now. */
  start(): void {
    this.record.restart();
    this.#nextMs = this.#host.rounds.awakeMs + this.#options.intervalMs * this.#host.random();
  }

  /** There is nobody to ask. What comes of a check under way is of no interest. */
  stop(): void {
    this.#nextMs = Infinity;
    const underWay = this.#underWay;
    this.#underWay = undefined;
    underWay?.abort.abort(new PolywireError("aborted", "the link is gone"));
  }

  round(awakeMs: number): void {
    const underWay = this.#underWay;
    if (underWay !== undefined) {
      if (awakeMs - underWay.sinceMs >= underWay.patienceMs) this.#giveUp(underWay);
    } else if (awakeMs >= this.#nextMs && this.#owner.canCheck) {
      void this.#check(awakeMs);
    }
  }

  async #check(sinceMs: number): Promise<void> {
    const patienceMs = Math.min(this.#options.timeoutMs, this.#owner.patienceMs);
    const check: Check = { sinceMs, startMs: this.#host.rounds.now(), patienceMs, abort: new AbortController() };
    this.#underWay = check;
    try {
      await this.#owner.check(check.abort.signal);
      this.#settle(check, undefined);
    } catch (thrown) {
      this.#settle(check, PolywireError.from(thrown, "not-available", "the health check failed"));
    }
  }

  #giveUp(check: Check): void {
    const error = new PolywireError(
      "timed-out",
      `no answer to a health check within ${Math.round(check.patienceMs)} ms`,
    );
    this.#settle(check, error);
    check.abort.abort(error);
  }

  #settle(check: Check, error: PolywireError | undefined): void {
    if (this.#underWay !== check) return;
    this.#underWay = undefined;
    const { rounds } = this.#host;
    if (error === undefined) this.record.succeeded();
    else this.record.failed(error);
    const { intervalMs, failingIntervalMs } = this.#options;
    const jitter = 1 + JITTER * (2 * this.#host.random() - 1);
    this.#nextMs =
      rounds.awakeMs + (this.record.isUndecided ? Math.min(failingIntervalMs, intervalMs) : intervalMs) * jitter;
    this.#owner.checked(rounds.timed(check.startMs), error);
  }
}
