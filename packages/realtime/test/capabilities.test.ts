import { describe, expect, it } from "vitest";
import type { Authenticated, AuthorizeRequest, Capability, ChannelRule, SubscribeResult } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const HISTORY = { size: 10, ttlMs: 60_000 };

const CHANNELS: readonly ChannelRule[] = [
  { match: "private*", kind: "private", presence: true, history: HISTORY },
  { match: "all", kind: "broadcast" },
  { match: "*", presence: true, history: HISTORY },
];

const encoder = new TextEncoder();

function hubWith(...capabilities: readonly Capability[]): TestHub {
  return new TestHub({ channels: CHANNELS, authenticate: () => ({ user: "42", capabilities }) });
}

/** What the client is answered for each of the four actions. */
async function answers(test: TestHub, channel: string): Promise<readonly (number | undefined)[]> {
  const client = await test.client();
  client.publish(channel, 1).history(channel).presence(channel);
  await test.settle();
  client.subscribe(channel);
  await test.settle();
  return ["subscribe", "publish", "history", "presence"].map((name) => client.answerTo(`${name} ${channel}`).error);
}

describe("capabilities", () => {
  it("let a client do what its channels' rules keep from others, and nothing else", async () => {
    await using none = hubWith();
    expect(await answers(none, "private:a")).toEqual([103, 103, 103, 103]);
    expect(await answers(none, "news")).toEqual([undefined, 103, 103, 103]);
    const yes = undefined;
    await using single = hubWith(
      { channels: ["private:a"], allow: ["subscribe"] },
      { channels: ["private:b"], allow: ["publish"] },
      { channels: ["private:c"], allow: ["history"] },
      { channels: ["private:d"], allow: ["presence"] },
      { channels: ["private:e*"], allow: ["subscribe", "publish", "history", "presence"] },
    );
    expect(await answers(single, "private:a")).toEqual([yes, 103, 103, 103]);
    expect(await answers(single, "private:b")).toEqual([103, yes, 103, 103]);
    expect(await answers(single, "private:c")).toEqual([103, 103, yes, 103]);
    expect(await answers(single, "private:d")).toEqual([103, 103, 103, yes]);
    expect(await answers(single, "private:e:1")).toEqual([yes, yes, yes, yes]);
    expect(await answers(single, "private:f")).toEqual([103, 103, 103, 103]);
    expect(await answers(single, "private:a2")).toEqual([103, 103, 103, 103]);
  });

  it("never let a client publish to a broadcast", async () => {
    await using test = hubWith({ channels: ["*"], allow: ["publish"] });
    const client = await test.client();
    client.publish("all", 1);
    expect(client.answerTo("publish all").error).toBe(103);
  });

  it("let a client name private channels in its connect", async () => {
    await using test = hubWith({ channels: ["private:a"], allow: ["subscribe"] });
    const from = { recover: false, since: { offset: 0, epoch: "" } };
    const client = test.newClient().connect({
      subscriptions: new Map([
        ["private:a", from],
        ["private:b", from],
      ]),
    });
    await test.settle();
    const { subscriptions } = client.answerTo("connect").result as { subscriptions: Map<string, unknown> };
    expect([...subscriptions.keys()]).toEqual(["all", "private:a"]);
  });

  it("that a refresh takes away end what they had opened, for good", async () => {
    const capabilities = [{ channels: ["private:a", "private:b"], allow: ["subscribe"] }] as const;
    const fewer = [{ channels: ["private:b"], allow: ["subscribe"] }] as const;
    await using test = new TestHub({
      channels: CHANNELS,
      authenticate: ({ action }) => ({
        user: "42",
        ttlMs: 60_000,
        capabilities: action === "connect" ? capabilities : fewer,
      }),
      authorize: ({ token }) =>
        token === "t" ? { allowed: true } : { error: { code: 103, message: "", isTemporary: false } },
    });
    const client = await test.client();
    client.subscribe("private:a").subscribe("private:b").subscribe("private:c", { token: "t" }).subscribe("private#42");
    await test.settle();
    client.take();
    client.refresh("t");
    expect(client.take()).toMatchObject([
      { kind: "answer", to: "refresh", error: undefined },
      { kind: "unsubscribed", channel: "private:a", code: 2000 },
    ]);
  });

  it("that a refresh takes away end what is under way as well, and what the client wished for at connect", async () => {
    const capabilities = [{ channels: ["private:*"], allow: ["subscribe"] }] as const;
    await using test = new TestHub({
      channels: CHANNELS,
      authenticate: ({ action }) => ({ user: "42", ttlMs: 60_000, ...(action === "connect" ? { capabilities } : {}) }),
    });
    const wish = { recover: false, since: { offset: 0, epoch: "" } };
    const client = test.newClient().connect({ subscriptions: new Map([["private:wished", wish]]) });
    await test.settle();
    client.take();
    client.subscribe("private:a").refresh("t");
    await test.settle();
    expect(client.take()).toMatchObject([
      { kind: "answer", to: "refresh", error: undefined },
      { kind: "unsubscribed", channel: "private:wished", code: 2000 },
      { kind: "answer", to: "subscribe private:a", error: undefined },
      { kind: "unsubscribed", channel: "private:a", code: 2000 },
    ]);
  });

  it("that are nonsense are an error of the program", async () => {
    const nonsense: unknown[] = [
      { capabilities: "all" },
      { capabilities: [{ channels: "a", allow: [] }] },
      { capabilities: [{ channels: [1], allow: [] }] },
      { capabilities: [{ channels: [], allow: ["sub"] }] },
      { capabilities: [undefined] },
      { ttlMs: "60" },
      { ttlMs: Number.NaN },
      { subscriptions: { news: {} } },
      { subscriptions: new Map([["news", undefined]]) },
      { subscriptions: new Map([["news", { ttlMs: "1" }]]) },
      { subscriptions: new Map([["news", { channelInfo: encoder.encode("no json") }]]) },
    ];
    for (const more of nonsense) {
      await using test = new TestHub({ authenticate: () => ({ user: "42", ...(more as Partial<Authenticated>) }) });
      const client = test.newClient().connect();
      expect([more, client.answerTo("connect").error]).toEqual([more, 100]);
    }
  });
});

