import type { ClientInfo, LocalDelivery, Publication, Random } from "@polywire/core";
import type {
  Broker,
  BrokerEvents,
  Control,
  ControlCommand,
  Done,
  Draft,
  PresenceStore,
  Published,
  StreamOptions,
  StreamRead,
  Streams,
} from "../src/index.ts";

const NOBODY: LocalDelivery = { matched: 0, queued: 0, dropped: 0 };

export interface ScheduledBrokerOptions {
  /** Decides what happens next. */
  readonly random: Random;
  /** How many of a hundred publications are lost on their way to this process. 0. */
  readonly lostPercent?: number;
}

/** Things that happen one after the other. */
type Lane = (() => void)[];

/**
 * A broker whose requests, answers and deliveries take any time they like: each waits until `step` lets it happen, and
 * which is next, chance decides. Only what the contract orders stays in order: the events of a channel among themselves,
 * requests of one kind for one channel among themselves, and the answer to a publish after its delivery.
 */
export class ScheduledBroker implements Broker {
  readonly name: string = "scheduled";
  readonly streams: Streams;
  readonly presence: PresenceStore;
  readonly control: Control;
  readonly #inner: Broker;
  readonly #random: Random;
  readonly #lostPercent: number;
  /** Those with something in them. */
  readonly #lanes = new Map<string, Lane>();
  #events: BrokerEvents | undefined = undefined;
  #lanesMade = 0;
  #outstanding = 0;
  /** What the inner broker told of the publish it is about to answer. */
  #delivery: Delivery | undefined = undefined;
  /** Publications that this process was not told of. */
  lost = 0;

  constructor(inner: Broker, { random, lostPercent = 0 }: ScheduledBrokerOptions) {
    this.#inner = inner;
    this.#random = random;
    this.#lostPercent = lostPercent;
    const { streams, presence, control } = inner;
    this.streams = {
      subscribe: (channel, done) =>
        this.#request(`feed ${channel}`, done, (answer) => streams.subscribe(channel, answer)),
      unsubscribe: (channel, done) =>
        this.#request(`feed ${channel}`, done, (answer) => streams.unsubscribe(channel, answer)),
      publish: (channel, draft, stream, done) => this.#publish(channel, { draft, stream }, done),
      membership: (channel, kind, info, done) =>
        this.#request(`membership ${channel}`, done, (answer) => streams.membership(channel, kind, info, answer)),
      history: (channel, request: StreamRead, done) =>
        this.#request(this.#ownLane(), done, (answer) => streams.history(channel, request, answer)),
      removeHistory: (channel, done) =>
        this.#request(this.#ownLane(), done, (answer) => streams.removeHistory(channel, answer)),
    };
    this.presence = {
      put: (channel, info, ttlMs, done) =>
        this.#request(`presence ${channel}`, done, (answer) => presence.put(channel, info, ttlMs, answer)),
      remove: (channel, client, done) =>
        this.#request(`presence ${channel}`, done, (answer) => presence.remove(channel, client, answer)),
      members: (channel, done) =>
        this.#request(`presence ${channel}`, done, (answer) => presence.members(channel, answer)),
      stats: (channel, done) => this.#request(`presence ${channel}`, done, (answer) => presence.stats(channel, answer)),
    };
    this.control = {
      send: (command, done) => this.#request("control", done, (answer) => control.send(command, answer)),
    };
  }

  /** Requests whose answers have not been given. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Things of which any may happen next. */
  get ready(): number {
    return this.#lanes.size;
  }

  start(events: BrokerEvents): void {
    this.#events = events;
    this.#inner.start({
      publication: (channel, publication, epoch) => this.#publication(channel, publication, epoch),
      membership: (channel, kind, info) => this.#membership(channel, kind, info),
      control: (command) => this.#controlled(command),
    });
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** Lets one thing happen. False when there is none; then the inner broker may have to answer first. */
  step(): boolean {
    if (this.#lanes.size === 0) return false;
    let left = Math.floor(this.#random() * this.#lanes.size);
    for (const [name, lane] of this.#lanes) {
      if (left-- > 0) continue;
      const next = lane.shift();
      if (lane.length === 0) this.#lanes.delete(name);
      next?.();
      break;
    }
    return true;
  }

  /**
   * Lets everything happen until nothing is left to.
   *
   * @param settle lets the inner broker answer: `clock.settle`.
   */
  async drain(settle: () => Promise<void>): Promise<void> {
    for (;;) {
      await settle();
      if (!this.step()) return;
    }
  }

  #request<Result>(lane: string, done: Done<Result>, send: (answer: Done<Result>) => void): void {
    this.#outstanding++;
    this.#schedule(lane, () => {
      send((error, result) => {
        this.#schedule(this.#ownLane(), () => {
          this.#outstanding--;
          done(error, result);
        });
      });
    });
  }

  #publish(
    channel: string,
    { draft, stream }: { readonly draft: Draft; readonly stream: StreamOptions | undefined },
    done: Done<Published>,
  ): void {
    this.#outstanding++;
    this.#schedule(`publish ${channel}`, () => {
      this.#inner.streams.publish(channel, draft, stream, (error, published) => {
        // The inner broker tells of a publication and answers the publish in one go.
        const delivery = this.#delivery;
        this.#delivery = undefined;
        const answer = (local: LocalDelivery): void => {
          this.#schedule(this.#ownLane(), () => {
            this.#outstanding--;
            done(error, published === undefined ? undefined : { ...published, local });
          });
        };
        if (delivery === undefined) answer(published?.local ?? NOBODY);
        else if (delivery.local === undefined) delivery.told = answer;
        else answer(delivery.local);
      });
    });
  }

  #publication(channel: string, publication: Publication, epoch: string | undefined): LocalDelivery {
    const delivery: Delivery = { local: undefined, told: undefined };
    this.#delivery = delivery;
    if (this.#random() * 100 < this.#lostPercent) {
      this.lost++;
      delivery.local = NOBODY;
      return NOBODY;
    }
    this.#schedule(`events ${channel}`, () => {
      delivery.local = this.#events?.publication(channel, publication, epoch) ?? NOBODY;
      delivery.told?.(delivery.local);
    });
    return NOBODY;
  }

  #membership(channel: string, kind: "join" | "leave", info: ClientInfo): void {
    this.#schedule(`events ${channel}`, () => this.#events?.membership(channel, kind, info));
  }

  #controlled(command: ControlCommand): void {
    this.#schedule("orders", () => this.#events?.control(command));
  }

  #ownLane(): string {
    return `lane ${this.#lanesMade++}`;
  }

  #schedule(name: string, happen: () => void): void {
    const lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, [happen]);
    else lane.push(happen);
  }
}

interface Delivery {
  /** What this process did; absent as long as it was not told. */
  local: LocalDelivery | undefined;
  told: ((local: LocalDelivery) => void) | undefined;
}
