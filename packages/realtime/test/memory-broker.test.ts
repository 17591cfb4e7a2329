import { type ClientInfo, type LocalDelivery, PolywireError, type Publication } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Broker, Published, StreamOptions, StreamPage } from "../src/index.ts";
import { MemoryBroker, type MemoryBrokerOptions } from "../src/memory-broker.ts";
import { type BrokerBench, BrokerTrial, brokerLaws } from "./broker-laws.ts";
import { FakeClock } from "./fake-clock.ts";
import { ScheduledBroker } from "./scheduled-broker.ts";
import { seededRandom } from "./test-hub.ts";

const HOUR_MS = 3_600_000;
const LOCAL: LocalDelivery = { matched: 1, queued: 1, dropped: 0 };

const kept: StreamOptions = { size: 100, ttlMs: HOUR_MS, metaTtlMs: 2 * HOUR_MS, maxBytes: 1_000_000 };

class Bench implements BrokerBench {
  readonly clock: FakeClock = new FakeClock();
  readonly broker: MemoryBroker;

  constructor(options: MemoryBrokerOptions = {}) {
    this.broker = new MemoryBroker({ clock: this.clock, random: seededRandom(1), ...options });
  }

  settle(): Promise<void> {
    return this.clock.settle();
  }

  wait(milliseconds: number): Promise<void> {
    return this.clock.pass(milliseconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.broker.close();
    await this.clock.settle();
    await closed;
    expect(this.clock.pending).toBe(0);
  }
}

/** The same, with everything taking its time. */
class ScheduledBench implements BrokerBench {
  readonly broker: ScheduledBroker;
  readonly #inner = new Bench();

