import { FadingShare } from "./fading-share.ts";
import { isWorse, levelOf, type QualityLevel, type QualityProfile, worseOf } from "./levels.ts";
import { RoundTrip } from "./round-trip.ts";
import { type QualityInput, realtimeScore, requestScore, type Score, slownessOf } from "./scores.ts";

/** How good the network is, and why. */
export interface Quality {
  readonly level: QualityLevel;
  /** 0 to 100, smoothed; undefined while the level is unknown, or known only from what the peer does not do. */
  readonly score: number | undefined;
  /** What spoils it the most; undefined while the level is unknown. */
  readonly worst: QualityInput | undefined;
  /** Smoothed (RFC 6298), in milliseconds; undefined before the first answer. */
  readonly roundTripMs: number | undefined;
  /** How much one round trip differs from the next (RFC 3550), in milliseconds. */
  readonly jitterMs: number;
  /** Share of the questions that had no answer in time, 0 to 1; what is long ago counts for less. */
  readonly loss: number;
  /** Share of the requests that failed, 0 to 1; what is long ago counts for less. */
  readonly errors: number;
  /** Answers and losses so far on this link. */
  readonly samples: number;
}

/** Of what was never measured. */
export const UNKNOWN_QUALITY: Quality = {
  level: "unknown",
  score: undefined,
  worst: undefined,
  roundTripMs: undefined,
  jitterMs: 0,
  loss: 0,
  errors: 0,
  samples: 0,
};

/** A change of the level. */
export interface QualityChange {
  readonly from: QualityLevel;
  readonly to: QualityLevel;
  readonly score: number | undefined;
  readonly worst: QualityInput | undefined;
}

/** What a wire is known to hold back at this moment. */
export interface Obstacles {
  /** Milliseconds for which the peer has taken nothing of what waits for it. */
  readonly stalledMs: number;
  /** Milliseconds of silence, where silence means something. */
  readonly silentMs: number;
}

export interface QualityMeterOptions {
  readonly profile: QualityProfile;
  /** Single losses are a matter of course on this wire, and counted; elsewhere one tells of a peer in trouble. */
  readonly losesSingly: boolean;
  /** Silence for so long is critical. */
  readonly staleMs: number;
}

/** A score is computed this often. */
const WINDOW_MS = 5_000;
/** Fewer say nothing. */
export const LEAST_SAMPLES = 3;
/** Half steps would be slow to warn and quick to forget: LiveKit's constants. */
const FALLING = 0.7;
const RISING = 0.4;
const FLOOR = 20;
/** A better level is told after so many windows, a worse one at once. */
const WINDOWS_TO_RISE = 2;
const STALL_MS = 1_000;
/** Losses in a row that are no chance any more. */
const CRITICAL_MISSES = 2;
const CRITICAL_MISSES_IF_LOSSY = 3;
interface Cap {
  readonly level: QualityLevel;
  readonly worst: QualityInput;
}

const SILENT_TO_QUESTIONS: Cap = { level: "critical", worst: "loss" };
const SILENT: Cap = { level: "critical", worst: "silence" };
const MISSED_ONE: Cap = { level: "poor", worst: "loss" };
const STALLED: Cap = { level: "fair", worst: "stall" };

/** Measures the quality of one link, or of what requests are made to. */
export class QualityMeter {
  readonly roundTrip: RoundTrip = new RoundTrip();
  readonly #options: QualityMeterOptions;
  /** Questions without an answer; of requests those that failed. */
  readonly #bad: FadingShare = new FadingShare();
  /** How slow requests were, where that is what counts. */
  readonly #slow: FadingShare | undefined;
  #samples = 0;
  #missedInARow = 0;
  #nextWindowMs: number;
  #score: number | undefined = undefined;
  /** What the score of the last window says, whatever stands against it now. */
  #measured: QualityLevel = "unknown";
  #measuredWorst: QualityInput | undefined = undefined;
  #worst: QualityInput | undefined = undefined;
  #level: QualityLevel = "unknown";
  /** The better level that is not told yet, and for how many windows it has been one. */
  #rising: QualityLevel = "unknown";
  #windowsRisen = 0;

  constructor(options: QualityMeterOptions, nowMs: number) {
    this.#options = options;
    this.#slow = options.profile === "rpc" ? new FadingShare() : undefined;
    this.#nextWindowMs = nowMs + WINDOW_MS;
  }

