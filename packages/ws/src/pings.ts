import { type Clock, type DeliveryOwner, PolywireError, type Timer } from "@polywire/core";

type Done = (roundTripMs: number | undefined) => void;

interface Pending {
  readonly id: number;
  readonly done: Done;
  readonly sentAtMs: number;
  readonly deadline: Timer;
}

/** Most pings of one link that wait for their pong. */
const MAX_PENDING = 64;
const ID_BYTES = 4;

/** The pings of one link that wait for their pong. Each carries a number, so that answers find their question. */
export class Pings {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #owner: DeliveryOwner;
  #pending: readonly Pending[] = [];
  #nextId = 1;

  constructor(clock: Clock, timeoutMs: number, owner: DeliveryOwner) {
    this.#owner = owner;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Returns what the ping should carry, or nothing if the link is closed.
   *
   * @throws PolywireError `limit-reached` while 64 are unanswered.
   */
  add(done: Done, isOpen: boolean): Buffer | undefined {
    if (typeof done !== "function") throw new PolywireError("invalid-argument", "ping needs a function to call back");
    if (!isOpen) {
      queueMicrotask(() => this.#tell(done, undefined));
      return undefined;
    }
    if (this.#pending.length >= MAX_PENDING) {
      throw new PolywireError("limit-reached", `${MAX_PENDING} pings wait for an answer: wait for one`);
    }
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    const deadline = this.#clock.setTimer(() => this.#settle(id, undefined), this.#timeoutMs);
    this.#pending = [...this.#pending, { id, done, sentAtMs: this.#clock.now(), deadline }];
    const data = Buffer.alloc(ID_BYTES);
    data.writeUInt32BE(id);
    return data;
  }

  answered(data: Buffer): void {
    if (data.byteLength === ID_BYTES) this.#settle(data.readUInt32BE(), this.#clock.now());
  }

  /** The link is over. */
  abandon(): void {
    for (const { id } of this.#pending) this.#settle(id, undefined);
  }

  #settle(id: number, answeredAtMs: number | undefined): void {
    const pending = this.#pending.find((other) => other.id === id);
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
