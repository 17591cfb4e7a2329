import {
  type ClientInfo,
  type Clock,
  checkCountOption,
  type LocalDelivery,
  type MetricFamily,
  PolywireError,
  type Random,
  systemClock,
} from "@polywire/core";
import type {
  Broker,
  BrokerEvents,
  Control,
  Done,
  Draft,
  PresenceStore,
  Published,
  StreamOptions,
  Streams,
} from "./broker.ts";
import { type Call, CallQueue } from "./call-queue.ts";
import { type MemoryFigures, memoryFamilies } from "./memory-metrics.ts";
import { MemoryPresence } from "./memory-presence.ts";
import { MemoryStreams, publicationOf } from "./memory-streams.ts";
import { PublishedKeys } from "./published-keys.ts";
import { TimerWheel } from "./timer-wheel.ts";

const DEFAULT_MAX_TOTAL_BYTES = 268_435_456;
const DEFAULT_MAX_STREAMS = 250_000;
const DEFAULT_MAX_LEASES = 1_000_000;

/** Most bytes of publishes that wait for their turn; a further one is answered `overflow`. */
const MAX_WAITING_BYTES = 67_108_864;

/** What a publish takes while it waits, besides its data. */
const CALL_BYTES = 128;

const NOBODY: LocalDelivery = { matched: 0, queued: 0, dropped: 0 };

export interface MemoryBrokerOptions {
  readonly clock?: Clock;
  /** Where epochs come from. */
  readonly random?: Random;
  /**
   * Most bytes of publications kept, of all channels together: 256 MiB. Past it the channels that were not used for the
   * longest time lose their oldest publications first; where their streams are (top and epoch) stays known.
   */
  readonly maxTotalBytes?: number;
  /** Most streams, also those without publications: 250,000. Past it those least used vanish, empty ones first. */
  readonly maxStreams?: number;
  /** Most entries of presence: 1,000,000. Past it a further one is answered `limit-reached`. */
  readonly maxLeases?: number;
  /** How calls get to be answered after they have returned: as a microtask. Tests pass `clock.endOfTurn`. */
  readonly defer?: (callback: () => void) => void;
  /** Gets what callbacks threw, which they must not. Absent: it is thrown on, once the others are done. */
  readonly report?: (error: PolywireError) => void;
}

/**
 * The broker of one process: everything is in its memory, and gone with it.
 *
 * Calls take effect one after the other in the order they were made, soon after each has returned. Publishes that wait are
 * bounded in bytes; the other calls are bounded by what those who make them hold (sessions, subscriptions, commands).
 */
export class MemoryBroker implements Broker {
  readonly name: string = "memory";
  readonly isVolatile: boolean = true;
  readonly streams: Streams;
  readonly presence: PresenceStore;
  readonly control: Control;
  readonly #queue: CallQueue;
  readonly #wheel: TimerWheel;
  readonly #kept: MemoryStreams;
  readonly #present: MemoryPresence;
  readonly #keys: PublishedKeys;
  readonly #subscribed = new Set<string>();
  readonly #most: Pick<MemoryFigures, "maxStreams" | "maxPublicationBytes" | "maxLeases" | "maxWaitingBytes">;
  #events: BrokerEvents | undefined = undefined;
  #waitingBytes = 0;
  #isClosed = false;

  /** @throws PolywireError `invalid-argument` for a limit that is no positive integer. */
  constructor({
    clock = systemClock,
    random = Math.random,
    maxTotalBytes = DEFAULT_MAX_TOTAL_BYTES,
    maxStreams = DEFAULT_MAX_STREAMS,
    maxLeases = DEFAULT_MAX_LEASES,
    defer = queueMicrotask,
    report,
  }: MemoryBrokerOptions = {}) {
    for (const [name, value] of Object.entries({ maxTotalBytes, maxStreams, maxLeases })) checkCountOption(name, value);
    this.#most = { maxStreams, maxPublicationBytes: maxTotalBytes, maxLeases, maxWaitingBytes: MAX_WAITING_BYTES };
    this.#queue = new CallQueue({ clock, defer, report });
    this.#wheel = new TimerWheel(clock, report === undefined ? {} : { report });
    this.#kept = new MemoryStreams({ clock, random, wheel: this.#wheel, maxTotalBytes, maxStreams });
    this.#present = new MemoryPresence({ clock, wheel: this.#wheel, maxLeases });
    this.#keys = new PublishedKeys(clock, this.#wheel);
    this.streams = {
      subscribe: (channel, done) => this.#call(done, () => void this.#subscribed.add(channel)),
      unsubscribe: (channel, done) => this.#call(done, () => void this.#subscribed.delete(channel)),
      publish: (channel, draft, stream, done) => this.#publishSoon(channel, draft, stream, done),
      membership: (channel, kind, info, done) => this.#call(done, () => void this.#tellMembership(channel, kind, info)),
      history: (channel, request, done) => this.#call(done, () => this.#kept.read(channel, request)),
      removeHistory: (channel, done) => this.#call(done, () => void this.#kept.remove(channel)),
    };
    this.presence = {
      put: (channel, info, ttlMs, done) => this.#call(done, () => void this.#present.put(channel, info, ttlMs)),
      remove: (channel, client, done) => this.#call(done, () => void this.#present.remove(channel, client)),
      members: (channel, done) => this.#call(done, () => this.#present.members(channel)),
      stats: (channel, done) => this.#call(done, () => this.#present.stats(channel)),
    };
    this.control = {
      send: (command, done) => this.#call(done, () => void this.#events?.control(command)),
    };
  }

