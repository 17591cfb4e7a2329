import type { Clock, Timer } from "@polywire/core";

type Done = (roundTripMs: number | undefined) => void;

interface Pending {
  readonly id: number;
  readonly done: Done;
  readonly sentAtMs: number;
  readonly deadline: Timer;
}

/** More unanswered pings than this on one link are answered with `undefined` at once. */
const MAX_PENDING = 16;
const ID_BYTES = 4;

/** The pings of one link that wait for their pong. Each carries a number, so that answers find their question. */
export class Pings {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #pending: readonly Pending[] = [];
  #nextId = 1;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Returns what the ping should carry, or nothing if none should be sent. */
  add(done: Done, isOpen: boolean): Buffer | undefined {
    if (!isOpen || this.#pending.length >= MAX_PENDING) {
      queueMicrotask(() => done(undefined));
      return undefined;
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
    pending.done(answeredAtMs === undefined ? undefined : answeredAtMs - pending.sentAtMs);
  }
}
