import type { Random } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import { HealthRecord } from "./health-record.ts";
import type { CompleteHealth } from "./options.ts";
import type { Rounds } from "./rounds.ts";
import { Stopwatch } from "./stopwatch.ts";

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
  /** It answered, or did not (then `error` says why). The record knows already. */
  checked(tookMs: number, error: PolywireError | undefined): void;
}

/** From one interval to the next, so that the checks of many do not fall into step. */
const JITTER = 0.15;

interface Check {
  readonly stopwatch: Stopwatch;
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
    this.#drop("the link is gone");
  }

  /** The answer to a check under way cannot arrive, and that is no fault of the peer's: it is asked again when it can. */
  forget(): void {
    if (this.#underWay !== undefined) this.#nextMs = this.#host.rounds.awakeMs;
    this.#drop("nobody reads");
  }

  round(awakeMs: number): void {
    const underWay = this.#underWay;
    if (underWay !== undefined) {
      if (underWay.stopwatch.tookMs >= underWay.patienceMs) this.#giveUp(underWay);
    } else if (awakeMs >= this.#nextMs && this.#owner.canCheck) {
      void this.#check();
    }
  }

  async #check(): Promise<void> {
    const patienceMs = Math.min(this.#options.timeoutMs, this.#owner.patienceMs);
    const { rounds } = this.#host;
    const check: Check = { stopwatch: new Stopwatch(rounds), patienceMs, abort: new AbortController() };
    this.#underWay = check;
    try {
      await this.#owner.check(check.abort.signal);
      this.#settle(check, undefined);
    } catch (thrown) {
      const error = PolywireError.from(thrown, "not-available", "the health check failed");
      if (isOwnDelay(check, error)) this.#askAgain(check);
      else this.#settle(check, error);
    }
  }

  #askAgain(check: Check): void {
    if (this.#underWay === check) this.forget();
  }

  #drop(why: string): void {
    const underWay = this.#underWay;
    this.#underWay = undefined;
    underWay?.abort.abort(new PolywireError("aborted", why));
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
    const { awakeMs } = this.#host.rounds;
    if (error === undefined) this.record.succeeded();
    else this.record.failed(error);
    const { intervalMs, failingIntervalMs } = this.#options;
    const jitter = 1 + JITTER * (2 * this.#host.random() - 1);
    this.#nextMs = awakeMs + (this.record.isUndecided ? Math.min(failingIntervalMs, intervalMs) : intervalMs) * jitter;
    this.#owner.checked(check.stopwatch.tookMs, error);
  }
}

/** A deadline passed while it was this process that stood still, for the greater part of the time. */
function isOwnDelay({ stopwatch }: Check, { code }: PolywireError): boolean {
  return code === "timed-out" && stopwatch.stalledMs > stopwatch.tookMs;
}
