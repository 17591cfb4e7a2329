import { describe, expect, it } from "vitest";
import type { HubOptions, SubscribeResult } from "../src/index.ts";
import { MemoryBroker } from "../src/memory-broker.ts";
import { FakeClock } from "./fake-clock.ts";
import { FaultyBroker } from "./faulty-broker.ts";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

const encoder = new TextEncoder();
const history = { size: 1_000, ttlMs: 3_600_000 };
const channels = [
  { match: "news", kind: "broadcast" as const, history, recovery: true },
  { match: "plain:*", history },
  { match: "*", history, recovery: true },
];

class FaultyHub extends TestHub {
  readonly broker: FaultyBroker;

  constructor(options: HubOptions = {}) {
    const clock = new FakeClock();
    const broker = new FaultyBroker(new MemoryBroker({ clock }));
    super({ channels, pings: { intervalMs: 0 }, broker, ...options }, clock);
    this.broker = broker;
  }

  async lose(channel: string, ...data: readonly unknown[]): Promise<void> {
    this.broker.losing = () => true;
    await this.publish(channel, ...data);
    this.broker.losing = undefined;
  }
}

function resultOf(client: TestClient, channel: string): SubscribeResult {
  return client.answerTo(`subscribe ${channel}`).result as SubscribeResult;
}

describe("a lost publication", () => {
  it("ends a client's subscription with 2500 when the next one comes; it comes back and recovers", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("a");
    await test.publish("a", 1);
    await test.lose("a", 2, 3);
    await test.publish("a", 4);
    expect(client.take()).toMatchObject([
      { kind: "publication", offset: 1 },
      { kind: "unsubscribed", channel: "a", code: 2500 },
    ]);
    await test.publish("a", 5);
    expect(client.take()).toEqual([]);
    const { position } = await test.wait(test.hub.history("a"));
    client.subscribe("a", { recover: true, since: { offset: 1, epoch: position.epoch } });
    await test.settle();
    expect(resultOf(client, "a")).toMatchObject({
      isRecovered: true,
      publications: [{ offset: 2 }, { offset: 3 }, { offset: 4 }, { offset: 5 }],
    });
    expect(test.hub.stats().insufficientStates).toBe(1);
  });

  it("ends the session with 3010 when the server had subscribed it", async () => {
    await using test = new FaultyHub();
    const client = await test.client();
    await test.lose("news", 1);
    await test.publish("news", 2);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3010, discard: false }]);
  });

  it("is nothing to a subscription that keeps no position", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("plain:a");
    await test.lose("plain:a", 1);
    await test.publish("plain:a", 2);
    expect(client.take()).toMatchObject([{ kind: "publication", offset: 2 }]);
  });

  it("is noticed by the periodic check, within two minutes and without traffic", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("a");
    const bystander = await test.subscriber("b");
    await test.publish("b", 1);
    bystander.take();
    await test.lose("a", 1);
    await test.advance(120_000);
    expect(client.take()).toEqual([{ kind: "unsubscribed", channel: "a", code: 2500 }]);
    expect(bystander.take()).toEqual([]);
  });

  it("is noticed by the check for a server's subscription too: 3010", async () => {
    await using test = new FaultyHub();
    const client = await test.client();
    await test.lose("news", 1);
    await test.advance(120_000);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3010, discard: false }]);
  });

  it("is not seen where there is none: the check cuts nobody off in an hour of traffic", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("a");
    for (let minute = 0; minute < 60; minute++) {
      await test.publish("a", minute);
      await test.advance(60_000);
    }
    expect(client.published).toHaveLength(60);
    expect(client.transcript).toHaveLength(60);
  });

  it("is not what a publication is that comes a little later than the check reads the top", async () => {
    await using test = new FaultyHub({ channels: [{ match: "*", history, recovery: true }] });
    const client = await test.subscriber("a");
    await test.lose("a", 1);
    const { position } = await test.wait(test.hub.history("a"));
    test.broker.calls.length = 0;
    while (!test.broker.calls.includes("streams.history")) await test.advance(1_000);
    // The check has seen 1 at the top; we are told of it now.
    test.broker.forge("a", { data: encoder.encode("1"), format: "json", offset: 1 }, position.epoch);
    await test.advance(120_000);
    expect(client.take()).toMatchObject([{ kind: "publication", offset: 1 }]);
  });

  it("survives a check that fails", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("a");
    test.broker.failing.add("streams.history");
    await test.advance(120_000);
    expect(test.hub.stats().brokerFailures).toBeGreaterThan(0);
    test.broker.failing.clear();
    await test.lose("a", 1);
    await test.advance(120_000);
    expect(client.take()).toEqual([{ kind: "unsubscribed", channel: "a", code: 2500 }]);
  });
});