  constructor(seed: number) {
    this.broker = new ScheduledBroker(this.#inner.broker, { random: seededRandom(seed) });
  }

  settle(): Promise<void> {
    return this.broker.drain(() => this.#inner.settle());
  }

  async wait(milliseconds: number): Promise<void> {
    await this.settle();
    await this.#inner.wait(milliseconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle();
    expect(this.broker.outstanding).toBe(0);
    await this.#inner[Symbol.asyncDispose]();
  }
}

describe("the memory broker", () => {
  it.each(brokerLaws)("keeps the law: $name", async ({ hold }) => {
    await using bench = new Bench();
    await hold(new BrokerTrial(bench));
  });

  it.each(brokerLaws)("keeps it however long things take: $name", async ({ hold }) => {
    for (let seed = 0; seed < 10; seed++) {
      await using bench = new ScheduledBench(seed);
      await hold(new BrokerTrial(bench));
    }
  });

  it("has epochs of eight letters", async () => {
    await using bench = new Bench();
    const trial = new BrokerTrial(bench);
    expect((await trial.history()).position.epoch).toMatch(/^[a-zA-Z]{8}$/);
  });

  it("answers everything of a turn from one microtask, in the order of the calls", async () => {
    let deferred = 0;
    await using bench = new Bench({
      defer: (callback) => {
        deferred++;
        queueMicrotask(callback);
      },
    });
    const { broker } = bench;
    const trial = new BrokerTrial(bench);
    const note = (what: string) => () => void trial.log.push(what);
    const info: ClientInfo = { client: "c1", user: "" };
    broker.streams.subscribe("a", note("subscribed"));
    broker.streams.publish("a", { data: Uint8Array.of(49), format: "json" }, kept, note("published"));
    broker.presence.put("a", info, 1_000, note("put"));
    broker.streams.membership("a", "join", info, note("joined"));
    broker.streams.unsubscribe("a", note("unsubscribed"));
    broker.streams.publish("a", { data: Uint8Array.of(50), format: "json" }, kept, note("published"));
    expect(trial.log).toEqual([]);
    await bench.settle();
    expect(trial.log).toEqual([
      "subscribed",
      "told a 1",
      "published",
      "put",
      "told a join c1",
      "joined",
      "unsubscribed",
      "published",
    ]);
    expect(deferred).toBe(1);
  });

  it("lets the event loop turn between a thousand calls and the next", async () => {
    await using bench = new Bench();
    const trial = new BrokerTrial(bench);
    await trial.subscribe();
    const { streams } = bench.broker;
    for (let count = 0; count < 2_500; count++)
      streams.publish("news", { data: Uint8Array.of(), format: "json" }, undefined, () => {});
    for (let round = 0; round < 10; round++) await Promise.resolve();
    expect(trial.publications.length).toBe(1_000);
    await bench.settle();
    expect(trial.publications.length).toBe(2_500);
  });

  it("goes on after a callback that throws, and reports it", async () => {
    const reported: string[] = [];
    await using bench = new Bench({ report: ({ message }) => void reported.push(message) });
    const trial = new BrokerTrial(bench);
    bench.broker.streams.publish("news", { data: Uint8Array.of(), format: "json" }, kept, () => {
      throw new Error("bug");
    });
    const { position } = await trial.publish("next");
    expect(position?.offset).toBe(2);
    expect(reported).toEqual(["memory broker: a callback threw: bug"]);
  });

  it("is started once, by one hub", async () => {
    await using bench = new Bench();
    const trial = new BrokerTrial(bench);
    expect(() => new BrokerTrial(bench)).toThrow("started already");
    await trial.publish("a");
    const never = new MemoryBroker({ clock: bench.clock });
    let error: PolywireError | undefined;
    never.presence.members("a", (failed) => {
      error = failed;
    });
    await bench.settle();
    expect(error?.code).toBe("invalid-state");
  });

  it("answers overflow when more waits to be told than it may hold, and takes more once it was", async () => {
    await using bench = new Bench();
    const trial = new BrokerTrial(bench);
    const data = new Uint8Array(1_048_576);
    const answers: (string | undefined)[] = [];
    for (let count = 0; count < 70; count++) {
      bench.broker.streams.publish(
        "news",
        { data, format: "binary" },
        undefined,
        (error) => void answers.push(error?.code),
      );
    }
    expect(bench.broker.inspect()["waitingBytes"]).toBeLessThanOrEqual(67_108_864);
    await bench.settle();
    expect(answers.filter((code) => code === "overflow").length).toBe(7);
    expect(answers.filter((code) => code === undefined).length).toBe(63);
    expect(bench.broker.inspect()).toMatchObject({ waitingBytes: 0, waitingCalls: 0 });
    await trial.publish("again");
  });

  it("keeps no more history than its budget: the channels least used lose theirs first, but not their position", async () => {
    await using bench = new Bench({ maxTotalBytes: 10_000 });
    new BrokerTrial(bench);
    const positions = new Map<string, Published["position"]>();
    for (const channel of ["a", "b", "c", "a", "d"]) {
      const { position } = await publish(bench, channel, 1_700);
      positions.set(channel, position);
    }
    // 1,956 bytes each: five fit, and the sixth costs b its only one.
    await publish(bench, "d", 1_700);
    expect(await offsets(bench, "b")).toEqual([]);
    expect(await offsets(bench, "c")).toEqual([1]);
    // Reading is use, too: c was read last, so a is next.
    await publish(bench, "d", 1_700);
    expect(await offsets(bench, "a")).toEqual([2]);
    expect((await history(bench, "b")).position).toEqual(positions.get("b"));
    expect(bench.broker.inspect()).toMatchObject({
      streams: 4,
      publications: 5,
      publicationsEvicted: 2,
      publicationBytes: 9_780,
    });
    await publish(bench, "d", 20_000);
    expect(bench.broker.inspect()).toMatchObject({ streams: 4, publications: 0, publicationBytes: 0 });
    expect((await history(bench, "d")).position.offset).toBe(4);
  });

  it("keeps no more streams than it may: those without publications vanish first", async () => {
    await using bench = new Bench({ maxStreams: 3 });
    new BrokerTrial(bench);
    await publish(bench, "full", 10);
    const first = await history(bench, "empty 1");
    await history(bench, "empty 2");
    await history(bench, "empty 3");
    expect(await offsets(bench, "full")).toEqual([1]);
    expect(bench.broker.inspect()).toMatchObject({ streams: 3, streamsEvicted: 1 });
    expect((await history(bench, "empty 1")).position.epoch).not.toBe(first.position.epoch);
  });

  it("forgets streams, publications, leases and keys by itself, and sleeps when there is nothing left", async () => {
    await using bench = new Bench();
    new BrokerTrial(bench);
    const { broker, clock } = bench;
    await publish(bench, "a", 10);
    broker.streams.publish("b", { data: Uint8Array.of(), format: "json", idempotencyKey: "k" }, kept, () => {});
    broker.presence.put("a", { client: "c", user: "" }, 60_000, () => {});
    await bench.settle();
    expect(broker.inspect()).toMatchObject({ streams: 2, publications: 2, presenceEntries: 1, idempotencyKeys: 1 });
    await clock.pass(6 * 60_000);
    expect(broker.inspect()).toMatchObject({ streams: 2, publications: 2, presenceEntries: 0, idempotencyKeys: 0 });
    await clock.pass(HOUR_MS);
    expect(broker.inspect()).toMatchObject({ streams: 2, publications: 0, publicationBytes: 0 });
    await clock.pass(HOUR_MS);
    expect(broker.inspect()).toMatchObject({ streams: 0 });
    expect(clock.pending).toBe(0);
  });

  it("knows a key for five minutes, to the millisecond", async () => {
    await using bench = new Bench();
    const trial = new BrokerTrial(bench);
    await bench.wait(123);
    await trial.publish("a", { idempotencyKey: "k" });
    await bench.wait(299_999);
    expect((await trial.publish("b", { idempotencyKey: "k" })).position?.offset).toBe(1);
    await bench.wait(1);
    expect((await trial.publish("c", { idempotencyKey: "k" })).position?.offset).toBe(2);
  });

  it("does not keep the memory around a small publication alive", async () => {
    await using bench = new Bench();
    new BrokerTrial(bench);
    const memory = new Uint8Array(1_000_000);
    bench.broker.streams.publish("a", { data: memory.subarray(500, 510), format: "binary" }, kept, () => {});
    await bench.settle();
    const { publications } = await history(bench, "a");
    expect(publications[0]?.data.buffer.byteLength).toBe(10);
  });

  it("refuses limits that are none", () => {
    for (const limit of ["maxTotalBytes", "maxStreams", "maxLeases"]) {
      expect(() => new MemoryBroker({ [limit]: 0 })).toThrow(`${limit} is 0: give a positive integer`);
    }
  });

  it("keeps the contract whatever is asked of it, in whatever order things happen", async () => {
    const channel = fc.constantFrom("a", "b");
    const step = fc.record({
      kind: fc.constantFrom(
        "publish",
        "publish",
        "publish",
        "tell",
        "subscribe",
        "unsubscribe",
        "history",
        "remove",
        "wait",
        "settle",
      ),
      channel,
      key: fc.constantFrom(undefined, undefined, "k1", "k2"),
      ms: fc.constantFrom(1, 50, 400),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(), fc.boolean(), async (steps, seed, isScheduled) => {
        const inner = new Bench({ maxTotalBytes: 3_000 });
        const scheduled = new ScheduledBroker(inner.broker, { random: seededRandom(seed) });
        const broker: Broker = isScheduled ? scheduled : inner.broker;
        const settle = (): Promise<void> => (isScheduled ? scheduled.drain(() => inner.settle()) : inner.settle());
        const watch = new ContractWatch(broker);
        for (const { kind, channel: name, key, ms } of steps) {
          if (kind === "publish") watch.publish(name, key, { size: 3, ttlMs: 300, metaTtlMs: 1_000, maxBytes: 2_000 });
          else if (kind === "tell") watch.publish(name, key, undefined);
          else if (kind === "subscribe" || kind === "unsubscribe") watch.feed(name, kind);
          else if (kind === "history") watch.history(name);
          else if (kind === "remove") broker.streams.removeHistory(name, () => {});
          else if (kind === "wait") await inner.clock.pass(ms);
          else await settle();
        }
        await settle();
        watch.check();
        await inner[Symbol.asyncDispose]();
      }),
      { numRuns: 500 },
    );
  });
});

/** Holds what a broker tells and answers against its promises. */
class ContractWatch {
  readonly #broker: Broker;
  readonly #open = new Set<string>();
  readonly #feeding = new Set<string>();
  /** Of each channel and epoch, the last offset told. */
  readonly #lastTold = new Map<string, number>();
  readonly #told = new Set<Publication>();
  readonly #positions = new Map<string, string>();
  #unanswered = 0;

  constructor(broker: Broker) {
    this.#broker = broker;
    broker.start({
      publication: (channel, publication, epoch) => {
        this.#tell(channel, publication, epoch);
        return LOCAL;
      },
      membership() {},
      control() {},
    });
  }

  publish(channel: string, idempotencyKey: string | undefined, stream: StreamOptions | undefined): void {
    this.#unanswered++;
    let hasReturned = false;
    const data = new TextEncoder().encode(`${channel} ${this.#unanswered}`);
    const draft = { data, format: "text", ...(idempotencyKey === undefined ? {} : { idempotencyKey }) } as const;
    this.#broker.streams.publish(channel, draft, stream, (error, published) => {
      this.#unanswered--;
      expect([error, hasReturned]).toEqual([undefined, true]);
      if (published?.local.matched === 1)
        expect([...this.#told].some((told) => told.data === data || idempotencyKey !== undefined)).toBe(true);
      const { position } = published as Published;
      if (idempotencyKey !== undefined) return;
      expect(position === undefined).toBe(stream === undefined);
      if (position === undefined) return;
      // No two publications have one place.
      const place = `${channel} ${position.epoch} ${position.offset}`;
      expect(this.#positions.has(place)).toBe(false);
      this.#positions.set(place, new TextDecoder().decode(data));
    });
    hasReturned = true;
  }

  /** At most one such call per channel is outstanding. */
  feed(channel: string, kind: "subscribe" | "unsubscribe"): void {
    if (this.#feeding.has(channel) || this.#open.has(channel) === (kind === "subscribe")) return;
    this.#feeding.add(channel);
    this.#broker.streams[kind](channel, (error) => {
      expect(error).toBe(undefined);
      this.#feeding.delete(channel);
      if (kind === "subscribe") this.#open.add(channel);
      else this.#open.delete(channel);
    });
  }

  history(channel: string): void {
    this.#unanswered++;
    const request = { limit: 10, maxBytes: 10_000, sinceOffset: undefined, isReverse: false, metaTtlMs: 1_000 };
    this.#broker.streams.history(channel, request, (error, page) => {
      this.#unanswered--;
      expect(error).toBe(undefined);
      const { publications, position } = page as StreamPage;
      // Trimming takes the oldest, so what there is ends with the top, without a hole.
      const first = position.offset - publications.length + 1;
      expect(publications.map(({ offset }) => offset)).toEqual(publications.map((_, index) => first + index));
      for (const { offset, data } of publications) {
        const known = this.#positions.get(`${channel} ${position.epoch} ${offset}`);
        if (known !== undefined) expect(new TextDecoder().decode(data)).toBe(known);
      }
    });
  }

