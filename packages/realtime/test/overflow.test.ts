import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChannelRule, OverflowPolicy } from "../src/index.ts";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

/** Each publication of these tests. */
const BYTES = 100;

/** So much is in a link's queue before it says `wait`: four publications are told, the fifth is the one too many. */
const WAIT_ABOVE = 4 * BYTES;

/** A quarter of the queue is held back: three publications, with what they take besides their data. */
const OUTBOUND = 4 * 3 * (BYTES + 128);

function testHub(rule: Omit<ChannelRule, "match">): TestHub {
  return new TestHub({ channels: [{ match: "*", ...rule }], limits: { outboundBytesPerSession: OUTBOUND } });
}

async function behind(test: TestHub, channel = "a"): Promise<TestClient> {
  const client = await test.subscriber(channel, { waitAboveBytes: WAIT_ABOVE });
  client.isReading = false;
  return client;
}

/** A publication of {@link BYTES} that says a number. */
function numbered(number: number): string {
  return String(number).padEnd(BYTES - 2, "-");
}

async function publish(test: TestHub, from: number, to: number, key?: string): Promise<void> {
  for (let number = from; number <= to; number++) {
    const options = key === undefined ? {} : { tags: { symbol: key } };
    await test.wait(test.hub.publish("a", numbered(number), options));
  }
}

/** The numbers that the client was told since the last time. */
function told(client: TestClient): number[] {
  return client.take().flatMap((one) => (one.kind === "publication" ? [Number.parseInt(one.text.slice(1), 10)] : []));
}

describe("a subscriber that is behind", () => {
  it("is told the newest ones under drop-oldest, once it has caught up", async () => {
    await using test = testHub({ overflow: "drop-oldest" });
    const slow = await behind(test);
    const healthy = await test.subscriber("a");
    await publish(test, 1, 10);
    expect(told(slow)).toEqual([1, 2, 3, 4, 5]);
    expect(told(healthy)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    slow.read();
    expect(told(slow)).toEqual([8, 9, 10]);
    slow.isReading = true;
    await publish(test, 11, 11);
    expect(told(slow)).toEqual([11]);
    expect(test.hub.stats()).toMatchObject({ overflowDropOldest: 2, slowConsumers: 0, sessions: 2 });
  });

  it("is told what came before it fell behind under drop-newest, and nothing until it has caught up", async () => {
    await using test = testHub({ overflow: "drop-newest" });
    const slow = await behind(test);
    await publish(test, 1, 10);
    slow.read();
    expect(told(slow)).toEqual([1, 2, 3, 4, 5]);
    await publish(test, 11, 11);
    expect(told(slow)).toEqual([11]);
    expect(test.hub.stats()).toMatchObject({ overflowDropNewest: 5, slowConsumers: 0 });
  });

  it("is told the latest of each key under keep-latest", async () => {
    await using test = testHub({ overflow: "keep-latest", overflowKey: "symbol" });
    const slow = await behind(test);
    await publish(test, 1, 5, "x");
    await publish(test, 6, 7, "x");
    await publish(test, 8, 9, "y");
    await publish(test, 10, 10, "x");
    expect(told(slow)).toEqual([1, 2, 3, 4, 5]);
    slow.read();
    expect(told(slow)).toEqual([9, 10]);
    expect(test.hub.stats()).toMatchObject({ overflowKeepLatest: 3, slowConsumers: 0 });
  });

  it("is told the very latest under keep-latest without a key, also where publications have no tags", async () => {
    await using test = testHub({ overflow: "keep-latest" });
    const slow = await behind(test);
    await publish(test, 1, 100);
    slow.read();
    expect(told(slow)).toEqual([1, 2, 3, 4, 5, 100]);
  });

  it("and does not read at all keeps no more than its share", async () => {
    await using test = testHub({ overflow: "drop-oldest" });
    const slow = await behind(test);
    await publish(test, 1, 500);
    expect(test.hub.stats().largestBufferedBytes).toBeLessThanOrEqual(slow.bufferedBytes + OUTBOUND / 4);
    slow.session.closed();
    expect(test.hub.stats()).toMatchObject({ bufferedBytes: 0, sessions: 0 });
  });

  it("gets what is held in the order it was published, however often it falls behind again", async () => {
    await using test = testHub({ overflow: "drop-oldest" });
    const slow = await test.subscriber("a", { waitAboveBytes: 0 });
    slow.isReading = false;
    await publish(test, 1, 4);
    for (const number of [1, 2, 3, 4]) {
      expect(told(slow)).toEqual([number]);
      slow.read();
    }
  });

  it("is told nothing of a channel that it has left", async () => {
    await using test = testHub({ overflow: "drop-oldest" });
    const slow = await behind(test);
    await publish(test, 1, 7);
    slow.unsubscribe("a");
    await test.settle();
    slow.take();
    slow.read();
    expect(slow.take()).toEqual([]);
    expect(test.hub.stats().bufferedBytes).toBe(0);
  });

  it("is cut with 3008 when its link refuses, under disconnect alone", async () => {
    for (const overflow of ["disconnect", "drop-oldest", "drop-newest", "keep-latest"] as const) {
      await using test = testHub({ overflow });
      const slow = await test.subscriber("a", { capacityBytes: 0 });
      slow.isReading = false;
      const receipt = await test.wait(test.hub.publish("a", 1));
      expect([overflow, receipt.local]).toEqual([overflow, { matched: 1, queued: 0, dropped: 1 }]);
      expect(slow.disconnectCode).toBe(overflow === "disconnect" ? 3008 : undefined);
    }
  });

  it("is made patches only of what it was told", async () => {
    await using test = testHub({ overflow: "drop-newest", delta: "fossil" });
    const slow = await test.client({ waitAboveBytes: WAIT_ABOVE });
    slow.subscribe("a", { delta: "fossil" });
    await test.settle();
    slow.take();
    const forms: (number | undefined)[] = [];
    const event = slow.event.bind(slow);
    slow.event = (given, form) => {
      forms.push(form);
      return event(given, form);
    };
    slow.isReading = false;
    await publish(test, 1, 7);
    slow.read();
    await publish(test, 8, 9);
    // Whole, patch, patch, patch, patch; six and seven are dropped; eight is whole again.
    expect(forms).toEqual([2, 6, 6, 6, 6, 2, 6]);
  });

  it("has no position kept where something may be dropped, though it asks for one", async () => {
    await using test = testHub({ overflow: "drop-newest", history: { size: 10, ttlMs: 60_000 } });
    const slow = await test.client({ waitAboveBytes: WAIT_ABOVE });
    slow.subscribe("a", { positioned: true, recoverable: true });
    await test.settle();
    expect(slow.answerTo("subscribe a").result).toMatchObject({ isPositioned: false, isRecoverable: false });
    slow.isReading = false;
    await publish(test, 1, 7);
    slow.read();
    await publish(test, 8, 8);
    expect(slow.transcript.filter(({ kind }) => kind === "unsubscribed")).toEqual([]);
  });
});

const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant("publish" as const), key: fc.constantFrom("x", "y", "z") }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "read" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "stall" as const }) },
  ),
  { minLength: 20, maxLength: 80 },
);