  get level(): QualityLevel {
    return this.#level;
  }

  /** A question was answered. */
  answered(roundTripMs: number, nowMs: number): void {
    this.#missedInARow = 0;
    this.#samples++;
    this.#bad.add(0, nowMs);
    this.roundTrip.sample(roundTripMs);
    this.#slow?.add(slownessOf(roundTripMs, this.roundTrip.leastMs), nowMs);
  }

  /** The answer came, but when it had been given up; the miss is counted already. */
  answeredLate(roundTripMs: number): void {
    this.#missedInARow = 0;
    this.roundTrip.sample(roundTripMs);
  }

  /** The peer gave a sign of life that measures nothing. */
  heard(): void {
    this.#missedInARow = 0;
  }

  /** A question had no answer in time, or a request failed. */
  missed(nowMs: number): void {
    this.#missedInARow++;
    this.#samples++;
    this.#bad.add(1, nowMs);
    this.#slow?.add(0, nowMs);
  }

  /** Computes what is due, and says so if the level has changed. */
  judge(nowMs: number, obstacles: Obstacles): QualityChange | undefined {
    const from = this.#level;
    const isDue = nowMs >= this.#nextWindowMs;
    if (isDue) this.#closeWindow(nowMs);
    const cap = this.#cap(obstacles);
    const isCapped = cap !== undefined && isWorse(cap.level, this.#measured);
    const level = isCapped ? cap.level : this.#measured;
    if (from === "unknown" || isWorse(level, from)) this.#settle(level);
    else if (isDue) this.#rise(level);
    // A level that is held after its cause is over is still that cause's.
    if (level === this.#level || this.#level !== from) this.#worst = isCapped ? cap.worst : this.#measuredWorst;
    const to = this.#level;
    return to === from ? undefined : { from, to, score: this.#score, worst: this.#worst };
  }

  read(): Quality {
    const isRequests = this.#options.profile === "rpc";
    const { share } = this.#bad;
    return {
      level: this.#level,
      score: this.#score,
      worst: this.#level === "unknown" ? undefined : this.#worst,
      roundTripMs: this.roundTrip.smoothedMs,
      jitterMs: this.roundTrip.jitterMs,
      loss: isRequests ? 0 : share,
      errors: isRequests ? share : 0,
      samples: this.#samples,
    };
  }

  #closeWindow(nowMs: number): void {
    this.#nextWindowMs = nowMs + WINDOW_MS;
    if (this.#samples < LEAST_SAMPLES) return;
    const { score, worst } = this.#scoreNow();
    const floored = Math.max(score, FLOOR);
    const before = this.#score ?? floored;
    this.#score = before + (floored - before) * (floored < before ? FALLING : RISING);
    this.#measured = levelOf(this.#options.profile, this.#score);
    this.#measuredWorst = worst;
  }

  #scoreNow(): Score {
    if (this.#slow !== undefined) return requestScore(this.#slow.share, this.#bad.share);
    const { smoothedMs: roundTripMs = 0, jitterMs } = this.roundTrip;
    return realtimeScore({ roundTripMs, jitterMs, loss: this.#bad.share });
  }

  /** What is known at once, whatever the score says. */
  #cap({ stalledMs, silentMs }: Obstacles): Cap | undefined {
    const misses = this.#slow === undefined ? this.#missedInARow : 0;
    if (misses >= (this.#options.losesSingly ? CRITICAL_MISSES_IF_LOSSY : CRITICAL_MISSES)) return SILENT_TO_QUESTIONS;
    if (silentMs >= this.#options.staleMs) return SILENT;
    if (misses > 0 && !this.#options.losesSingly) return MISSED_ONE;
    return stalledMs > STALL_MS ? STALLED : undefined;
  }

  /** A better level has to last. */
  #rise(level: QualityLevel): void {
    if (!isWorse(this.#level, level)) {
      this.#windowsRisen = 0;
      return;
    }
    this.#rising = this.#windowsRisen === 0 ? level : worseOf(this.#rising, level);
    if (++this.#windowsRisen === WINDOWS_TO_RISE) this.#settle(this.#rising);
  }

  #settle(level: QualityLevel): void {
    this.#level = level;
    this.#windowsRisen = 0;
  }
}
