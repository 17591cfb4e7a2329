import { describe, expect, it } from "vitest";
import type { ConnectRequest, ConnectResult, HubOptions, Pings, RecoverRequest } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const NOTHING: RecoverRequest = { recover: false, since: { offset: 0, epoch: "" } };

const options: HubOptions = {
  channels: [
    { match: "everyone", kind: "broadcast", presence: true },
    { match: "news*", history: { size: 10, ttlMs: 60_000 }, recovery: true },
    { match: "secret*", kind: "private" },
    { match: "plain*" },
  ],
  authenticate: ({ token = "" }) => ({ user: token, ...(token === "42" ? { channels: ["secret:server"] } : {}) }),
  authorize: () => ({ allowed: true }),
};

function wishing(...names: readonly string[]): ConnectRequest {
  return { subscriptions: new Map(names.map((name) => [name, NOTHING])) };
}

async function connected(test: TestHub, request: ConnectRequest): Promise<ConnectResult> {
  const client = test.newClient().connect(request);
  await test.settle();
  const { error, result } = client.answerTo("connect");
  expect(error).toBe(undefined);
  return result as ConnectResult;
}

const namesOf = ({ subscriptions }: ConnectResult): string[] => [...subscriptions.keys()];

describe("channels that a client wishes for when it connects", () => {
  it("are those that it could subscribe to by itself, without a token; the others are passed over", async () => {
    await using test = new TestHub(options);
    const wish = wishing(
      "plain",
      "secret",
      "secret#7,42",
      "news:1",
      "uncovered",
      "$system",
      "",
      "x".repeat(256),
      "plain",
    );
    expect(namesOf(await connected(test, { ...wish, token: "42" }))).toEqual([
      "everyone",
      "secret:server",
      "plain",
      "secret#7,42",
      "news:1",
    ]);
    expect(namesOf(await connected(test, { ...wish, token: "8" }))).toEqual(["everyone", "plain", "news:1"]);
    expect(namesOf(await connected(test, wish))).toEqual(["everyone", "plain", "news:1"]);
  });

  it("are subscribed by the server: the client is told at once, and cannot subscribe a second time", async () => {
    await using test = new TestHub(options);
    const client = test.newClient().connect(wishing("plain"));
    await test.settle();
    await test.publish("plain", 1);
    expect(client.published).toEqual(["1"]);
    client.subscribe("plain");
    expect(client.answerTo("subscribe plain").error).toBe(105);
  });

  it("count as recoveries only where the client asked for one, also where everyone is given the latest", async () => {
    const history = { size: 10, ttlMs: 60_000 };
    await using test = new TestHub({ channels: [{ match: "*", history, recovery: "cache" }] });
    await test.publish("price", 1);
    expect((await connected(test, wishing("price"))).subscriptions.get("price")).toMatchObject({ isRecovered: true });
    expect(test.hub.stats()).toMatchObject({ recovered: 0, unrecovered: 0 });
    const since = { offset: 0, epoch: "" };
    await connected(test, { subscriptions: new Map([["price", { recover: true, since }]]) });
    expect(test.hub.stats()).toMatchObject({ recovered: 1, unrecovered: 0 });
  });

  it("recover what was missed", async () => {
    await using test = new TestHub(options);
    await test.publish("news", 1, 2, 3);
    const { epoch } = (await test.wait(test.hub.history("news"))).position;
    const wish = { subscriptions: new Map([["news", { recover: true, since: { offset: 1, epoch } }]]) };
    const news = (await connected(test, wish)).subscriptions.get("news");
    expect([news?.isRecovered, news?.publications.map(({ offset }) => offset)]).toEqual([true, [2, 3]]);
  });

  it("are no more than a session may have, and none where there is no room; the connect goes on", async () => {
    await using test = new TestHub({ ...options, limits: { channelsPerSession: 3, subscribersPerChannel: 1 } });
    await test.subscriber("plain1");
    const result = await connected(test, wishing("plain1", "plain2", "plain3", "plain4"));
    expect(namesOf(result)).toEqual(["everyone", "plain2", "plain3"]);
  });
});

describe("a client that hears nothing", () => {
  it("is in no channel, not even those of everybody, and may publish", async () => {
    await using test = new TestHub({
      ...options,
      channels: [
        { match: "everyone", kind: "broadcast" },
        { match: "*", publish: "clients" },
      ],
    });
    const witness = await test.subscriber("plain");
    const client = test.newClient().connect({ ...wishing("plain"), token: "42", isDeaf: true });
    await test.settle();
    expect(namesOf(client.answerTo("connect").result as ConnectResult)).toEqual([]);
    client.publish("plain", 1);
    await test.settle();
    await test.publish("everyone", 2);
    expect([client.published, witness.published]).toEqual([[], ["1", "2"]]);
  });
});

describe("pings that a client has chosen", () => {
  const HOUR_MS = 3_600_000;

  async function pinged(pings: Pings): Promise<{ result: ConnectResult; told: number; code: number | undefined }> {
    await using test = new TestHub();
    const client = test.newClient().connect({ pings });
    const result = client.answerTo("connect").result as ConnectResult;
    await test.advance(HOUR_MS);
    return {
      result,
      told: client.transcript.filter(({ kind }) => kind === "ping").length,
      code: client.disconnectCode,
    };
  }

  it("unanswered: it is told of the interval and pinged, and nobody waits for its pong", async () => {
    const { result, told, code } = await pinged("unanswered");
    expect([result.pingIntervalMs, result.isPongExpected]).toEqual([25_000, false]);
    expect(told).toBeGreaterThanOrEqual(140);
    expect(told).toBeLessThanOrEqual(144);
    expect(code).toBe(undefined);
  });

  it("none: it is told of none, gets none, and stays", async () => {
    const { result, told, code } = await pinged("none");
    expect([result.pingIntervalMs, result.isPongExpected, told, code]).toEqual([0, false, 0, undefined]);
  });

  it("answered, as by default: a pong is waited for", async () => {
    const { result, code } = await pinged("answered");
    expect([result.pingIntervalMs, result.isPongExpected, code]).toEqual([25_000, true, 3012]);
  });

  it.each(["unanswered", "none"] as const)("%s: a pong is one that nobody asked for", async (pings) => {
    await using test = new TestHub();
    const client = test.newClient().connect({ pings });
    client.session.pong();
    expect(client.disconnectCode).toBe(3501);
  });
});