describe.each<OverflowPolicy>(["drop-oldest", "drop-newest", "keep-latest"])("under %s", (overflow) => {
  it("a client is told a part of what is published, in order for each key, and every other publication is counted", async () => {
    let dropped = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (life) => {
        const isByKey = overflow === "keep-latest";
        await using test = testHub({ overflow, ...(isByKey ? { overflowKey: "symbol" } : {}) });
        const client = await test.subscriber("a", { waitAboveBytes: WAIT_ABOVE });
        client.isReading = false;
        const published: { readonly number: number; readonly key: string }[] = [];
        for (const step of life) {
          if (step.kind === "publish") {
            published.push({ number: published.length + 1, key: step.key });
            await publish(test, published.length, published.length, step.key);
          } else if (step.kind === "stall") {
            client.isReading = false;
          } else {
            client.isReading = true;
            client.read();
          }
          expect(test.hub.stats().bufferedBytes).toBeLessThanOrEqual(WAIT_ABOVE + BYTES + OUTBOUND / 4);
        }
        client.isReading = true;
        client.read();
        const heard = told(client);
        for (const key of isByKey ? ["x", "y", "z"] : ["x,y,z"]) {
          const own = published.filter((one) => key.includes(one.key)).map(({ number }) => number);
          const ownHeard = heard.filter((number) => own.includes(number));
          expect(ownHeard).toEqual([...ownHeard].sort((one, other) => one - other));
          // The newest one gets through in the end, unless it is the newest that are dropped.
          if (overflow !== "drop-newest") expect(ownHeard.at(-1)).toBe(own.at(-1));
        }
        const stats = test.hub.stats();
        const lost = stats.overflowDropOldest + stats.overflowDropNewest + stats.overflowKeepLatest;
        expect(heard.length + lost).toBe(published.length);
        expect(new Set(heard).size).toBe(heard.length);
        expect(stats.slowConsumers).toBe(0);
        dropped += lost;
      }),
      { numRuns: 200 },
    );
    expect(dropped).toBeGreaterThan(100);
  });
});
