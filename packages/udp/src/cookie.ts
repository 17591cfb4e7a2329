import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "@polywire/core";

const LIFE_SECONDS = 30;
const TIME_BYTES = 4;
const MAC_BYTES = 32;
export const COOKIE_BYTES: number = TIME_BYTES + MAC_BYTES;

/** Proof that an address is its sender's own, kept by the sender: nothing is remembered here before it comes back. */
export class Cookies {
  readonly #clock: Clock;
  readonly #key = randomBytes(32);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param claim what the cookie is for: address, port and connection id. */
  bake(claim: string): Buffer {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUInt32BE(this.#seconds);
    return Buffer.concat([time, this.#mac(time, claim)]);
  }

  check(cookie: Buffer, claim: string): "good" | "bad" | "expired" {
    const time = cookie.subarray(0, TIME_BYTES);
    if (cookie.length !== COOKIE_BYTES || !timingSafeEqual(cookie.subarray(TIME_BYTES), this.#mac(time, claim))) {
      return "bad";
    }
    return this.#seconds - time.readUInt32BE() > LIFE_SECONDS ? "expired" : "good";
  }

  get #seconds(): number {
    return Math.floor(this.#clock.now() / 1_000);
  }

  #mac(time: Buffer, claim: string): Buffer {
    return createHmac("sha256", this.#key).update(time).update(claim).digest();
  }
}
