/** How finely time is told: RFC 6298's G. */
const GRANULARITY_MS = 1;
/** Before the first sample (RFC 6298, section 2.1), and the least there is (2.4). */
const LEAST_TIMEOUT_MS = 1_000;
const MOST_TIMEOUT_MS = 30_000;

/** The round trips to a peer: smoothed (RFC 6298), and how much one differs from the next (RFC 3550, appendix A.8). */
export class RoundTrip {
  #smoothedMs: number | undefined = undefined;
  #variationMs = 0;
  #jitterMs = 0;
  #lastMs = 0;
  #leastMs = Infinity;

  /** Undefined before the first sample. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  get variationMs(): number {
    return this.#variationMs;
  }

  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** The shortest so far; infinite before the first. */
  get leastMs(): number {
    return this.#leastMs;
  }

  /** How long an answer may take before it counts as lost: RFC 6298's RTO, 1 to 30 s. */
  get timeoutMs(): number {
    if (this.#smoothedMs === undefined) return LEAST_TIMEOUT_MS;
    const timeoutMs = this.#smoothedMs + Math.max(GRANULARITY_MS, 4 * this.#variationMs);
    return Math.min(Math.max(timeoutMs, LEAST_TIMEOUT_MS), MOST_TIMEOUT_MS);
  }

  /** One question's way there and its answer's way back. Never of a question that was asked twice (Karn). */
  sample(roundTripMs: number): void {
    this.#leastMs = Math.min(this.#leastMs, roundTripMs);
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = roundTripMs;
      this.#variationMs = roundTripMs / 2;
    } else {
      this.#variationMs += (Math.abs(this.#smoothedMs - roundTripMs) - this.#variationMs) / 4;
      this.#smoothedMs += (roundTripMs - this.#smoothedMs) / 8;
      this.#jitterMs += (Math.abs(roundTripMs - this.#lastMs) - this.#jitterMs) / 16;
    }
    this.#lastMs = roundTripMs;
  }
}