describe("a publication of another epoch", () => {
  it("ends the subscription with 2500", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("a");
    await test.publish("a", 1);
    test.broker.forge("a", { data: encoder.encode("2"), format: "json", offset: 2 }, "otherone");
    expect(client.take()).toMatchObject([{ offset: 1 }, { kind: "unsubscribed", code: 2500 }]);
  });
});

describe("a publication that comes again", () => {
  it("is dropped", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("a");
    await test.publish("a", 1, 2);
    const { position } = await test.wait(test.hub.history("a"));
    for (const offset of [1, 2]) {
      test.broker.forge("a", { data: encoder.encode("x"), format: "json", offset }, position.epoch);
    }
    await test.publish("a", 3);
    expect(client.published).toEqual([1, 2, 3]);
  });
});

describe("publications that come while a subscribe is under way", () => {
  it("are part of what is recovered", async () => {
    await using test = new FaultyHub();
    await test.subscriber("a");
    await test.publish("a", 1, 2);
    const { position } = await test.wait(test.hub.history("a"));
    const client = await test.client();
    test.broker.holding.add("streams.history");
    client.subscribe("a", { recover: true, since: { offset: 1, epoch: position.epoch } });
    await test.settle();
    await test.publish("a", 3, 4);
    expect(client.take()).toEqual([]);
    test.broker.release();
    expect(resultOf(client, "a").publications.map(({ offset }) => offset)).toEqual([2, 3, 4]);
    await test.publish("a", 5);
    expect(client.published).toEqual([5]);
  });

  it("follow the answer when nothing is to be recovered", async () => {
    await using test = new FaultyHub();
    await test.subscriber("a");
    await test.publish("a", 1);
    const client = await test.client();
    test.broker.holding.add("streams.history");
    client.subscribe("a");
    await test.settle();
    await test.publish("a", 2, 3);
    test.broker.release();
    expect(resultOf(client, "a")).toMatchObject({ position: { offset: 1 }, publications: [] });
    expect(client.take().map(({ kind }) => kind)).toEqual(["answer", "publication", "publication"]);
  });

  it("follow the connect's answer, in channels that the server subscribes", async () => {
    await using test = new FaultyHub();
    await test.client();
    await test.publish("news", 1);
    test.broker.holding.add("streams.history");
    const client = test.newClient().connect();
    await test.settle();
    await test.publish("news", 2, 3);
    expect(client.take()).toEqual([]);
    test.broker.release();
    expect(client.take()).toMatchObject([
      { to: "connect", error: undefined },
      { kind: "publication", channel: "news", offset: 2 },
      { kind: "publication", channel: "news", offset: 3 },
    ]);
  });

  it("are skipped when the client is told that it missed something anyway", async () => {
    await using test = new FaultyHub();
    await test.subscriber("a");
    await test.publish("a", 1);
    const client = await test.client();
    test.broker.holding.add("streams.history");
    client.subscribe("a", { recover: true, since: { offset: 1, epoch: "otherone" } });
    await test.settle();
    await test.publish("a", 2, 3);
    test.broker.release();
    expect(resultOf(client, "a")).toMatchObject({ isRecovered: false, position: { offset: 3 }, publications: [] });
    await test.publish("a", 4);
    expect(client.published).toEqual([4]);
  });

  it("end the session with 3010 when one between them and what was read is missing", async () => {
    await using test = new FaultyHub();
    await test.subscriber("a");
    await test.publish("a", 1);
    const { position } = await test.wait(test.hub.history("a"));
    const client = await test.client();
    test.broker.holding.add("streams.history");
    client.subscribe("a", { recover: true, since: { offset: 1, epoch: position.epoch } });
    await test.settle();
    await test.lose("a", 2);
    await test.publish("a", 3);
    test.broker.release();
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3010, discard: false }]);
  });

  it("are forgotten, and said to be missed, when there are more than 300", async () => {
    await using test = new FaultyHub();
    await test.subscriber("a");
    await test.publish("a", 1);
    const { position } = await test.wait(test.hub.history("a"));
    const recovering = await test.client();
    const fresh = await test.client();
    test.broker.holding.add("streams.history");
    recovering.subscribe("a", { recover: true, since: { offset: 1, epoch: position.epoch } });
    fresh.subscribe("a");
    await test.settle();
    await test.publish("a", ...Array.from({ length: 305 }, (_, index) => index));
    test.broker.release();
    expect(resultOf(recovering, "a")).toMatchObject({ isRecovered: false, position: { offset: 306 } });
    expect(resultOf(fresh, "a")).toMatchObject({ position: { offset: 301 } });
    recovering.take();
    await test.publish("a", "next");
    expect(recovering.published).toEqual([307]);
    expect(fresh.published).toEqual([302, 303, 304, 305, 306, 307]);
    expect(test.hub.stats().heldForgotten).toBe(600);
  });
});