  /** @throws PolywireError `invalid-state` when it was started before. */
  start(events: BrokerEvents): void {
    if (this.#events !== undefined) {
      throw new PolywireError(
        "invalid-state",
        "the memory broker was started already: give each hub a broker of its own",
      );
    }
    this.#events = events;
  }

  /** Calls that were not made yet are answered `closed`. Idempotent. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#wheel.close();
    return new Promise((resolve) => this.#queue.add({ run: resolve }));
  }

  /** Plain numbers. */
  inspect(): Readonly<Record<string, number>> {
    return {
      ...this.#kept.inspect(),
      subscribedChannels: this.#subscribed.size,
      presenceChannels: this.#present.channels,
      presenceEntries: this.#present.leases,
      idempotencyKeys: this.#keys.size,
      waitingCalls: this.#queue.size,
      waitingBytes: this.#waitingBytes,
    };
  }

  metrics(): readonly MetricFamily[] {
    const { streams, publications, publicationBytes, publicationsEvicted, streamsEvicted } = this.#kept.inspect();
    return memoryFamilies({
      ...this.#most,
      streams,
      publications,
      publicationBytes,
      publicationsEvicted,
      streamsEvicted,
      leases: this.#present.leases,
      idempotencyKeys: this.#keys.size,
      waitingCalls: this.#queue.size,
      waitingBytes: this.#waitingBytes,
    });
  }

  #call<Result>(done: Done<Result>, take: () => Result): void {
    this.#queue.add({
      run: () => {
        let result: Result;
        try {
          const refusal = this.#refusal();
          if (refusal !== undefined) throw refusal;
          result = take();
        } catch (thrown) {
          return done(PolywireError.from(thrown, "internal", "memory broker"), undefined);
        }
        done(undefined, result);
      },
    });
  }

  #publishSoon(channel: string, draft: Draft, stream: StreamOptions | undefined, done: Done<Published>): void {
    const bytes = CALL_BYTES + draft.data.length;
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      const message = `publish to "${channel}": ${this.#waitingBytes} bytes wait to be told already; publish slower`;
      return this.#call(done, () => {
        throw new PolywireError("overflow", message);
      });
    }
    this.#waitingBytes += bytes;
    this.#queue.add(new PublishCall(this.#publish, { channel, draft, stream, done }));
  }

  readonly #publish = ({ channel, draft, stream, done }: PublishRequest): void => {
    this.#waitingBytes -= CALL_BYTES + draft.data.length;
    const events = this.#events;
    const refusal = this.#refusal();
    if (events === undefined || refusal !== undefined) return done(refusal, undefined);
    const { idempotencyKey } = draft;
    const first = idempotencyKey === undefined ? undefined : this.#keys.find(channel, idempotencyKey);
    if (first !== undefined) return done(undefined, first);
    const published = this.#tell(events, { channel, draft, stream });
    if (idempotencyKey !== undefined) this.#keys.add(channel, idempotencyKey, published);
    done(undefined, published);
  };

  #tell(
    events: BrokerEvents,
    { channel, draft, stream }: Pick<PublishRequest, "channel" | "draft" | "stream">,
  ): Published {
    if (stream === undefined) {
      const isHeard = this.#subscribed.has(channel);
      const local = isHeard ? events.publication(channel, publicationOf(draft, undefined), undefined) : NOBODY;
      return { position: undefined, local };
    }
    const { publication, position } = this.#kept.append(channel, draft, stream);
    const isTold = publication !== undefined && this.#subscribed.has(channel);
    return { position, local: isTold ? events.publication(channel, publication, position.epoch) : NOBODY };
  }

  #tellMembership(channel: string, kind: "join" | "leave", info: ClientInfo): void {
    if (this.#subscribed.has(channel)) this.#events?.membership(channel, kind, info);
  }

  #refusal(): PolywireError | undefined {
    if (this.#isClosed) return new PolywireError("closed", "the memory broker is closed: make a new one");
    if (this.#events !== undefined) return undefined;
    return new PolywireError("invalid-state", "the memory broker was not started: call start first");
  }
}

interface PublishRequest {
  readonly channel: string;
  readonly draft: Draft;
  readonly stream: StreamOptions | undefined;
  readonly done: Done<Published>;
}

class PublishCall implements Call, PublishRequest {
  readonly channel: string;
  readonly draft: Draft;
  readonly stream: StreamOptions | undefined;
  readonly done: Done<Published>;
  readonly #publish: (request: PublishRequest) => void;

  constructor(publish: (request: PublishRequest) => void, { channel, draft, stream, done }: PublishRequest) {
    this.#publish = publish;
    this.channel = channel;
    this.draft = draft;
    this.stream = stream;
    this.done = done;
  }

  run(): void {
    this.#publish(this);
  }
}
