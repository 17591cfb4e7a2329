import assert from "node:assert/strict";
import type { SubscribeResult } from "../src/index.ts";
import { MemoryBroker } from "../src/memory-broker.ts";
import { FakeClock } from "./fake-clock.ts";
import { FaultyBroker } from "./faulty-broker.ts";
import type { TestClient, Told } from "./test-client.ts";
import { seededRandom, TestHub } from "./test-hub.ts";

export const CHANNEL = "a";
export const TTL_MS = 600_000;
const SIZE = 5;
const RECOVERY_SIZE = 4;

/** What was published, in order, and what of it the stream must still have. */
export class Model {
  readonly truth: number[] = [];
  kept: number[] = [];
  /** Publications of streams before a restart; offsets count from here. */
  streamStart = 0;
  /** How many streams there were before. */
  stream = 0;

  publish(): number {
    const serial = this.truth.length;
    this.truth.push(serial);
    this.kept = [...this.kept, serial].slice(-SIZE);
    return serial;
  }

  restart(): void {
    this.kept = [];
    this.streamStart = this.truth.length;
    this.stream++;
  }

  /** Whether everything from the serial on can be recovered by who was in that stream. */
  canRecoverFrom(serial: number, stream: number): boolean {
    if (stream !== this.stream) return false;
    const missed = this.truth.length - serial;
    return missed === 0 || (missed <= RECOVERY_SIZE && this.kept.at(-missed) === serial);
  }
}

/** A client as the official ones are: it remembers its position, and notices neither gaps nor repeats. */
export class Follower {
  #client: TestClient | undefined = undefined;
  #position: { offset: number; epoch: string } | undefined = undefined;
  /** What it must be told next. */
  #next = 0;
  #read = 0;
  #stream = 0;
  readonly #model: Model;
  /** Has been subscribed at least once since the last time it was told that it missed something. */
  recovered = 0;
  unrecovered = 0;

  constructor(model: Model) {
    this.#model = model;
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  cut(): void {
    this.#client?.session.closed();
    this.#client = undefined;
  }

  async connect(test: TestHub): Promise<void> {
    if (this.#client !== undefined) return;
    this.#client = await test.client();
    await this.#subscribe(test);
  }

  /** Takes what it was told since the last time, and checks each bit of it. */
  async follow(test: TestHub): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    for (; this.#read < client.transcript.length; this.#read++) {
      const told: Told | undefined = client.transcript[this.#read];
      if (told?.kind === "publication") {
        assert.equal(Number(told.text), this.#next);
        this.#next++;
        this.#position = { offset: told.offset ?? 0, epoch: this.#position?.epoch ?? "" };
      } else if (told?.kind === "unsubscribed") {
        assert.equal(told.code, 2500);
        this.#read++;
        return await this.#subscribe(test);
      } else if (told?.kind === "disconnect") {
        throw new Error(`disconnected with ${told.code}`);
      }
    }
  }

  expectToHaveAll(): void {
    if (this.#client !== undefined) assert.equal(this.#next, this.#model.truth.length);
  }

  async #subscribe(test: TestHub): Promise<void> {
    const client = this.#client as TestClient;
    const since = this.#position;
    const model = this.#model;
    client.subscribe(CHANNEL, since === undefined ? {} : { recover: true, since });
    await test.settle();
    const { error, result } = client.answerTo(`subscribe ${CHANNEL}`);
    assert.equal(error, undefined);
    const { isRecovered, publications, position } = result as SubscribeResult;
    if (since !== undefined) {
      // Never a false yes, and a no only for a reason.
      assert.equal(isRecovered, model.canRecoverFrom(this.#next, this.#stream));
      if (isRecovered) this.recovered++;
      else this.unrecovered++;
    }
    if (isRecovered) {
      for (const { data } of publications) {
        assert.equal(Number(new TextDecoder().decode(data)), this.#next);
        this.#next++;
      }
    } else {
      assert.deepEqual(publications, []);
      this.#next = model.streamStart + (position?.offset ?? 0);
    }
    assert.equal(this.#next, model.truth.length);
    this.#position = { offset: this.#next - model.streamStart, epoch: position?.epoch ?? "" };
    this.#stream = model.stream;
    client.take();
    this.#read = 0;
  }
}

export class World {
  readonly model: Model = new Model();
  readonly followers: readonly Follower[] = [
    new Follower(this.model),
    new Follower(this.model),
    new Follower(this.model),
  ];
  readonly clock: FakeClock = new FakeClock();
  readonly #random: () => number;
  broker: FaultyBroker;
  test: TestHub;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    [this.test, this.broker] = this.#start();
  }

  async publish(count: number, isLost: boolean): Promise<void> {
    this.broker.losing = isLost ? () => true : undefined;
    for (let left = count; left > 0; left--) await this.test.publish(CHANNEL, this.model.publish());
    this.broker.losing = undefined;
  }

  async restart(): Promise<void> {
    for (const follower of this.followers) follower.cut();
    await this.test[Symbol.asyncDispose]();
    [this.test, this.broker] = this.#start();
    this.model.restart();
  }

  #start(): [TestHub, FaultyBroker] {
    const broker = new FaultyBroker(new MemoryBroker({ clock: this.clock, random: this.#random }));
    const channels = [{ match: "*", history: { size: SIZE, ttlMs: TTL_MS }, recovery: true }];
    const limits = { recoverySize: RECOVERY_SIZE };
    return [
      new TestHub({ channels, limits, broker, random: this.#random, pings: { intervalMs: 0 } }, this.clock),
      broker,
    ];
  }
}
