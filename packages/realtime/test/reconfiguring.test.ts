import { PolywireError } from "@polywire/core";
import { describe, expect, it } from "vitest";
import type { HubChanges, HubOptions } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const OPEN = { match: "*", publish: "clients" } as const;

describe("a hub that goes on with other options", () => {
  it("asks its new rules who may publish, in channels with subscribers too, and nobody has to subscribe anew", async () => {
    await using test = new TestHub({ channels: [{ match: "a" }] });
    const client = (await test.subscriber("a")).publish("a", 1);
    expect(client.answerTo("publish a").error).toBe(103);
    test.hub.reconfigure({ channels: [{ match: "a", publish: "clients" }] });
    client.take();
    client.publish("a", 2);
    await test.settle();
    expect(client.answerTo("publish a").error).toBe(undefined);
    expect(client.published).toEqual(["2"]);
  });

  it("ends subscriptions of channels that no rule covers any more, with 2502, and nobody gets in again", async () => {
    await using test = new TestHub();
    const client = await test.subscriber("a");
    test.hub.reconfigure({ channels: [{ match: "b" }] });
    expect(client.take()).toEqual([{ kind: "unsubscribed", channel: "a", code: 2502 }]);
    client.subscribe("a").subscribe("b");
    await test.settle();
    expect(client.answerTo("subscribe a").error).toBe(102);
    expect(client.answerTo("subscribe b").error).toBe(undefined);
    test.hub.reconfigure({ channels: [{ match: "*" }] });
    client.subscribe("a");
    await test.settle();
    expect(client.answerTo("subscribe a").error).toBe(undefined);
  });

  const history = { size: 10, ttlMs: 1_000 };
  it.each<[string, HubOptions["channels"], HubOptions["channels"]]>([
    ["private", [OPEN], [{ ...OPEN, kind: "private" }]],
    ["of bytes", [OPEN], [{ ...OPEN, data: "binary" }]],
    ["with a history", [OPEN], [{ ...OPEN, history }]],
    ["without a history", [{ ...OPEN, history }], [OPEN]],
    ["recoverable", [{ ...OPEN, history }], [{ ...OPEN, history, recovery: true }]],
    ["with presence", [OPEN], [{ ...OPEN, presence: true }]],
    ["with deltas", [OPEN], [{ ...OPEN, delta: "fossil" }]],
  ])("tells subscribers of a channel that is now %s to subscribe anew", async (_what, before = [], after = []) => {
    await using test = new TestHub({ channels: before });
    const client = await test.subscriber("a");
    test.hub.reconfigure({ channels: after });
    expect(client.take()).toEqual([{ kind: "unsubscribed", channel: "a", code: 2502 }]);
    expect(client.disconnectCode).toBe(undefined);
  });

  it("goes on for those who subscribe anew: what is published from then on has offsets", async () => {
    await using test = new TestHub({ channels: [OPEN] });
    const client = await test.subscriber("a");
    test.hub.reconfigure({ channels: [{ ...OPEN, history, recovery: true }] });
    client.take();
    client.subscribe("a");
    await test.settle();
    await test.publish("a", 1, 2);
    expect(client.published).toEqual([1, 2]);
  });

  it("ends a subscribe that was under way after its answer", async () => {
    await using test = new TestHub({ channels: [OPEN] });
    const client = (await test.client()).subscribe("a");
    test.hub.reconfigure({ channels: [{ ...OPEN, kind: "private" }] });
    await test.settle();
    expect(client.take()).toMatchObject([
      { kind: "answer", to: "subscribe a", error: undefined },
      { kind: "unsubscribed", code: 2502 },
    ]);
  });

  it("sends clients that the server subscribed through a new connect, for they cannot subscribe again by themselves", async () => {
    await using test = new TestHub({ channels: [{ match: "news", kind: "broadcast" }] });
    const client = await test.client();
    test.hub.reconfigure({ channels: [{ match: "news", kind: "broadcast", history }] });
    expect(client.disconnectCode).toBe(3011);
  });

  it("holds new limits for what comes from then on", async () => {
    await using test = new TestHub({ limits: { sessions: 1 } });
    const client = await test.client();
    test.hub.reconfigure({ limits: { sessions: 2, channelsPerSession: 1 } });
    const second = await test.client();
    client.subscribe("a").subscribe("b");
    await test.settle();
    expect(client.answerTo("subscribe b").error).toBe(106);
    expect(second.disconnectCode).toBe(undefined);
    test.hub.reconfigure({ limits: { sessions: 1 } });
    expect([client.disconnectCode, second.disconnectCode]).toEqual([undefined, undefined]);
    expect(test.newClient().disconnectCode).toBe(3013);
  });

  it("asks its new hooks", async () => {
    await using test = new TestHub({ authenticate: () => ({ user: "old" }) });
    test.hub.reconfigure({ authenticate: () => ({ user: "new" }), channels: [{ match: "*", presence: true }] });
    await test.subscriber("a");
    expect(await test.wait(test.hub.presence("a"))).toMatchObject([{ user: "new" }]);
  });

  it.each<[unknown, string]>([
    [{ channels: [{ match: "a" }, { match: "a" }] }, 'channels[1].match is "a": never reached'],
    [{ limits: { sessions: 0 } }, "limits.sessions"],
    [{ pings: { intervalMs: 1_000 } }, "pings"],
    [{ authorize: 1 }, "authorize"],
  ])("refuses %j and goes on as before", async (changes, message) => {
    await using test = new TestHub({ limits: { sessions: 1 } });
    const client = await test.subscriber("a");
    const attempt = (): void => test.hub.reconfigure(changes as HubChanges);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(PolywireError);
    await test.publish("a", 1);
    expect(client.published).toEqual(["1"]);
    expect(test.newClient().disconnectCode).toBe(3013);
  });
});
