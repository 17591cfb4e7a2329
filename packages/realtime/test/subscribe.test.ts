import { describe, expect, it } from "vitest";
import type { Authorized, Denied, HubOptions } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const encoder = new TextEncoder();

describe("subscribing", () => {
  it("answers before the first publication of the channel", async () => {
    await using test = new TestHub();
    const client = (await test.client()).subscribe("a");
    await test.wait(test.hub.publish("a", 1));
    expect(client.take().map(({ kind }) => kind)[0]).toBe("answer");
    await test.publish("a", 2);
    expect(client.take()).toEqual([{ kind: "publication", channel: "a", offset: undefined, text: "2" }]);
  });

  it("twice answers 105 and changes nothing", async () => {
    await using test = new TestHub();
    const client = (await test.subscriber("a")).subscribe("a");
    expect(client.answerTo("subscribe a").error).toBe(105);
    client.take();
    await test.publish("a", 1);
    expect(client.published).toEqual(["1"]);
  });

  it("twice at once answers 105 to the second", async () => {
    await using test = new TestHub();
    const client = (await test.client()).subscribe("a").subscribe("a");
    expect(client.take()).toMatchObject([{ to: "subscribe a", error: 105 }]);
    await test.settle();
    expect(client.take()).toMatchObject([{ to: "subscribe a", error: undefined }]);
  });

  it("takes names of 255 bytes, not of 256 (107), however many characters those are", async () => {
    await using test = new TestHub();
    const client = await test.client();
    for (const name of ["a".repeat(255), "é".repeat(127), "€".repeat(85), "𝄞".repeat(63)]) {
      client.subscribe(name);
      await test.settle();
      expect(client.answerTo(`subscribe ${name}`).error).toBe(undefined);
    }
    for (const name of ["a".repeat(256), "é".repeat(128), "€".repeat(86), "𝄞".repeat(64)]) {
      client.subscribe(name).publish(name, 1).history(name);
      await test.settle();
      expect(client.answerTo(`subscribe ${name}`).error).toBe(107);
      expect(client.answerTo(`publish ${name}`).error).toBe(107);
      expect(client.answerTo(`history ${name}`).error).toBe(107);
    }
  });

  it("takes 128 channels, not 129 (106), and again one after leaving one", async () => {
    await using test = new TestHub();
    const client = await test.client();
    for (let count = 1; count <= 129; count++) client.subscribe(`c${count}`);
    await test.settle();
    expect(client.answerTo("subscribe c128").error).toBe(undefined);
    expect(client.answerTo("subscribe c129").error).toBe(106);
    client.unsubscribe("c7").subscribe("c129");
    await test.settle();
    expect(client.answerTo("subscribe c129").error).toBe(undefined);
  });

  it("answers 102 where no rule covers the channel, 3501 for an empty name", async () => {
    await using test = new TestHub({ channels: [{ match: "chat:*" }] });
    const client = (await test.client()).subscribe("other").publish("other", 1).history("other").presence("other");
    for (const command of ["subscribe", "publish", "history", "presence"]) {
      expect(client.answerTo(`${command} other`).error).toBe(102);
    }
    client.take();
    client.subscribe("");
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3501, discard: false }]);
  });

  it("answers 106 when a channel is full, broadcast channels never are", async () => {
    await using test = new TestHub({
      channels: [{ match: "all", kind: "broadcast" }, { match: "*" }],
      limits: { subscribersPerChannel: 2 },
    });
    const clients = [await test.subscriber("a"), await test.subscriber("a"), await test.client()];
    clients[2]?.subscribe("a");
    await test.settle();
    expect(clients[2]?.answerTo("subscribe a").error).toBe(106);
    clients[0]?.unsubscribe("a");
    clients[2]?.subscribe("a");
    await test.settle();
    expect(clients[2]?.answerTo("subscribe a").error).toBe(undefined);
    expect(test.hub.stats().subscriptions).toBe(2 + 3);
  });

  it("does not count this program's own listeners against the limit", async () => {
    await using test = new TestHub({ limits: { subscribersPerChannel: 1 } });
    test.hub.channel("a").subscribe(() => {});
    await test.subscriber("a");
    const second = (await test.client()).subscribe("a");
    await test.settle();
    expect(second.answerTo("subscribe a").error).toBe(106);
  });

  it("takes the limit of the channel's rule before that of the hub, but for broadcasts", async () => {
    await using test = new TestHub({
      channels: [{ match: "small", maxSubscribers: 1 }, { match: "large", maxSubscribers: 3 }, { match: "*" }],
      limits: { subscribersPerChannel: 2 },
    });
    for (const [channel, most] of [
      ["small", 1],
      ["large", 3],
      ["other", 2],
    ] as const) {
      for (let count = 0; count < most; count++) await test.subscriber(channel);
      const late = (await test.client()).subscribe(channel);
      await test.settle();
      expect([channel, late.answerTo(`subscribe ${channel}`).error]).toEqual([channel, 106]);
    }
  });

  it("counts those who are on their way in against the limit", async () => {
    await using test = new TestHub({ limits: { subscribersPerChannel: 2 } });
    const clients = [await test.client(), await test.client(), await test.client()];
    for (const client of clients) client.subscribe("a");
    await test.settle();
    expect(clients.map((client) => client.answerTo("subscribe a").error)).toEqual([undefined, undefined, 106]);
  });

  it("forgets channels that nobody is in any more", async () => {
    await using test = new TestHub();
    const client = await test.client();
    for (let count = 0; count < 100; count++) {
      client.subscribe(`c${count}`);
      await test.settle();
      client.unsubscribe(`c${count}`);
    }
    await test.settle();
    expect(test.hub.stats()).toMatchObject({ channels: 0, subscriptions: 0 });
    client.subscribe("a").subscribe("b");
    await test.settle();
    client.session.closed();
    await test.settle();
    expect(test.hub.stats()).toMatchObject({ channels: 0, subscriptions: 0, sessions: 0 });
  });
});

