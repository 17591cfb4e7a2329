import { describe, expect, it } from "vitest";
import type { ChannelEvent } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const history = { size: 1_000, ttlMs: 60_000 };

describe("delivery", () => {
  it("hands the very same event to every subscriber", async () => {
    await using test = new TestHub();
    const clients = await Promise.all(Array.from({ length: 5 }, () => test.subscriber("a")));
    await test.publish("a", 1);
    const events = new Set<ChannelEvent | undefined>(clients.map(({ events: [event] }) => event));
    expect(events.size).toBe(1);
  });

  it("tells the receipt what became of it here", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history }] });
    const nobody = await test.wait(test.hub.publish("a", 1));
    expect(nobody).toMatchObject({ position: { offset: 1 }, local: { matched: 0, queued: 0, dropped: 0 } });
    await test.subscriber("a");
    const slow = await test.subscriber("a", { capacityBytes: 0 });
    slow.isReading = false;
    const receipt = await test.wait(test.hub.publish("a", 2));
    expect(receipt).toMatchObject({ position: { offset: 2 }, local: { matched: 2, queued: 1, dropped: 1 } });
    await using plain = new TestHub();
    expect(await plain.wait(plain.hub.publish("a", 1))).toEqual({ local: { matched: 0, queued: 0, dropped: 0 } });
  });

  it("teaches the epoch with the first publication of a stream, and with no other", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history, recovery: true }] });
    const client = await test.subscriber("a");
    await test.publish("a", 1, 2);
    const { position } = await test.wait(test.hub.history("a"));
    expect(client.events.map((event) => event.kind === "publication" && event.epoch)).toEqual([
      position.epoch,
      undefined,
    ]);
  });

  it("cuts off a client that does not read with 3008, its queue dropped, while 1,000 others miss nothing", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", history, recovery: true }],
      limits: { subscribersPerChannel: 2_000 },
    });
    const others = await Promise.all(Array.from({ length: 1_000 }, () => test.subscriber("a")));
    const slow = await test.subscriber("a", { capacityBytes: 10_000 });
    slow.isReading = false;
    const data = "x".repeat(998);
    for (let count = 1; count <= 30; count++) await test.publish("a", data);
    expect(slow.published).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(slow.transcript.at(-1)).toEqual({ kind: "disconnect", code: 3008, discard: true });
    expect(slow.bufferedBytes).toBe(10_000);
    const all = Array.from({ length: 30 }, (_, index) => index + 1);
    for (const other of others) expect(other.published).toEqual(all);
    expect(test.hub.stats()).toMatchObject({
      sessions: 1_000,
      slowConsumers: 1,
      deliveriesQueued: 30 * 1_000 + 10,
      deliveriesDropped: 1,
    });
    // It comes back and finds what it missed.
    const { position } = await test.wait(test.hub.history("a"));
    const back = (await test.client()).subscribe("a", { recover: true, since: { offset: 10, epoch: position.epoch } });
    await test.settle();
    expect(back.answerTo("subscribe a").result).toMatchObject({ isRecovered: true, publications: { length: 20 } });
  });

  it("does not take a client that is leaving for a slow one", async () => {
    await using test = new TestHub();
    const client = await test.subscriber("a");
    client.isClosed = true;
    await test.publish("a", 1);
    expect(client.take()).toEqual([]);
    expect(test.hub.stats()).toMatchObject({ sessions: 0, subscriptions: 0, slowConsumers: 0, deliveriesDropped: 1 });
    client.session.closed();
    expect(test.hub.stats().sessionsEnded).toBe(1);
  });

  it("drops the queue of a client that its dialect finds too slow", async () => {
    await using test = new TestHub();
    const client = await test.client();
    client.session.disconnect({ code: 3008, reason: "slow" });
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3008, discard: true }]);
    expect(test.hub.stats().slowConsumers).toBe(1);
  });

  it("does not let one subscriber's fault become another's", async () => {
    await using test = new TestHub();
    const clients = await Promise.all(Array.from({ length: 5 }, () => test.subscriber("a")));
    for (const broken of [clients[0], clients[2], clients[4]]) {
      if (broken === undefined) continue;
      broken.event = () => {
        throw new Error("broken outlet");
      };
    }
    await test.publish("a", 1, 2);
    expect(clients[1]?.published).toEqual(["1", "2"]);
    expect(clients[3]?.published).toEqual(["1", "2"]);
    expect(clients[0]?.disconnectCode).toBe(3004);
    expect(test.hub.stats().sessions).toBe(2);
  });

  it("misses and repeats nobody when subscribers leave in the middle of it", async () => {
    await using test = new TestHub();
    const clients = await Promise.all(Array.from({ length: 8 }, () => test.subscriber("a")));
    // The third to be told takes away the first, itself and the last.
    const [first, , third] = clients;
    const last = clients.at(-1);
    if (first === undefined || third === undefined || last === undefined) throw new Error("no clients");
    third.onTold = ({ kind }) => {
      if (kind !== "publication") return;
      for (const client of [first, third, last]) client.session.closed();
    };
    await test.publish("a", 1);
    expect(clients.map(({ published }) => published.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 0]);
    await test.publish("a", 2);
    expect(clients.map(({ published }) => published.length)).toEqual([1, 2, 1, 2, 2, 2, 2, 0]);
    expect(test.hub.stats().subscriptions).toBe(5);
  });

  it("delivers nothing to a client that was ended between two publications of one turn", async () => {
    await using test = new TestHub();
    const client = await test.subscriber("a");
    const first = test.hub.publish("a", 1);
    const second = test.hub.publish("a", 2);
    client.onTold = ({ kind }) => {
      if (kind === "publication") client.session.disconnect({ code: 3503, reason: "enough" });
    };
    await test.wait(Promise.all([first, second]));
    expect(client.take()).toMatchObject([{ kind: "publication" }, { kind: "disconnect", code: 3503 }]);
  });
});

