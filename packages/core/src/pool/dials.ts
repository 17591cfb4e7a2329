import { type Backoff, backoffDelay } from "../connection/backoff.ts";
import type { Clock, Random, Timer } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link } from "../contract/link.ts";

/** Dials a link; the signal fires when the pool wants it no more. */
export type DialLink = (signal: AbortSignal) => Promise<Link>;

export interface PoolDialsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly dial: DialLink;
  readonly arrived: (link: Link, durationMs: number) => void;
  readonly failed: (error: PolywireError) => void;
  /** The rest after a failure is over. */
  readonly rested: () => void;
}

/** Short, for somebody waits for the outcome; long enough that a dead host is not run over. */
const BACKOFF: Backoff = { baseMs: 100, capMs: 5_000, factor: 2, jitter: "full", maxAttempts: Infinity };

/**
 * The dials of one pool. After a failure it rests, longer after every further one, and tries with one dial at a time until
 * that succeeds.
 */
export class PoolDials {
  readonly #options: PoolDialsOptions;
  readonly #unwanted = new AbortController();
  #underWay = 0;
  #failures = 0;
  #lastFailure: PolywireError | undefined = undefined;
  #restUntilMs = 0;
  #restTimer: Timer | undefined = undefined;
  /** Raised by every failure that counts: what was begun before it says nothing new. */
  #period = 0;

  constructor(options: PoolDialsOptions) {
    this.#options = options;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** What was wrong with the last dial, until one succeeds. */
  get lastFailure(): PolywireError | undefined {
    return this.#lastFailure;
  }

  get mayStart(): boolean {
    if (this.#failures === 0) return true;
    return this.#underWay === 0 && this.#options.clock.now() >= this.#restUntilMs;
  }

  start(): void {
    const period = this.#period;
    const { clock } = this.#options;
    const startMs = clock.now();
    this.#underWay++;
    this.#options.dial(this.#unwanted.signal).then(
      (link) => {
        this.#underWay--;
        this.#options.arrived(link, clock.now() - startMs);
      },
      (thrown: unknown) => {
        const error = PolywireError.from(thrown);
        this.#underWay--;
        if (period === this.#period) this.setBack(error);
        this.#options.failed(error);
      },
    );
  }

  /** A link was of use. */
  succeeded(): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    this.#stopResting();
  }

  /** A dial failed, or what it made was of no use to anybody. */
  setBack(error: PolywireError | undefined): void {
    const { clock, random } = this.#options;
    this.#failures++;
    this.#period++;
    this.#lastFailure = error;
    this.#restUntilMs = clock.now() + backoffDelay(BACKOFF, this.#failures, random);
    this.#stopResting();
  }

  /** Calls back when the rest is over. While a dial is under way that one's outcome comes first. */
  awaitRest(): void {
    if (this.#failures === 0 || this.#underWay > 0) return;
    const restMs = this.#restUntilMs - this.#options.clock.now();
    this.#restTimer ??= this.#options.clock.setTimer(() => {
      this.#restTimer = undefined;
      this.#options.rested();
    }, restMs);
  }

  /** Nobody waits for the end of the rest. */
  forgetRest(): void {
    this.#stopResting();
  }

  abort(reason: PolywireError): void {
    this.#stopResting();
    this.#unwanted.abort(reason);
  }

  #stopResting(): void {
    this.#restTimer?.cancel();
    this.#restTimer = undefined;
  }
}