describe("a broker that fails", () => {
  it.each(["streams.subscribe", "streams.history", "presence.put"] as const)(
    "at %s: the subscribe is answered 100 and leaves nothing behind, the next one works",
    async (call) => {
      await using test = new FaultyHub({ channels: [{ match: "*", history, recovery: true, presence: true }] });
      const client = await test.client();
      test.broker.failing.add(call);
      client.subscribe("a");
      await test.settle();
      expect(client.take()).toMatchObject([{ to: "subscribe a", error: 100 }]);
      expect(test.hub.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
      expect(test.hub.stats().brokerFailures).toBeGreaterThan(0);
      test.broker.failing.clear();
      client.subscribe("a");
      await test.settle();
      expect(client.take()).toMatchObject([{ to: "subscribe a", error: undefined }]);
      expect(await test.wait(test.hub.presence("a"))).toHaveLength(1);
    },
  );

  it("at anything else: the command is answered 100, temporary", async () => {
    await using test = new FaultyHub({
      channels: [{ match: "*", history, presence: true, publish: "clients", read: "clients" }],
    });
    const client = await test.client();
    for (const call of ["streams.publish", "streams.history", "presence.members", "presence.stats"] as const) {
      test.broker.failing.add(call);
    }
    client.publish("a", 1).history("a").presence("a").presenceStats("a");
    await test.settle();
    expect(client.take()).toMatchObject(
      ["publish a", "history a", "presence a", "stats a"].map((to) => ({ to, error: 100 })),
    );
    await expect(test.wait(test.hub.publish("a", 1))).rejects.toMatchObject({ code: "not-available" });
  });

  it("refuses the connect with 100 when it cannot subscribe the client to a broadcast", async () => {
    await using test = new FaultyHub();
    test.broker.failing.add("streams.subscribe");
    const client = test.newClient().connect();
    await test.settle();
    expect(client.take()).toMatchObject([{ to: "connect", error: 100 }]);
    expect(test.hub.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
  });

  it("does not keep this program's listeners from hearing of a channel later", async () => {
    await using test = new FaultyHub();
    test.broker.failing.add("streams.subscribe");
    const heard: number[] = [];
    test.hub.channel("a").subscribe(({ offset }) => heard.push(offset ?? 0));
    await test.settle();
    test.broker.failing.clear();
    await test.advance(6_000);
    await test.publish("a", 1);
    expect(heard).toEqual([1]);
  });
});

describe("a slow broker", () => {
  it("delays neither pings nor the end of a session", async () => {
    const clock = new FakeClock();
    const broker = new FaultyBroker(new MemoryBroker({ clock }));
    await using test = new TestHub({ channels: [{ match: "*", presence: true }], broker }, clock);
    const client = await test.subscriber("a");
    broker.holding.add("presence.put").add("presence.remove").add("streams.unsubscribe");
    let pings = 0;
    client.onTold = ({ kind }) => {
      if (kind !== "ping") return;
      pings++;
      client.session.pong();
    };
    await test.advance(100_000);
    expect(pings).toBeGreaterThanOrEqual(3);
    await test.wait(test.hub.disconnect({ client: client.id }));
    expect(client.disconnectCode).toBe(3503);
    expect(test.hub.stats()).toMatchObject({ sessions: 0, subscriptions: 0 });
    broker.release();
    await test.settle();
    expect(test.hub.stats().channels).toBe(0);
  });

  it("lets a channel be joined again while it is being left", async () => {
    await using test = new FaultyHub();
    const client = await test.subscriber("a");
    test.broker.holding.add("streams.unsubscribe");
    client.unsubscribe("a").subscribe("a");
    await test.settle();
    client.take();
    test.broker.release();
    await test.settle();
    expect(client.take()).toMatchObject([{ to: "subscribe a", error: undefined }]);
    await test.publish("a", 1);
    expect(client.published).toEqual([1]);
  });

  it("leaves nothing of a session that ended while its subscribe was under way", async () => {
    for (const call of ["streams.subscribe", "streams.history", "presence.put"] as const) {
      await using test = new FaultyHub({
        channels: [{ match: "*", history, recovery: true, presence: true, joinLeave: true }],
      });
      const client = await test.client();
      test.broker.holding.add(call);
      client.subscribe("a");
      await test.settle();
      client.session.closed();
      test.broker.release();
      await test.settle();
      expect(client.take()).toEqual([]);
      expect(test.hub.stats()).toMatchObject({ sessions: 0, subscriptions: 0, channels: 0, memberships: 0 });
      expect(await test.wait(test.hub.presence("a"))).toEqual([]);
    }
  });
});

describe("a channel with positioning and no history", () => {
  const positioned = [{ match: "*", positioning: true }];

  it("gives every subscriber a position, numbers its publications and keeps none", async () => {
    await using test = new TestHub({ channels: positioned });
    const client = (await test.client()).subscribe("a");
    await test.settle();
    expect(resultOf(client, "a")).toMatchObject({
      isPositioned: true,
      isRecoverable: false,
      position: { offset: 0, epoch: expect.stringMatching(/^[a-zA-Z]{8}$/) as string },
    });
    await test.publish("a", 1, 2);
    expect(client.published).toEqual([1, 2]);
    client.history("a");
    await test.settle();
    expect(client.answerTo("history a").error).toBe(108);
    await expect(test.wait(test.hub.history("a"))).rejects.toMatchObject({ code: "unsupported" });
    expect(test.hub.inspect()["broker"]).toMatchObject({ publications: 0, publicationBytes: 0, streams: 1 });
  });

  it("ends the subscription of who has missed something with 2500, and never says that it recovered", async () => {
    await using test = new FaultyHub({ channels: positioned });
    const client = (await test.client()).subscribe("a");
    await test.settle();
    const { position } = resultOf(client, "a");
    client.take();
    await test.lose("a", 1);
    await test.publish("a", 2);
    expect(client.take()).toMatchObject([{ kind: "unsubscribed", channel: "a", code: 2500 }]);
    client.subscribe("a", { recover: true, since: { offset: 0, epoch: position?.epoch ?? "" } });
    await test.settle();
    expect(resultOf(client, "a")).toMatchObject({ isRecovered: false, wasRecovering: true, position: { offset: 2 } });
  });

  it("notices a lost publication without a further one", async () => {
    await using test = new FaultyHub({ channels: positioned });
    const client = await test.subscriber("a");
    await test.lose("a", 1);
    await test.advance(90_000);
    expect(client.transcript).toMatchObject([{ kind: "unsubscribed", channel: "a", code: 2500 }]);
  });

  it("keeps the position of those who recover too, where there is a history", async () => {
    await using test = new FaultyHub({ channels: [{ match: "*", positioning: true, history }] });
    const client = (await test.client()).subscribe("a");
    await test.settle();
    expect(resultOf(client, "a")).toMatchObject({ isPositioned: true, isRecoverable: false });
  });
});
