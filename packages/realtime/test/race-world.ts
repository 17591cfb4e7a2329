import assert from "node:assert/strict";
import { Hub, type SubscribeResult } from "../src/index.ts";
import { MemoryBroker } from "../src/memory-broker.ts";
import { FakeClock } from "./fake-clock.ts";
import { ScheduledBroker } from "./scheduled-broker.ts";
import { TestClient, type Told } from "./test-client.ts";
import { seededRandom } from "./test-hub.ts";

const CHANNEL = "a";

/** Checks, line by line, that what a client is told is what a client may be told. */
class Reader {
  readonly client: TestClient;
  /** The client takes itself to be subscribed. */
  isSubscribed = false;
  /** The last publication it has. */
  offset = 0;
  epoch = "";
  commands = 0;
  answers = 0;
  isDisconnected = false;
  #read = 0;

  constructor(client: TestClient) {
    this.client = client;
  }

  read(): void {
    const { transcript } = this.client;
    for (; this.#read < transcript.length; this.#read++) this.#take(transcript[this.#read] as Told);
  }

  #take(told: Told): void {
    assert.equal(this.isDisconnected, false, "told something after the end");
    switch (told.kind) {
      case "publication":
        assert.equal(this.isSubscribed, true, "told of a publication without a subscription");
        assert.equal(told.offset, this.offset + 1, "a gap, a repeat or another order");
        this.offset++;
        break;
      case "join":
      case "leave":
        assert.equal(this.isSubscribed, true, `told of a ${told.kind} without a subscription`);
        break;
      case "unsubscribed":
        assert.equal(this.isSubscribed, true, "unsubscribed without a subscription");
        this.isSubscribed = false;
        break;
      case "subscribed":
        this.#subscribed(told.result);
        break;
      case "disconnect":
        this.isDisconnected = true;
        this.isSubscribed = false;
        break;
      case "answer":
        this.answers++;
        if (told.to.startsWith("unsubscribe")) {
          assert.equal(told.error, undefined);
          this.isSubscribed = false;
        } else if (told.to.startsWith("subscribe") && told.error === undefined) {
          this.#subscribed(told.result as SubscribeResult);
        }
        break;
      case "message":
      case "ping":
        break;
    }
  }

  #subscribed({ isRecovered, position, publications }: SubscribeResult): void {
    assert.equal(this.isSubscribed, false, "subscribed twice");
    assert.ok(position !== undefined);
    this.isSubscribed = true;
    if (isRecovered) {
      // A command that waited for others asked from where the client was when it was given.
      assert.ok(position.offset <= this.offset && position.epoch === this.epoch, "recovered from somewhere else");
      this.offset = position.offset;
      for (const { offset } of publications) {
        assert.equal(offset, this.offset + 1, "a gap in what was recovered");
        this.offset++;
      }
      return;
    }
    assert.equal(publications.length, 0);
    this.offset = position.offset;
    this.epoch = position.epoch;
  }
}

/** A hub whose broker answers and delivers when and in which order it likes, and clients that keep it busy. */
export class RaceWorld {
  readonly hub: Hub;
  readonly readers: readonly Reader[];
  readonly #clock = new FakeClock();
  readonly #random: () => number;
  readonly #inner: MemoryBroker;
  readonly #broker: ScheduledBroker;
  readonly #hasListener: boolean;
  published = 0;

