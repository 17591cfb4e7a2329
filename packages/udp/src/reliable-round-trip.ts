/**
 * RFC 6298 wants a second at the least, for peers that delay acknowledgements by up to half of one. Ours delay them by
 * 25 ms at most, and that is what has to be added (RFC 9002, section 6.2.1).
 */
const ACKNOWLEDGEMENT_DELAY_MS = 25;
/**
 * RFC 6298 lets the doubling go on to a minute at least. A link gives up after half of that, and one that waits for
 * long is slow to notice that the network has healed: with half of everything lost for 10 s, one link in ten took more
 * than 5 s. Every 3 s is what RFC 8085, section 3.1, allows to whoever knows nothing of the network.
 */
const MOST_TIMEOUT_MS = 3_000;
/** Before the first sample: RFC 6298, section 2.1. */
const FIRST_TIMEOUT_MS = 1_000;
/** How finely time is told: RFC 6298's G. */
const GRANULARITY_MS = 1;

/** The round trip and when to send again, after RFC 6298 and, for how little that may be, RFC 9002. */
export class RoundTrip {
  #smoothedMs: number | undefined = undefined;
  #variationMs = 0;
  #backoff = 1;

  /** How long to wait for an acknowledgement now, doubled for every wait that was in vain. */
  get timeoutMs(): number {
    return Math.min(this.#baseMs * this.#backoff, MOST_TIMEOUT_MS);
  }

  /** The last wait was in vain. */
  get isBackedOff(): boolean {
    return this.#backoff > 1;
  }

  /** Undefined before the first sample. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  /** A packet's way there and back. Packet numbers are never used twice, so Karn's ambiguity cannot arise. */
  sample(roundTripMs: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = roundTripMs;
      this.#variationMs = roundTripMs / 2;
      return;
    }
    this.#variationMs += (Math.abs(this.#smoothedMs - roundTripMs) - this.#variationMs) / 4;
    this.#smoothedMs += (roundTripMs - this.#smoothedMs) / 8;
  }

  /** A wait was in vain. */
  backOff(): void {
    if (this.timeoutMs < MOST_TIMEOUT_MS) this.#backoff *= 2;
  }

  /** Something was acknowledged. */
  recovered(): void {
    this.#backoff = 1;
  }

  get #baseMs(): number {
    if (this.#smoothedMs === undefined) return FIRST_TIMEOUT_MS;
    return this.#smoothedMs + Math.max(GRANULARITY_MS, 4 * this.#variationMs) + ACKNOWLEDGEMENT_DELAY_MS;
  }
}
