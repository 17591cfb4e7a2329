import { type Clock, PolywireError } from "@polywire/core";

/** Calls made in a row before the event loop gets its turn: sockets must be read and written in between. */
const MAX_CALLS_IN_A_ROW = 1_000;

const FIRST_CAPACITY = 64;

/** An emptied queue that has grown past this gives its memory back. */
const KEPT_CAPACITY = 4_096;

export interface Call {
  run(): void;
}

export interface CallQueueOptions {
  readonly clock: Clock;
  /** Runs a callback soon, but not now. By default as a microtask. */
  readonly defer: (callback: () => void) => void;
  /** Gets what a call threw. Absent: the last of it is thrown once the others are done. */
  readonly report: ((error: PolywireError) => void) | undefined;
}

/**
 * Calls to be made soon but not at once, one after the other, in the order they were added, also those that a call adds.
 * One microtask makes many of them; none of them waits for a promise.
 */
export class CallQueue {
  readonly #clock: Clock;
  readonly #defer: (callback: () => void) => void;
  readonly #report: ((error: PolywireError) => void) | undefined;
  /** A ring, its capacity a power of two. */
  #ring: (Call | undefined)[] = new Array<Call | undefined>(FIRST_CAPACITY);
  #head = 0;
  #size = 0;
  #isAwake = false;

  constructor({ clock, defer, report }: CallQueueOptions) {
    this.#clock = clock;
    this.#defer = defer;
    this.#report = report;
  }

  get size(): number {
    return this.#size;
  }

  add(call: Call): void {
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = call;
    this.#size++;
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#defer(this.#drain);
  }

  readonly #drain = (): void => {
    let failure: PolywireError | undefined;
    for (let left = MAX_CALLS_IN_A_ROW; left > 0 && this.#size > 0; left--) {
      const call = this.#ring[this.#head] as Call;
      this.#ring[this.#head] = undefined;
      this.#head = (this.#head + 1) & (this.#ring.length - 1);
      this.#size--;
      try {
        call.run();
      } catch (thrown) {
        const error = PolywireError.from(thrown, "internal", "memory broker: a callback threw");
        if (this.#report === undefined) failure = error;
        else this.#report(error);
      }
    }
    if (this.#size > 0) this.#clock.endOfTurn(this.#drain);
    else {
      this.#isAwake = false;
      if (this.#ring.length > KEPT_CAPACITY) this.#resize(FIRST_CAPACITY);
    }
    if (failure !== undefined) throw failure;
  };

  #grow(): void {
    this.#resize(this.#ring.length * 2);
  }

  #resize(capacity: number): void {
    const resized = new Array<Call | undefined>(capacity);
    const mask = this.#ring.length - 1;
    for (let index = 0; index < this.#size; index++) resized[index] = this.#ring[(this.#head + index) & mask];
    this.#ring = resized;
    this.#head = 0;
  }
}