  constructor(seed: number, lostPercent: number) {
    this.#random = seededRandom(seed);
    this.#inner = new MemoryBroker({ clock: this.#clock, random: this.#random, defer: (callback) => callback() });
    this.#broker = new ScheduledBroker(this.#inner, { random: this.#random, lostPercent });
    this.hub = new Hub({
      channels: [{ match: "*", history: { size: 8, ttlMs: 600_000 }, recovery: true, presence: true, joinLeave: true }],
      broker: this.#broker,
      pings: { intervalMs: 0 },
      clock: this.#clock,
      random: this.#random,
    });
    // In every other life the program listens too: then the channel is never given up, and its events are a history
    // without holes; else it comes and goes with its subscribers.
    this.#hasListener = seed % 2 === 0;
    if (this.#hasListener) this.hub.channel(CHANNEL).subscribe(() => {});
    this.readers = Array.from({ length: 3 }, () => new Reader(new TestClient(this.hub, {}).connect()));
    for (const reader of this.readers) reader.commands++;
  }

  /** One of the things that clients and servers do. */
  act(): void {
    const reader = this.readers[Math.floor(this.#random() * this.readers.length)] as Reader;
    const { client } = reader;
    const choice = Math.floor(this.#random() * 20);
    reader.read();
    if (choice < 8) this.publish();
    else if (choice < 14) this.#subscribe(reader);
    else if (choice < 17) this.#command(reader, () => client.unsubscribe(CHANNEL));
    else if (choice === 17) void this.hub.unsubscribe({ client: client.id }, CHANNEL);
    else if (choice === 18) void this.hub.subscribe({ client: client.id }, CHANNEL);
    else if (this.#random() < 0.5) client.session.closed();
    else void this.hub.disconnect({ client: client.id });
  }

  publish(): void {
    this.published++;
    void this.hub.publish(CHANNEL, this.published);
  }

  /** Lets some of what waits happen. */
  stepSome(): void {
    for (let left = Math.floor(this.#random() * 6); left > 0; left--) this.#broker.step();
  }

  /** Lets everything happen. */
  drain(): void {
    while (this.#broker.step());
    for (const reader of this.readers) reader.read();
  }

  /** Everybody who has a subscription has everything, and the hub, the broker and the clients agree who that is. */
  async expectAgreement(): Promise<void> {
    assert.equal(this.#broker.outstanding, 0);
    const subscribed = this.readers.filter(({ isSubscribed, client }) => isSubscribed && !client.session.isClosed);
    for (const { client, offset } of subscribed) assert.equal(offset, this.published, `${client.id} lacks something`);
    for (const { client, commands, answers } of this.readers) {
      if (!client.session.isClosed) assert.equal(answers, commands, "a command without an answer, or with two");
    }
    const { subscriptions, channels, sessions, brokerFailures, hookFailures } = this.hub.stats();
    assert.equal(subscriptions, subscribed.length);
    assert.equal(sessions, this.readers.filter(({ client }) => !client.session.isClosed).length);
    assert.equal(channels, subscribed.length === 0 && !this.#hasListener ? 0 : 1);
    assert.deepEqual({ brokerFailures, hookFailures }, { brokerFailures: 0, hookFailures: 0 });
    const { subscribedChannels } = this.#inner.inspect();
    assert.equal(subscribedChannels, channels);
    const present = this.hub.presence(CHANNEL);
    this.drain();
    const ids = (await present).map(({ client }) => client).toSorted();
    assert.deepEqual(ids, subscribed.map(({ client }) => client.id).toSorted());
    if (this.#hasListener) for (const witness of subscribed) this.#expectWitnessed(witness, subscribed);
  }

  /** What the periodic check of positions needs. */
  async passTime(byMs: number): Promise<void> {
    for (let leftMs = byMs; leftMs > 0; leftMs -= 5_000) {
      await this.#clock.pass(5_000);
      this.drain();
    }
  }

  /** Brings back, with recovery, whom the hub told to come back. */
  bringBack(): void {
    for (const reader of this.readers) {
      if (!reader.isSubscribed && !reader.client.session.isClosed) this.#subscribe(reader);
    }
    this.drain();
  }

  #subscribe(reader: Reader): void {
    const since = { offset: reader.offset, epoch: reader.epoch };
    // Where the client is when the command is handed over; it gets nothing in between while it is not subscribed.
    const recover = reader.epoch !== "" && !reader.isSubscribed && reader.answers === reader.commands;
    this.#command(reader, () => reader.client.subscribe(CHANNEL, recover ? { recover, since } : {}));
  }

  #command(reader: Reader, command: () => void): void {
    if (reader.client.session.isClosed) return;
    reader.commands++;
    command();
  }

  /** The last that a subscriber heard of another is what is so. */
  #expectWitnessed(witness: Reader, subscribed: readonly Reader[]): void {
    const heard = new Map<string, string>();
    const start = witness.client.transcript.findLastIndex(
      (told) => told.kind === "subscribed" || (told.kind === "answer" && told.to.startsWith("subscribe")),
    );
    for (const told of witness.client.transcript.slice(Math.max(0, start))) {
      if (told.kind !== "join" && told.kind !== "leave") continue;
      assert.notEqual(heard.get(told.client), told.kind, `two ${told.kind}s in a row`);
      heard.set(told.client, told.kind);
    }
    for (const [client, kind] of heard) {
      assert.equal(
        kind === "join",
        subscribed.some((reader) => reader.client.id === client),
        "a join without end",
      );
    }
  }
}
