import type { Counters } from "./counters.ts";
import type { PublicationEvent } from "./outlet.ts";
import { RecencyList, Recent } from "./recency-list.ts";
import type { Subscription } from "./subscription.ts";

/** Most publications that one client's backlog holds, however small they are. */
const MAX_HELD = 1_024;

/** What a publication takes besides its data while it is held. */
const HELD_BYTES = 128;

/** A publication that waits until its client has caught up. */
class Held extends Recent {
  readonly subscription: Subscription;
  readonly event: PublicationEvent;
  /** What it is the latest of; `undefined` for one that waits for its turn. */
  readonly key: string | undefined;
  readonly bytes: number;

  constructor(subscription: Subscription, event: PublicationEvent, key: string | undefined) {
    super();
    this.subscription = subscription;
    this.event = event;
    this.key = key;
    this.bytes = HELD_BYTES + event.publication.data.length;
  }
}

/**
 * What a client that is behind has still to be told of the channels whose publications may be dropped: the newest ones where
 * the rule says `drop-oldest`, the latest of each key where it says `keep-latest`. It is bounded for all channels of the
 * client together. What must make room is the oldest that waits for its turn; the latest of a key go only when nothing
 * else is left.
 */
export class Backlog {
  readonly #maxBytes: number;
  readonly #counters: Counters;
  readonly #turns = new RecencyList<Held>();
  readonly #latest = new RecencyList<Held>();
  /** The latest of each key of each subscription. */
  readonly #byKey = new Map<Subscription, Map<string, Held>>();
  #count = 0;
  #bytes = 0;

  /** @param maxBytes of data and what goes with them; a publication larger than this is not held. */
  constructor(maxBytes: number, counters: Counters) {
    this.#maxBytes = maxBytes;
    this.#counters = counters;
  }

  /** About how much memory it keeps. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /**
   * Takes a publication.
   *
   * @param key absent: it waits for its turn. Else it takes the place of the one before with this key.
   * @returns false: it is larger than the backlog, and dropped.
   */
  hold(subscription: Subscription, event: PublicationEvent, key?: string): boolean {
    const held = new Held(subscription, event, key);
    if (key !== undefined) this.#replace(subscription, key);
    if (held.bytes > this.#maxBytes) {
      this.#countDropped(held);
      return false;
    }
    this.#count++;
    this.#bytes += held.bytes;
    if (key === undefined) this.#turns.use(held);
    else this.#keep(held, key);
    while (this.#count > MAX_HELD || this.#bytes > this.#maxBytes) this.#dropOldest();
    return true;
  }

  /** Hands the publications over, until `tell` says that the client is behind again: the latest of each key come first. */
  release(tell: (subscription: Subscription, event: PublicationEvent) => boolean): void {
    for (;;) {
      const held = this.#latest.oldest ?? this.#turns.oldest;
      if (held === undefined) return;
      this.#remove(held);
      if (!tell(held.subscription, held.event)) return;
    }
  }

  /** Nothing is told of this channel any more. */
  forget(subscription: Subscription): void {
    for (const list of [this.#turns, this.#latest]) {
      let held = list.oldest;
      while (held !== undefined) {
        const next = held.newer as Held | undefined;
        if (held.subscription === subscription) this.#remove(held);
        held = next;
      }
    }
  }

  #keep(held: Held, key: string): void {
    let keys = this.#byKey.get(held.subscription);
    if (keys === undefined) {
      keys = new Map();
      this.#byKey.set(held.subscription, keys);
    }
    keys.set(key, held);
    this.#latest.use(held);
  }

  #replace(subscription: Subscription, key: string): void {
    const before = this.#byKey.get(subscription)?.get(key);
    if (before === undefined) return;
    this.#remove(before);
    this.#counters.overflowKeepLatest++;
  }

  #dropOldest(): void {
    const held = (this.#turns.oldest ?? this.#latest.oldest) as Held;
    this.#remove(held);
    this.#countDropped(held);
  }

  #countDropped({ key }: Held): void {
    if (key === undefined) this.#counters.overflowDropOldest++;
    else this.#counters.overflowKeepLatest++;
  }

  #remove(held: Held): void {
    const { subscription, key } = held;
    this.#count--;
    this.#bytes -= held.bytes;
    if (key === undefined) return this.#turns.remove(held);
    this.#latest.remove(held);
    const keys = this.#byKey.get(subscription);
    keys?.delete(key);
    if (keys?.size === 0) this.#byKey.delete(subscription);
  }
}