describe("joins and leaves", () => {
  const channels = [{ match: "*", presence: true, joinLeave: true }];

  it("come to the others, and to the one who joins after its answer", async () => {
    await using test = new TestHub({ channels });
    const first = await test.subscriber("a");
    first.take();
    const second = (await test.client()).subscribe("a");
    await test.settle();
    expect(second.take().map(({ kind }) => kind)).toEqual(["answer", "join"]);
    expect(first.take()).toEqual([{ kind: "join", channel: "a", client: second.id }]);
    second.unsubscribe("a");
    await test.settle();
    expect(second.take().map(({ kind }) => kind)).toEqual(["answer"]);
    expect(first.take()).toEqual([{ kind: "leave", channel: "a", client: second.id }]);
  });

  it("keep their order when a client is gone at once", async () => {
    await using test = new TestHub({ channels });
    const first = await test.subscriber("a");
    await test.settle();
    first.take();
    const second = await test.client();
    second.onTold = ({ kind }) => {
      if (kind === "answer") second.session.closed();
    };
    second.subscribe("a");
    await test.settle();
    // Gone before it could be announced: nobody hears of it.
    expect(first.take()).toEqual([]);
    const third = await test.client();
    third.subscribe("a").unsubscribe("a");
    await test.settle();
    expect(first.take()).toEqual([
      { kind: "join", channel: "a", client: third.id },
      { kind: "leave", channel: "a", client: third.id },
    ]);
  });

  it("stop when a channel has more than 100 members", async () => {
    await using test = new TestHub({ channels, limits: { joinLeaveMembers: 2 } });
    const clients = [await test.subscriber("a"), await test.subscriber("a"), await test.subscriber("a")];
    await test.settle();
    expect(clients[0]?.take().map(({ kind }) => kind)).toEqual(["join"]);
    clients[2]?.session.closed();
    await test.settle();
    expect(clients[0]?.take()).toEqual([]);
    // Whose join was told is seen leaving.
    clients[1]?.session.closed();
    await test.settle();
    expect(clients[0]?.take()).toMatchObject([{ kind: "leave" }]);
  });

  it("are not told where the rule does not say so", async () => {
    await using test = new TestHub();
    const first = await test.subscriber("a");
    const second = await test.subscriber("a");
    second.unsubscribe("a");
    await test.settle();
    expect(first.take()).toEqual([]);
    expect(test.hub.stats().memberships).toBe(0);
  });
});
