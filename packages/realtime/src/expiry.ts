import type { HubParts } from "./hub-parts.ts";
import type { WheelEntry, WheelPlace } from "./timer-wheel.ts";

/** A year: the longest time that anybody gets. */
const MAX_TTL_MS = 31_536_000_000;

export function limited(ttlMs: number | undefined): number | undefined {
  return ttlMs === undefined ? undefined : Math.min(ttlMs, MAX_TTL_MS);
}

/**
 * A time that is limited: a session's or a subscription's. It ends once it has passed and the grace besides, unless it is
 * set anew before.
 */
export class Expiry implements WheelEntry {
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #parts: HubParts;
  readonly #expired: () => void;
  #isOver = false;
  #isRefreshing = false;

  constructor(parts: HubParts, ttlMs: number, expired: () => void) {
    this.#parts = parts;
    this.#expired = expired;
    this.set(ttlMs);
  }

  /** So long from now on. */
  set(ttlMs: number | undefined): void {
    const { wheel, settings } = this.#parts;
    this.#isOver = false;
    if (ttlMs === undefined) wheel.cancel(this);
    else wheel.schedule(this, ttlMs + settings.limits.expiryGraceMs);
  }

  cancel(): void {
    this.#isOver = false;
    this.#parts.wheel.cancel(this);
  }

  /** A refresh begins, and the end waits until it is {@link settle | settled}. False: there is one under way. */
  begin(): boolean {
    if (this.#isRefreshing) return false;
    this.#isRefreshing = true;
    return true;
  }

  settle(): void {
    this.#isRefreshing = false;
    this.#endIfOver();
  }

  /** The wheel's call. A refresh that lies ready to be read is read first. */
  due(): void {
    this.#isOver = true;
    this.#parts.clock.endOfTurn(() => this.#endIfOver());
  }

  #endIfOver(): void {
    if (!this.#isOver || this.#isRefreshing) return;
    this.#isOver = false;
    this.#expired();
  }
}
