import { describe, expect, it } from "vitest";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

const KIBIBYTE = 1_024;
const BUDGET = 64 * KIBIBYTE;
const WAIT_ABOVE = 4 * KIBIBYTE;

function testHub(): TestHub {
  return new TestHub({ limits: { outboundBytes: BUDGET, subscribersPerChannel: 1_000 } });
}

async function stalled(test: TestHub, channel: string): Promise<TestClient> {
  const client = await test.subscriber(channel, { waitAboveBytes: WAIT_ABOVE });
  client.isReading = false;
  return client;
}

/** Publishes so many KiB, one at a time. */
async function publish(test: TestHub, channel: string, kibibytes: number): Promise<void> {
  for (let count = 0; count < kibibytes; count++) await test.publish(channel, "x".repeat(KIBIBYTE - 2));
}

const codes = (clients: readonly TestClient[]): (number | undefined)[] => clients.map((one) => one.disconnectCode);

describe("the budget of everything that waits for clients", () => {
  it("cuts the largest queue first, with 3008, and no more than makes room", async () => {
    await using test = testHub();
    const small = await stalled(test, "small");
    const large = await stalled(test, "large");
    const fast = await test.subscriber("large");
    await publish(test, "small", 20);
    await publish(test, "large", 36);
    expect(codes([small, large, fast])).toEqual([undefined, undefined, undefined]);
    await publish(test, "large", 20);
    expect(codes([small, large, fast])).toEqual([undefined, 3008, undefined]);
    expect(test.hub.stats()).toMatchObject({ slowConsumers: 1, budgetCuts: 1, sessions: 2 });
    expect(fast.published).toHaveLength(56);
    expect(test.hub.stats().retainedBytes).toBeLessThan(BUDGET / 2);
  });

  it("counts what many wait for once", async () => {
    await using test = testHub();
    const clients = await Promise.all(Array.from({ length: 10 }, () => stalled(test, "news")));
    await publish(test, "news", 20);
    const { bufferedBytes, retainedBytes } = test.hub.stats();
    expect(bufferedBytes).toBe(10 * 20 * KIBIBYTE);
    // Each has a queue of its own, with a place for each publication in it.
    expect(retainedBytes).toBeLessThan(20 * 1.5 * KIBIBYTE + 10 * 20 * 72);
    expect(codes(clients).every((code) => code === undefined)).toBe(true);
  });

  it("counts the longest of the queues that wait for one channel, whenever each fell behind", async () => {
    await using test = testHub();
    await stalled(test, "news");
    await publish(test, "news", 10);
    await stalled(test, "news");
    await publish(test, "news", 10);
    const { bufferedBytes, retainedBytes } = test.hub.stats();
    expect(bufferedBytes).toBe(30 * KIBIBYTE);
    expect(retainedBytes).toBeGreaterThanOrEqual(20 * KIBIBYTE);
    expect(retainedBytes).toBeLessThan(27 * KIBIBYTE);
  });

  it("holds with a hundred clients that read nothing, each in a channel of its own", async () => {
    await using test = testHub();
    const fast = await test.subscriber("c0");
    const slow = await Promise.all(Array.from({ length: 100 }, (_, index) => stalled(test, `c${index}`)));
    let most = 0;
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < slow.length; index++) await publish(test, `c${index}`, 1);
      most = Math.max(most, test.hub.stats().bufferedBytes);
    }
    // Between two looks half of what was free may be said.
    expect(most).toBeLessThan(1.5 * BUDGET);
    expect(fast.published).toHaveLength(20);
    expect(fast.disconnectCode).toBe(undefined);
  });

  it("counts what is sent to one client alone, for each of them", async () => {
    await using test = testHub();
    const clients = await Promise.all(Array.from({ length: 20 }, () => stalled(test, "news")));
    for (let round = 0; round < 8; round++) {
      for (const client of clients) {
        await test.wait(test.hub.send({ client: client.id }, "x".repeat(KIBIBYTE - 2)));
      }
    }
    expect(test.hub.stats().bufferedBytes).toBeLessThan(1.5 * BUDGET);
    expect(test.hub.stats().budgetCuts).toBeGreaterThan(0);
  });

  it("counts what waits of channels that a client has left", async () => {
    await using test = testHub();
    for (let index = 0; index < 20; index++) {
      const client = await stalled(test, `c${index}`);
      await publish(test, `c${index}`, 8);
      client.unsubscribe(`c${index}`);
      await test.settle();
    }
    expect(test.hub.stats().bufferedBytes).toBeLessThan(1.5 * BUDGET);
    expect(test.hub.stats().budgetCuts).toBeGreaterThan(0);
  });

  it("lets be who caught up before the end of the turn, however much was said in it", async () => {
    await using test = testHub();
    const client = await test.subscriber("news", { waitAboveBytes: WAIT_ABOVE });
    client.isReading = false;
    const all = Array.from({ length: 200 }, () => test.hub.publish("news", "x".repeat(KIBIBYTE - 2)));
    client.onTold = () => {
      if (client.published.length === 200) client.read();
    };
    await test.wait(Promise.all(all));
    expect([client.published.length, client.disconnectCode]).toEqual([200, undefined]);
  });
});