  check(): void {
    expect(this.#unanswered).toBe(0);
    expect(this.#feeding.size).toBe(0);
  }

  #tell(channel: string, publication: Publication, epoch: string | undefined): void {
    const { offset } = publication;
    this.#told.add(publication);
    expect(offset === undefined).toBe(epoch === undefined);
    if (offset === undefined) return;
    const name = `${channel} ${epoch}`;
    expect(offset).toBeGreaterThan(this.#lastTold.get(name) ?? 0);
    this.#lastTold.set(name, offset);
  }
}

function publish({ broker, clock }: Bench, channel: string, bytes: number): Promise<Published> {
  return settled<Published>(clock, (done) =>
    broker.streams.publish(channel, { data: new Uint8Array(bytes), format: "binary" }, kept, done),
  );
}

function history({ broker, clock }: Bench, channel: string): Promise<StreamPage> {
  const request = {
    limit: 100,
    maxBytes: 1_000_000,
    sinceOffset: undefined,
    isReverse: false,
    metaTtlMs: kept.metaTtlMs,
  };
  return settled<StreamPage>(clock, (done) => broker.streams.history(channel, request, done));
}

async function offsets(bench: Bench, channel: string): Promise<(number | undefined)[]> {
  return (await history(bench, channel)).publications.map(({ offset }) => offset);
}

async function settled<Result>(
  clock: FakeClock,
  call: (done: (error: PolywireError | undefined, result: Result | undefined) => void) => void,
): Promise<Result> {
  let answer: Result | undefined;
  call((error, result) => {
    if (error !== undefined) throw error;
    answer = result;
  });
  await clock.settle();
  return answer as Result;
}