describe("who may enter a private channel", () => {
  it("is asked for when the client brings a token, whatever the channel's kind; else only when nothing else opens it", async () => {
    const asked: AuthorizeRequest[] = [];
    await using test = new TestHub({
      channels: CHANNELS,
      authenticate: () => ({ user: "42", meta: { role: "guest" } }),
      authorize: (request) => {
        asked.push(request);
        return { allowed: true, channelInfo: encoder.encode('{"seat":1}') };
      },
    });
    const client = await test.client();
    client.subscribe("news").subscribe("private#42,43").subscribe("private:a").subscribe("other", { token: "t" });
    await test.settle();
    expect(asked).toEqual([
      { action: "subscribe", channel: "private:a", client: client.id, user: "42", meta: { role: "guest" } },
      { action: "subscribe", channel: "other", client: client.id, user: "42", token: "t", meta: { role: "guest" } },
    ]);
    const [member] = await test.wait(test.hub.presence("private:a"));
    expect(member).toMatchObject({ channelInfo: encoder.encode('{"seat":1}') });
  });

  it("is nobody when no program is there to be asked, and a token changes nothing", async () => {
    await using test = new TestHub({ channels: CHANNELS, authenticate: () => ({ user: "42" }) });
    const client = await test.client();
    client.subscribe("private:a", { token: "t" }).subscribe("private#43").subscribe("private#42").subscribe("news");
    await test.settle();
    const errors = ["private:a", "private#43", "private#42", "news"].map(
      (name) => client.answerTo(`subscribe ${name}`).error,
    );
    expect(errors).toEqual([103, 103, undefined, undefined]);
  });

  it("has 5 s to be decided, and an error of the program is no yes", async () => {
    const hooks = [
      () => new Promise<never>(() => {}),
      () => Promise.reject(new Error("broken")),
      () => ({ allowed: "yes" }) as never,
      () => ({ allowed: true, ttlMs: "1" }) as never,
    ];
    for (const authorize of hooks) {
      await using test = new TestHub({ channels: CHANNELS, authorize });
      const client = await test.client();
      client.subscribe("private:a");
      await test.advance(5_001);
      expect(client.answerTo("subscribe private:a").error).toBe(100);
      expect(await test.wait(test.hub.presence("private:a"))).toEqual([]);
    }
  });
});

describe("what a program says of a subscription", () => {
  it("goes over its channel's rule", async () => {
    const features = { recovery: true, presence: false, joinLeave: false, hearsJoinLeave: false };
    await using test = new TestHub({
      channels: [{ match: "*", presence: true, joinLeave: true, history: HISTORY }],
      authenticate: ({ token }) =>
        token === undefined
          ? { user: "42" }
          : {
              user: "43",
              subscriptions: new Map([
                ["room", { features, channelInfo: encoder.encode("1"), data: encoder.encode("2") }],
              ]),
            },
    });
    const witness = await test.subscriber("room");
    await test.settle();
    witness.take();
    const ghost = test.newClient().connect({ token: "ghost" });
    await test.settle();
    const { subscriptions } = ghost.answerTo("connect").result as { subscriptions: Map<string, SubscribeResult> };
    expect(subscriptions.get("room")).toMatchObject({ isRecoverable: true, data: encoder.encode("2") });
    expect(await test.wait(test.hub.presence("room"))).toHaveLength(1);
    const third = await test.subscriber("room");
    third.take();
    ghost.take();
    ghost.session.closed();
    await test.settle();
    const told = [...witness.take(), ...ghost.take(), ...third.take()];
    expect(told).toMatchObject([{ kind: "join", client: third.id }]);
  });

  it("may take recovery and positions away", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", history: HISTORY, recovery: true }],
      authorize: () => ({ allowed: true, features: { recovery: false, positioning: false } }),
    });
    const client = await test.client();
    client.subscribe("news", { token: "t", recoverable: true, positioned: true });
    await test.settle();
    expect(client.answerTo("subscribe news").result).toMatchObject({ isRecoverable: false, isPositioned: false });
  });

  it("is told to procedures and receivers, too", async () => {
    const told: unknown[] = [];
    await using test = new TestHub({
      authenticate: () => ({ user: "42", meta: { tenant: 7 } }),
      procedures: { who: ({ meta }) => encoder.encode(JSON.stringify(meta)) },
      receive: ({ meta }) => void told.push(meta),
    });
    const client = await test.client();
    client.call("who");
    client.session.send(encoder.encode("1"), "json");
    await test.settle();
    expect(client.answerTo("call who").result).toEqual(encoder.encode('{"tenant":7}'));
    expect(told).toEqual([{ tenant: 7 }]);
  });
});
