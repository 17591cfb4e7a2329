import type { QualityMeter } from "../quality/quality-meter.ts";
import type { Rounds } from "./rounds.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface SamplesOwner {
  /** @throws PolywireError where there is no ping, or no room for one more. */
  ping(answered: (roundTripMs: number | undefined) => void): void;
  /** Something was measured. */
  sampled(): void;
}

/** Pings without an answer; past that, one more would say nothing new. */
const MAX_UNANSWERED = 16;

interface Sample {
  readonly stopwatch: Stopwatch;
  readonly patienceMs: number;
  isMissed: boolean;
}

/** The pings that measure one link. */
export class Samples {
  readonly #rounds: Rounds;
  readonly #meter: QualityMeter;
  readonly #owner: SamplesOwner;
  #unanswered: readonly Sample[] = [];
  #nextMs = 0;

  constructor(rounds: Rounds, meter: QualityMeter, owner: SamplesOwner) {
    this.#rounds = rounds;
    this.#meter = meter;
    this.#owner = owner;
  }

  /** Takes one if it is time. */
  round(awakeMs: number, intervalMs: number): void {
    for (const sample of this.#unanswered) {
      if (sample.isMissed || sample.stopwatch.tookMs < sample.patienceMs) continue;
      sample.isMissed = true;
      this.#meter.missed(awakeMs);
    }
    if (awakeMs < this.#nextMs || this.#unanswered.length >= MAX_UNANSWERED) return;
    this.#nextMs = awakeMs + intervalMs;
    this.#take();
  }

  /** No answer will come: nobody reads, or there is no link. That is no fault of the peer's. */
  forget(): void {
    this.#unanswered = [];
  }

  #take(): void {
    const { timeoutMs: patienceMs } = this.#meter.roundTrip;
    const sample: Sample = { stopwatch: new Stopwatch(this.#rounds), patienceMs, isMissed: false };
    this.#unanswered = [...this.#unanswered, sample];
    try {
      this.#owner.ping((roundTripMs) => this.#answered(sample, roundTripMs !== undefined));
    } catch {
      this.#unanswered = this.#unanswered.filter((other) => other !== sample);
    }
  }

  #answered(sample: Sample, isAnswer: boolean): void {
    if (!this.#unanswered.includes(sample)) return;
    this.#unanswered = this.#unanswered.filter((other) => other !== sample);
    // Timed here, because the wire does not know when this process stood still.
    const { tookMs, isBlurred } = sample.stopwatch;
    if (isAnswer) this.#count(tookMs, sample.isMissed, isBlurred);
    // The wire has given up; if it was this process that stood still, the answer may be there by now.
    else if (!sample.isMissed && !isBlurred) this.#meter.missed(this.#rounds.awakeMs);
    this.#owner.sampled();
  }

  #count(roundTripMs: number, isLate: boolean, isBlurred: boolean): void {
    if (isBlurred) this.#meter.heard();
    else if (isLate) this.#meter.answeredLate(roundTripMs);
    else this.#meter.answered(roundTripMs, this.#rounds.awakeMs);
  }
}
