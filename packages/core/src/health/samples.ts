import type { QualityMeter } from "../quality/quality-meter.ts";
import type { Rounds } from "./rounds.ts";

export interface SamplesOwner {
  /** @throws PolywireError where there is no ping, or no room for one more. */
  ping(answered: (roundTripMs: number | undefined) => void): void;
  /** Something was measured. */
  sampled(): void;
}

/** Pings without an answer; past that, one more would say nothing new. */
const MAX_UNANSWERED = 16;

interface Sample {
  /** Awake time. */
  readonly sinceMs: number;
  readonly startMs: number;
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
      if (sample.isMissed || awakeMs - sample.sinceMs < sample.patienceMs) continue;
      sample.isMissed = true;
      this.#meter.missed(awakeMs);
    }
    if (awakeMs < this.#nextMs || this.#unanswered.length >= MAX_UNANSWERED) return;
    this.#nextMs = awakeMs + intervalMs;
    this.#take(awakeMs);
  }

  /** No answer will come: nobody reads, or there is no link. That is no fault of the peer's. */
  forget(): void {
    this.#unanswered = [];
  }

  #take(sinceMs: number): void {
    const sample: Sample = {
      sinceMs,
      startMs: this.#rounds.now(),
      patienceMs: this.#meter.roundTrip.timeoutMs,
      isMissed: false,
    };
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
    const { awakeMs } = this.#rounds;
    // Timed here, because the wire does not know when this process stood still.
    const roundTripMs = this.#rounds.timed(sample.startMs);
    if (!isAnswer && !sample.isMissed) this.#meter.missed(awakeMs);
    else if (isAnswer && sample.isMissed) this.#meter.answeredLate(roundTripMs);
    else if (isAnswer) this.#meter.answered(roundTripMs, awakeMs);
    this.#owner.sampled();
  }
}
