import type { Random } from "../contract/clock.ts";
import { RollingWindow } from "./rolling-window.ts";

/**
 * - `closed`: everything passes, and is counted.
 * - `open`: nothing passes until its time is over.
 * - `half-open`: one call at a time passes as a trial; its outcome decides.
 */
export type CircuitState = "closed" | "open" | "half-open";

/** How a call ended: `neutral` says nothing of the other side, as when the caller gave up. */
export type Verdict = "success" | "failure" | "neutral";

/** When a circuit opens, and for how long. */
export interface CircuitOptions {
  /** Failures in a row that open it. */
  readonly consecutiveFailures: number;
  /** The share of failures that opens it, 0 to 1, */
  readonly errorRate: number;
  /** once so many calls ended */
  readonly minimumVolume: number;
  /** within this time, in milliseconds. */
  readonly windowMs: number;
  /** How long it stays open, in milliseconds, give or take a tenth. Each trial that fails makes it once as much longer, up to ten times. */
  readonly openMs: number;
}

/** A call that was let through. */
export type Passage = number;

const MAX_OPENINGS = 10;

/**
 * Whether calls to one endpoint may pass. It knows no timer: what the time has come for is decided by comparing clock
 * readings when somebody asks, so it cannot miss its moment. Calls that outlive the state they began in decide nothing.
 */
export class Circuit {
  readonly #options: CircuitOptions;
  readonly #random: Random;
  #window: RollingWindow;
  #consecutiveFailures = 0;
  /** Openings since it was last closed. */
  #openings = 0;
  #openUntilMs = 0;
  #isTrying = false;
  /** Raised with every change between closed and open: a passage of another era is of no account. */
  #era: Passage = 0;

  constructor(options: CircuitOptions, random: Random, nowMs: number) {
    this.#options = options;
    this.#random = random;
    this.#window = new RollingWindow(options.windowMs, nowMs);
  }

  state(nowMs: number): CircuitState {
    if (this.#openings === 0) return "closed";
    return nowMs < this.#openUntilMs ? "open" : "half-open";
  }

  /** When the next trial may pass, on the clock that the circuit is asked with. */
  get openUntilMs(): number {
    return this.#openUntilMs;
  }

  /** Nothing, if the call may not pass. What passes must {@link leave}. */
  enter(nowMs: number): Passage | undefined {
    const state = this.state(nowMs);
    if (state === "closed") return this.#era;
    if (state === "open" || this.#isTrying) return undefined;
    this.#isTrying = true;
    return this.#era;
  }

  leave(passage: Passage, verdict: Verdict, nowMs: number): void {
    if (passage !== this.#era) return;
    if (this.#openings > 0) this.#tried(verdict, nowMs);
    else if (verdict !== "neutral") this.#count(verdict, nowMs);
  }

  #count(verdict: Verdict, nowMs: number): void {
    const { consecutiveFailures, errorRate, minimumVolume } = this.#options;
    if (verdict === "success") {
      this.#consecutiveFailures = 0;
      this.#window.addFirst(nowMs);
    } else {
      this.#consecutiveFailures++;
      this.#window.addSecond(nowMs);
    }
    const [successes, failures] = this.#window.totals(nowMs);
    const volume = successes + failures;
    const isRateHigh = failures > 0 && volume >= minimumVolume && failures >= errorRate * volume;
    if (this.#consecutiveFailures >= consecutiveFailures || isRateHigh) this.#open(nowMs);
  }

  #tried(verdict: Verdict, nowMs: number): void {
    this.#isTrying = false;
    if (verdict === "failure") this.#open(nowMs);
    else if (verdict === "success") this.#close(nowMs);
  }

  #open(nowMs: number): void {
    this.#era++;
    this.#openings = Math.min(MAX_OPENINGS, this.#openings + 1);
    this.#openUntilMs = nowMs + this.#options.openMs * this.#openings * (0.9 + 0.2 * this.#random());
  }

  #close(nowMs: number): void {
    this.#era++;
    this.#openings = 0;
    this.#consecutiveFailures = 0;
    this.#window = new RollingWindow(this.#options.windowMs, nowMs);
  }
}