describe("private channels", () => {
  function hubWith(authorize: HubOptions["authorize"]): TestHub {
    return new TestHub({
      channels: [{ match: "*", kind: "private" }],
      authenticate: ({ token }) => ({ user: token ?? "" }),
      ...(authorize === undefined ? {} : { authorize }),
    });
  }

  it("are closed (103) to all but those whom the name lists, without an authoriser", async () => {
    await using test = hubWith(undefined);
    const named = test.newClient().connect({ token: "42" }).subscribe("dialog#42,43").subscribe("dialog#421");
    const anonymous = test.newClient().connect().subscribe("dialog#").subscribe("dialog#42,");
    await test.settle();
    expect(named.answerTo("subscribe dialog#42,43").error).toBe(undefined);
    expect(named.answerTo("subscribe dialog#421").error).toBe(103);
    expect(anonymous.answerTo("subscribe dialog#").error).toBe(103);
    expect(anonymous.answerTo("subscribe dialog#42,").error).toBe(103);
  });

  it("ask the authoriser, and pass on what it says", async () => {
    const asked: unknown[] = [];
    await using test = hubWith(async (request) => {
      asked.push(request);
      return { allowed: true, channelInfo: encoder.encode('"owner"'), data: encoder.encode('"hi"') };
    });
    const client = test.newClient().connect({ token: "42" }).subscribe("room", { token: "secret" });
    await test.settle();
    expect(asked).toEqual([{ action: "subscribe", channel: "room", client: client.id, user: "42", token: "secret" }]);
    expect(client.answerTo("subscribe room").result).toMatchObject({ data: encoder.encode('"hi"') });
  });

  it("answer what the authoriser answers, and 100 when it fails or takes too long", async () => {
    const denials: [
      () => Authorized | Denied | Promise<Authorized | Denied>,
      number | undefined,
      number | undefined,
    ][] = [
      [() => ({ error: { code: 403, message: "not you", isTemporary: false } }), 403, undefined],
      [() => ({ disconnect: { code: 4500, reason: "go away" } }), undefined, 4500],
      [() => Promise.reject(new Error("broken")), 100, undefined],
      [() => ({ allowed: "yes" }) as never, 100, undefined],
      [() => ({ allowed: true, channelInfo: encoder.encode("{") }), 100, undefined],
      [() => new Promise(() => {}), 100, undefined],
    ];
    for (const [authorize, error, disconnect] of denials) {
      await using test = hubWith(authorize);
      const client = (await test.client()).subscribe("room");
      await test.settle();
      await test.advance(5_100);
      if (error !== undefined) expect(client.answerTo("subscribe room").error).toBe(error);
      expect(client.disconnectCode).toBe(disconnect);
      expect(test.hub.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
    }
  });

  it("stay closed when the client has gone while the authoriser was deciding", async () => {
    let allow = (): void => {};
    await using test = hubWith(() => new Promise((resolve) => (allow = () => resolve({ allowed: true }))));
    const client = (await test.client()).subscribe("room");
    client.session.closed();
    allow();
    await test.settle();
    expect(client.take()).toEqual([]);
    expect(test.hub.stats()).toMatchObject({ subscriptions: 0, channels: 0, sessions: 0 });
  });
});

describe("unsubscribing", () => {
  it("never fails, subscribed or not", async () => {
    await using test = new TestHub({ channels: [{ match: "a" }] });
    const client = (await test.subscriber("a")).unsubscribe("a").unsubscribe("a").unsubscribe("nothing such");
    expect(client.take()).toMatchObject([
      { to: "unsubscribe a", error: undefined },
      { to: "unsubscribe a", error: undefined },
      { to: "unsubscribe nothing such", error: undefined },
    ]);
  });

  it("is followed by nothing of the channel", async () => {
    await using test = new TestHub();
    const client = await test.subscriber("a");
    const published = test.hub.publish("a", 1);
    client.unsubscribe("a");
    await test.wait(published);
    await test.publish("a", 2);
    expect(client.take()).toMatchObject([{ to: "unsubscribe a" }]);
  });

  it("waits for a subscribe that is under way, and later commands wait with it", async () => {
    await using test = new TestHub();
    const client = (await test.client()).subscribe("a").unsubscribe("a").subscribe("a").unsubscribe("a").subscribe("a");
    expect(client.take()).toEqual([]);
    await test.settle();
    expect(client.take()).toMatchObject([
      { to: "subscribe a", error: undefined },
      { to: "unsubscribe a", error: undefined },
      { to: "subscribe a", error: undefined },
      { to: "unsubscribe a", error: undefined },
      { to: "subscribe a", error: undefined },
    ]);
    await test.publish("a", 1);
    expect(client.published).toEqual(["1"]);
    await test.advance(6_000);
    expect(client.disconnectCode).toBe(undefined);
  });

  it("ends the session with 3004 when the subscribe takes longer than 5 s", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", kind: "private" }],
      authorize: () => new Promise(() => {}),
      limits: { hookTimeoutMs: 60_000 },
    });
    const client = (await test.client()).subscribe("a").unsubscribe("a");
    await test.advance(4_999);
    expect(client.take()).toEqual([]);
    await test.advance(1);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3004, discard: false }]);
    expect(test.clock.pending).toBeLessThanOrEqual(2);
  });

  it("does not collect commands without end", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", kind: "private" }],
      authorize: () => new Promise(() => {}),
    });
    const client = (await test.client()).subscribe("a");
    for (let count = 0; count < 257; count++) client.unsubscribe("a");
    expect(client.disconnectCode).toBe(3013);
  });
});
