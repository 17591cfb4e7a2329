import type { TimerWheel, WheelEntry, WheelPlace } from "./timer-wheel.ts";

/** An end that the server has set: of a session, or of a subscription. */
export class Expiry implements WheelEntry {
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #wheel: TimerWheel;
  readonly #expired: () => void;

  constructor(wheel: TimerWheel, expired: () => void) {
    this.#wheel = wheel;
    this.#expired = expired;
  }

  /** Sets the end, or moves it. */
  begin(ttlMs: number): void {
    this.#wheel.schedule(this, ttlMs);
  }

  /** There is no end any more. Idempotent. */
  lift(): void {
    this.#wheel.cancel(this);
  }

  /** The wheel's call. */
  due(): void {
    this.#expired();
  }
}
