import fc from "fast-check";
import { expect, it } from "vitest";
import type { SubscribeResult } from "../src/index.ts";
import { MemoryBroker } from "../src/memory-broker.ts";
import { FakeClock } from "./fake-clock.ts";
import { FaultyBroker } from "./faulty-broker.ts";
import type { TestClient } from "./test-client.ts";
import { seededRandom, TestHub } from "./test-hub.ts";

const CHANNEL = "a";
const SIZE = 5;
const RECOVERY_SIZE = 4;
const TTL_MS = 600_000;
const RUNS = 1_000;

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("lose" as const), count: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("cut" as const), client: fc.nat({ max: 2 }) }) },
    { weight: 7, arbitrary: fc.record({ kind: fc.constant("connect" as const), client: fc.nat({ max: 2 }) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "trim" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "expire" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "wait" as const }) },
  ),
  { minLength: 5, maxLength: 30 },
);

/** What was published, in order, and what of it the stream must still have. */
class Model {
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
class Follower {
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
      const told = client.transcript[this.#read];
      if (told?.kind === "publication") {
        expect(Number(told.text)).toBe(this.#next);
        this.#next++;
        this.#position = { offset: told.offset ?? 0, epoch: this.#position?.epoch ?? "" };
      } else if (told?.kind === "unsubscribed") {
        expect(told.code).toBe(2500);
        this.#read++;
        return await this.#subscribe(test);
      } else if (told?.kind === "disconnect") {
        throw new Error(`disconnected with ${told.code}`);
      }
    }
  }

  expectToHaveAll(): void {
    if (this.#client !== undefined) expect(this.#next).toBe(this.#model.truth.length);
  }

  async #subscribe(test: TestHub): Promise<void> {
    const client = this.#client as TestClient;
    const since = this.#position;
    const model = this.#model;
    client.subscribe(CHANNEL, since === undefined ? {} : { recover: true, since });
    await test.settle();
    const { error, result } = client.answerTo(`subscribe ${CHANNEL}`);
    expect(error).toBe(undefined);
    const { isRecovered, publications, position } = result as SubscribeResult;
    if (since !== undefined) {
      // Never a false yes, and a no only for a reason.
      expect(isRecovered).toBe(model.canRecoverFrom(this.#next, this.#stream));
      if (isRecovered) this.recovered++;
      else this.unrecovered++;
    }
    if (isRecovered) {
      for (const { data } of publications) {
        expect(Number(new TextDecoder().decode(data))).toBe(this.#next);
        this.#next++;
      }
    } else {
      expect(publications).toEqual([]);
      this.#next = model.streamStart + (position?.offset ?? 0);
    }
    expect(this.#next).toBe(model.truth.length);
    this.#position = { offset: this.#next - model.streamStart, epoch: position?.epoch ?? "" };
    this.#stream = model.stream;
    client.take();
    this.#read = 0;
  }
}

class World {
  readonly model = new Model();
  readonly followers = [new Follower(this.model), new Follower(this.model), new Follower(this.model)];
  readonly clock = new FakeClock();
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

it(`never tells a client that nothing was missed when something was: ${RUNS} random lives`, {
  timeout: 120_000,
}, async () => {
  let recovered = 0;
  let unrecovered = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), async (life, seed) => {
      const world = new World(seed);
      for (const step of life) {
        switch (step.kind) {
          case "publish":
          case "lose":
            await world.publish(step.count, step.kind === "lose");
            break;
          case "cut":
            world.followers[step.client]?.cut();
            break;
          case "connect":
            await world.followers[step.client]?.connect(world.test);
            break;
          case "trim":
            await world.test.wait(world.test.hub.removeHistory(CHANNEL));
            world.model.kept = [];
            break;
          case "expire":
            await world.test.advance(TTL_MS + 1_000);
            world.model.kept = [];
            break;
          case "restart":
            await world.restart();
            break;
          case "wait":
            await world.test.advance(120_000);
            break;
        }
        for (const follower of world.followers) await follower.follow(world.test);
      }
      // Without any further traffic everybody who is connected gets what there is.
      await world.test.advance(120_000);
      for (const follower of world.followers) {
        await follower.follow(world.test);
        follower.expectToHaveAll();
        recovered += follower.recovered;
        unrecovered += follower.unrecovered;
      }
      await world.test[Symbol.asyncDispose]();
      expect(world.clock.timerCount).toBe(0);
    }),
    { numRuns: RUNS },
  );
  // Both answers were given often enough to mean something.
  expect(recovered).toBeGreaterThan(200);
  expect(unrecovered).toBeGreaterThan(200);
});
