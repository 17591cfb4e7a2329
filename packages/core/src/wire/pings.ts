import type { Clock, Timer } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import type { DeliveryOwner } from "./delivery.ts";

type Done = (roundTripMs: number | undefined) => void;

interface Pending {
  readonly token: number;
  readonly done: Done;
  readonly sentAtMs: number;
  readonly deadline: Timer;
}

/** Most pings of one link that wait for their answer. */
const MAX_PENDING = 64;

/**
 * The pings of one link that wait for their answer, as {@link Pingable.ping} promises it. Each carries a token, 1 to 2³² − 1,
 * so that answers find their question; 0 is free for pings of the link's own.
 */
export class Pings {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #owner: DeliveryOwner;
  #pending: readonly Pending[] = [];
  #nextToken = 1;

  constructor(clock: Clock, timeoutMs: number, owner: DeliveryOwner) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#owner = owner;
  }

  /**
   * Returns the token to send, or nothing if the link is closed.
   *
   * @throws PolywireError `limit-reached` while 64 are unanswered.
   */
  add(done: Done, isOpen: boolean): number | undefined {
    if (typeof done !== "function") throw new PolywireError("invalid-argument", "ping needs a function to call back");
    if (!isOpen) {
      queueMicrotask(() => this.#tell(done, undefined));
      return undefined;
    }
    if (this.#pending.length >= MAX_PENDING) {
      throw new PolywireError("limit-reached", `${MAX_PENDING} pings wait for an answer: wait for one`);
    }
    const token = this.#nextToken;
    this.#nextToken = (token + 1) >>> 0 || 1;
    const deadline = this.#clock.setTimer(() => this.#settle(token, undefined), this.#timeoutMs);
    this.#pending = [...this.#pending, { token, done, sentAtMs: this.#clock.now(), deadline }];
    return token;
  }

  answered(token: number): void {
    this.#settle(token, this.#clock.now());
  }

  /** The link is over. */
  abandon(): void {
    for (const { token } of this.#pending) this.#settle(token, undefined);
  }

  #settle(token: number, answeredAtMs: number | undefined): void {
    const pending = this.#pending.find((other) => other.token === token);
    if (pending === undefined) return;
    this.#pending = this.#pending.filter((other) => other !== pending);
    pending.deadline.cancel();
    this.#tell(pending.done, answeredAtMs === undefined ? undefined : answeredAtMs - pending.sentAtMs);
  }

  #tell(done: Done, roundTripMs: number | undefined): void {
    try {
      done(roundTripMs);
    } catch (thrown) {
      this.#owner.sinkFailed(PolywireError.from(thrown, "internal", "the callback of a ping threw"));
    }
  }
}
