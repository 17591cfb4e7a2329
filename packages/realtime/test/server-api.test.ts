import type { Publication } from "@polywire/core";
import { describe, expect, it } from "vitest";
import { ERRORS, MemoryBroker } from "../src/index.ts";
import { FakeClock } from "./fake-clock.ts";
import { FaultyBroker } from "./faulty-broker.ts";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

const encoder = new TextEncoder();
const history = { size: 100, ttlMs: 60_000 };

function hubOfUsers(channels: ConstructorParameters<typeof TestHub>[0] = {}): TestHub {
  return new TestHub({ authenticate: ({ token }) => ({ user: token ?? "" }), ...channels });
}

async function user(test: TestHub, name: string): Promise<TestClient> {
  const client = test.newClient().connect({ token: name });
  await test.settle();
  client.take();
  return client;
}

describe("what a program publishes", () => {
  it("may be anything with a JSON form, or bytes that are JSON", async () => {
    await using test = new TestHub();
    const client = await test.subscriber("a");
    await test.publish("a", { b: [1, null] }, "text", 0, encoder.encode('{"raw": 1.10}'));
    expect(client.published).toEqual(['{"b":[1,null]}', '"text"', "0", '{"raw": 1.10}']);
  });

  it("may be text or bytes, as the channel has it", async () => {
    await using test = new TestHub({ channels: [{ match: "json" }, { match: "*", data: "binary" }] });
    const client = (await test.subscriber("binary")).subscribe("json");
    await test.publish("binary", new Uint8Array([255]), "text", { json: 1 });
    await test.wait(test.hub.publish("json", "text", { format: "text", tags: { a: "b" } }));
    const told = client.events.map((event) => event.kind === "publication" && event.publication);
    expect(told).toMatchObject([
      { format: "binary", data: new Uint8Array([255]) },
      { format: "text", data: encoder.encode("text") },
      { format: "json", data: encoder.encode('{"json":1}') },
      { format: "text", data: encoder.encode("text"), tags: new Map([["a", "b"]]) },
    ]);
  });

  it("is copied: the caller may use its array again", async () => {
    await using test = new TestHub();
    const client = await test.subscriber("a");
    const data = encoder.encode("[1]");
    const published = test.hub.publish("a", data);
    data.fill(0);
    await test.wait(published);
    expect(client.published).toEqual(["[1]"]);
  });

  it("is refused with an error that says why", async () => {
    await using test = new TestHub({ channels: [{ match: "a" }], limits: { publicationBytes: 100 } });
    const refused = async (channel: string, data: unknown, options = {}): Promise<unknown> => {
      try {
        await test.wait(test.hub.publish(channel, data, options));
        return undefined;
      } catch (error) {
        return [(error as { code: string }).code, (error as Error).message];
      }
    };
    const circular: unknown[] = [];
    circular.push(circular);
    expect(await refused("b", 1)).toEqual([
      "invalid-argument",
      expect.stringContaining('no rule covers the channel "b"'),
    ]);
    expect(await refused("", 1)).toEqual(["invalid-argument", expect.stringContaining("is no channel")]);
    expect(await refused("a", undefined)).toEqual(["invalid-argument", expect.stringContaining("undefined")]);
    expect(await refused("a", circular)).toEqual(["invalid-argument", expect.stringContaining("no JSON form")]);
    expect(await refused("a", 1n)).toEqual(["invalid-argument", expect.stringContaining("no JSON form")]);
    expect(await refused("a", encoder.encode("{"))).toEqual([
      "invalid-argument",
      expect.stringContaining("not JSON text"),
    ]);
    expect(await refused("a", "x".repeat(99))).toEqual([
      "too-large",
      expect.stringContaining("101 bytes, the limit is 100"),
    ]);
    expect(await refused("a", new Uint8Array(1), { format: "binary" })).toEqual([
      "invalid-argument",
      expect.stringContaining("takes JSON"),
    ]);
    expect(await refused("a", new Uint8Array([255]), { format: "text" })).toEqual([
      "invalid-argument",
      expect.stringContaining("not UTF-8"),
    ]);
    expect(await refused("a", "\u0001".repeat(20), { format: "text" })).toEqual([
      "invalid-argument",
      expect.stringContaining("too large as a JSON string"),
    ]);
    expect(await refused("a", 1, { format: "text" })).toEqual([
      "invalid-argument",
      expect.stringContaining("a string"),
    ]);
    expect(await refused("a", 1, { tags: { a: 1 } })).toEqual(["invalid-argument", expect.stringContaining('tag "a"')]);
    expect(await refused("a", 1, { tags: { a: "x".repeat(4_096) } })).toEqual([
      "too-large",
      expect.stringContaining("tags"),
    ]);
  });

  it("is told once for one idempotency key, and not kept with skipHistory", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history }] });
    const client = await test.subscriber("a");
    const first = await test.wait(test.hub.publish("a", 1, { idempotencyKey: "k" }));
    const second = await test.wait(test.hub.publish("a", 2, { idempotencyKey: "k" }));
    expect(second.position).toEqual(first.position);
    expect(await test.wait(test.hub.publish("a", 3, { skipHistory: true }))).toEqual({
      local: { matched: 1, queued: 1, dropped: 0 },
    });
    expect(client.published).toEqual([1, "3"]);
  });

  it("is told in a version above the last one only, of the same epoch", async () => {
    await using test = new TestHub({ channels: [{ match: "bare" }, { match: "*", history }] });
    const client = await test.subscriber("a");
    const publish = async (data: number, number: number, epoch?: string): Promise<number | undefined> => {
      const version = epoch === undefined ? number : { number, epoch };
      return (await test.wait(test.hub.publish("a", data, { version }))).position?.offset;
    };
    expect([await publish(1, 5), await publish(2, 5), await publish(3, 4), await publish(4, 6)]).toEqual([1, 1, 1, 2]);
    expect([await publish(5, 1, "second"), await publish(6, 1), await publish(7, 2)]).toEqual([3, 3, 4]);
    expect(client.events.map((event) => event.kind === "publication" && event.publication.data)).toEqual(
      ["1", "4", "5", "7"].map((text) => encoder.encode(text)),
    );
    await test.publish("a", 8);
    expect(await publish(9, 2)).toBe(5);
    await expect(test.hub.publish("bare", 1, { version: 1 })).rejects.toThrow(/"bare" has not/);
    await expect(test.hub.publish("a", 1, { version: 1, skipHistory: true })).rejects.toThrow(/"a" is to skip/);
    await expect(test.hub.publish("a", 1, { version: 0 })).rejects.toThrow(/version is 0: give a positive integer/);
    await expect(test.hub.publish("a", 1, { version: { number: 1, epoch: "e".repeat(257) } })).rejects.toThrow(
      /version\.epoch/,
    );
  });

  it("may have a key of 256 characters, and none that is empty", async () => {
    await using test = new TestHub();
    await test.wait(test.hub.publish("a", 1, { idempotencyKey: "k".repeat(256) }));
    for (const idempotencyKey of ["", "k".repeat(257)]) {
      await expect(test.hub.publish("a", 1, { idempotencyKey })).rejects.toThrow(/idempotencyKey/);
    }
  });
});

describe("orders to sessions", () => {
  it("subscribe all sessions of a user", async () => {
    await using test = hubOfUsers({ channels: [{ match: "*", history, recovery: true }] });
    const [one, other, stranger] = [await user(test, "42"), await user(test, "42"), await user(test, "43")];
    await test.publish("a", 1);
    await test.wait(test.hub.subscribe("42", "a", { data: encoder.encode('{"why":"api"}') }));
    for (const client of [one, other]) {
      expect(client.take()).toMatchObject([
        {
          kind: "subscribed",
          channel: "a",
          result: { isRecoverable: true, position: { offset: 1 }, data: encoder.encode('{"why":"api"}') },
        },
      ]);
    }
    await test.publish("a", 2);
    expect([one.published, other.published, stranger.published]).toEqual([[2], [2], []]);
    one.subscribe("a");
    expect(one.answerTo("subscribe a").error).toBe(105);
  });

  it("recover what came since a position, after the push", async () => {
    await using test = hubOfUsers({ channels: [{ match: "*", history, recovery: true }] });
    const client = await user(test, "42");
    await test.publish("a", 1, 2, 3);
    const { position } = await test.wait(test.hub.history("a"));
    await test.wait(test.hub.subscribe({ client: client.id }, "a", { since: { offset: 1, epoch: position.epoch } }));
    expect(client.take()).toMatchObject([
      { kind: "subscribed", result: { isRecovered: true, position: { offset: 1 } } },
      { kind: "publication", offset: 2 },
      { kind: "publication", offset: 3 },
    ]);
  });

  it("leave alone who is in the channel already, and who has no room", async () => {
    await using test = hubOfUsers({ limits: { channelsPerSession: 2 } });
    const client = await user(test, "42");
    client.subscribe("a");
    await test.settle();
    client.take();
    await test.wait(test.hub.subscribe("42", "a"));
    expect(client.take()).toEqual([]);
    await test.wait(test.hub.subscribe("42", "b"));
    await test.wait(test.hub.subscribe("42", "c"));
    expect(client.take()).toMatchObject([{ kind: "subscribed", channel: "b" }]);
  });

  it("subscribe with what others are told of the client there, and with a position also where the rule keeps none", async () => {
    await using test = hubOfUsers({ channels: [{ match: "bare" }, { match: "*", history, presence: true }] });
    const client = await user(test, "42");
    const channelInfo = encoder.encode('{"role":"admin"}');
    await test.wait(test.hub.subscribe("42", "a", { channelInfo, recoverable: true }));
    await test.wait(test.hub.subscribe("42", "b", { positioned: true }));
    await test.wait(test.hub.subscribe("42", "c"));
    expect(client.take()).toMatchObject([
      { channel: "a", result: { isRecoverable: true, isPositioned: true, position: { offset: 0 } } },
      { channel: "b", result: { isRecoverable: false, isPositioned: true } },
      { channel: "c", result: { isRecoverable: false, isPositioned: false } },
    ]);
    expect(await test.wait(test.hub.presence("a"))).toEqual([{ client: client.id, user: "42", channelInfo }]);
    await expect(test.hub.subscribe("42", "bare", { recoverable: true })).rejects.toMatchObject({
      code: "unsupported",
    });
    const refused = test.hub.subscribe("42", "a", { channelInfo: encoder.encode("{") });
    await expect(refused).rejects.toThrow(/channelInfo: give JSON text of 2048 bytes at most/);
  });

  it("subscribe for a time: its end is that of the session, with 3006", async () => {
    await using test = hubOfUsers({ pings: { intervalMs: 0 } });
    const [one, other] = [await user(test, "42"), await user(test, "43")];
    await test.wait(test.hub.subscribe("42", "a", { ttlMs: 60_000 }));
    await test.wait(test.hub.subscribe("43", "a", { ttlMs: 60_000 }));
    await test.wait(test.hub.unsubscribe("43", "a"));
    await test.advance(59_000);
    expect(one.disconnectCode).toBe(undefined);
    await test.advance(2_000);
    expect([one.disconnectCode, other.disconnectCode]).toEqual([3006, undefined]);
    await expect(test.hub.subscribe("42", "a", { ttlMs: 0 })).rejects.toThrow(/ttlMs is 0: give 1 to/);
  });

  it("refresh: a session's end is set, moved and lifted, with 3005", async () => {
    await using test = hubOfUsers({ pings: { intervalMs: 0 } });
    const [one, other] = [await user(test, "42"), await user(test, "43")];
    for (const name of ["42", "43"]) await test.wait(test.hub.refresh(name, { ttlMs: 30_000 }));
    await test.advance(29_000);
    await test.wait(test.hub.refresh("42", { ttlMs: 30_000 }));
    await test.wait(test.hub.refresh("43", { ttlMs: 0 }));
    await test.advance(29_000);
    expect([one.disconnectCode, other.disconnectCode]).toEqual([undefined, undefined]);
    await test.advance(2_000);
    expect([one.disconnectCode, other.disconnectCode]).toEqual([3005, undefined]);
    await expect(test.hub.refresh("42", { ttlMs: -1 })).rejects.toThrow(/ttlMs is -1/);
    await test.wait(test.hub.refresh("43", { ttlMs: 30_000 }));
    expect(test.clock.pending).toBe(1);
    other.session.closed();
    expect(test.clock.pending).toBe(0);
  });

  it("refresh: what others are told of a client changes with its next subscription", async () => {
    await using test = hubOfUsers({ channels: [{ match: "*", presence: true }] });
    const client = await user(test, "42");
    const connectionInfo = encoder.encode('{"name":"Ada"}');
    await test.wait(test.hub.refresh("42", { connectionInfo }));
    client.subscribe("a");
    await test.settle();
    expect(await test.wait(test.hub.presence("a"))).toEqual([{ client: client.id, user: "42", connectionInfo }]);
    await expect(test.hub.refresh("42", { connectionInfo: encoder.encode("{") })).rejects.toThrow(/connectionInfo/);
  });

  it("unsubscribe from one channel or from all", async () => {
    await using test = hubOfUsers();
    const client = await user(test, "42");
    client.subscribe("a").subscribe("b").subscribe("c");
    await test.settle();
    client.take();
    await test.wait(test.hub.unsubscribe("42", "b"));
    expect(client.take()).toEqual([{ kind: "unsubscribed", channel: "b", code: 2000 }]);
    await test.wait(test.hub.unsubscribe("42", undefined, { code: 2100, reason: "closed" }));
    expect(client.take()).toEqual([
      { kind: "unsubscribed", channel: "a", code: 2100 },
      { kind: "unsubscribed", channel: "c", code: 2100 },
    ]);
    await test.publish("a", 1);
    expect(client.take()).toEqual([]);
  });

  it("unsubscribe after the answer to a subscribe that is under way", async () => {
    let allow = (): void => {};
    await using test = hubOfUsers({
      channels: [{ match: "*", kind: "private" }],
      authorize: () => new Promise((resolve) => (allow = () => resolve({ allowed: true }))),
    });
    const client = await user(test, "42");
    client.subscribe("a");
    await test.wait(test.hub.unsubscribe("42", "a"));
    expect(client.take()).toEqual([]);
    allow();
    await test.settle();
    expect(client.take()).toMatchObject([
      { to: "subscribe a", error: undefined },
      { kind: "unsubscribed", channel: "a", code: 2000 },
    ]);
  });

  it("disconnect a user but for those excepted, with 3503 unless told otherwise", async () => {
    await using test = hubOfUsers();
    const [one, other, stranger] = [await user(test, "42"), await user(test, "42"), await user(test, "43")];
    await test.wait(test.hub.disconnect("42", { except: [other.id] }));
    expect([one.disconnectCode, other.disconnectCode, stranger.disconnectCode]).toEqual([3503, undefined, undefined]);
    await test.wait(test.hub.disconnect({ client: other.id }, { disconnect: { code: 4001, reason: "bye" } }));
    expect(other.disconnectCode).toBe(4001);
    await test.wait(test.hub.disconnect({ client: stranger.id, user: "42" }));
    expect(stranger.disconnectCode).toBe(undefined);
  });

  it("address the anonymous by the empty user, and nobody by a name that nobody has", async () => {
    await using test = hubOfUsers();
    const [anonymous, named] = [await user(test, ""), await user(test, "42")];
    await test.wait(test.hub.send("", "hello"));
    await test.wait(test.hub.send("43", "hello"));
    expect(anonymous.take()).toEqual([{ kind: "message", text: '"hello"' }]);
    expect(named.take()).toEqual([]);
  });

  it("wait for the connect's answer", async () => {
    let admit = (): void => {};
    await using test = new TestHub({
      authenticate: () => new Promise((resolve) => (admit = () => resolve({ user: "42" }))),
    });
    const client = test.newClient().connect();
    await test.wait(test.hub.send({ client: client.id }, { hello: 1 }));
    await test.wait(test.hub.subscribe({ client: client.id }, "a"));
    expect(client.take()).toEqual([]);
    admit();
    await test.settle();
    expect(client.take().map(({ kind }) => kind)).toEqual(["answer", "message", "subscribed"]);
  });
});

describe("reading as a program", () => {
  it("pages history and says when it is another stream", async () => {
    await using test = new TestHub({ channels: [{ match: "none" }, { match: "*", history }] });
    await test.publish("a", 1, 2, 3);
    const { publications, position } = await test.wait(test.hub.history("a", { limit: 2 }));
    expect(publications.map(({ offset }) => offset)).toEqual([1, 2]);
    expect(position.offset).toBe(3);
    const { epoch } = position;
    const reverse = await test.wait(test.hub.history("a", { since: { offset: 3, epoch }, reverse: true }));
    expect(reverse.publications.map(({ offset }) => offset)).toEqual([2, 1]);
    await expect(test.wait(test.hub.history("a", { since: { offset: 1, epoch: "other" } }))).rejects.toMatchObject({
      code: "not-available",
      cause: ERRORS.unrecoverablePosition,
    });
    const page = await test.wait(test.hub.history("a", { maxBytes: 2 }));
    expect(page.publications.map(({ offset }) => offset)).toEqual([1, 2]);
    await expect(test.hub.history("none")).rejects.toMatchObject({ code: "unsupported", cause: ERRORS.notAvailable });
    await expect(test.hub.history("a", { limit: -1 })).rejects.toMatchObject({ code: "invalid-argument" });
    await test.wait(test.hub.removeHistory("a"));
    expect(await test.wait(test.hub.history("a"))).toEqual({ publications: [], position: { offset: 3, epoch } });
  });

  it("tells who is there", async () => {
    await using test = new TestHub({ channels: [{ match: "none" }, { match: "*", presence: true }] });
    const client = await test.subscriber("a");
    expect(await test.wait(test.hub.presence("a"))).toEqual([{ client: client.id, user: "" }]);
    expect(await test.wait(test.hub.presenceStats("a"))).toEqual({ clients: 1, users: 1 });
    await expect(test.hub.presence("none")).rejects.toMatchObject({ code: "unsupported" });
  });

  it("lists the channels that clients are in, by pattern, up to a limit", async () => {
    await using test = new TestHub({ limits: { channelsPerSession: 20_000 } });
    const client = (await test.subscriber("chat:a")).subscribe("chat:b").subscribe("news");
    (await test.client()).subscribe("news");
    test.hub.channel("heard by this program alone").subscribe(() => {});
    await test.settle();
    expect(await test.wait(test.hub.channels())).toEqual([
      { name: "chat:a", clients: 1 },
      { name: "chat:b", clients: 1 },
      { name: "news", clients: 2 },
    ]);
    expect((await test.wait(test.hub.channels("chat:*"))).map(({ name }) => name)).toEqual(["chat:a", "chat:b"]);
    for (let index = 0; index <= 10_000; index++) {
      client.subscribe(`many:${index}`);
      if (index % 1_000 === 0) await test.settle();
    }
    await test.settle();
    await expect(test.hub.channels("many:*")).rejects.toThrow(/more than 10000 channels fit "many:\*"/);
    expect(await test.wait(test.hub.channels("many:1*0000"))).toEqual([{ name: "many:10000", clients: 1 }]);
  });

  it("describes its process", async () => {
    await using test = hubOfUsers({ version: "1.2.3", nodeName: "here" });
    (await user(test, "42")).subscribe("a").subscribe("b");
    await user(test, "42");
    await user(test, "");
    test.newClient();
    await test.advance(5_000);
    const [node, ...others] = await test.wait(test.hub.nodes());
    expect(others).toEqual([]);
    const id = expect.stringMatching(/^[\da-f]{8}-/);
    const held = { clients: 3, users: 1, subscriptions: 2, channels: 2, uptimeMs: 5_000 };
    expect(node).toEqual({ id, name: "here", version: "1.2.3", ...held });
  });

  it("gives a channel to publish, listen and read with", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history, presence: true }] });
    const channel = test.hub.channel<{ n: number }>("a");
    expect([channel.name, channel.kind]).toEqual(["a", "public"]);
    const heard: Publication[] = [];
    const stop = channel.subscribe((publication) => heard.push(publication));
    channel.subscribe(() => {
      throw new Error("broken listener");
    });
    await test.settle();
    await test.wait(channel.publish({ n: 1 }));
    expect(heard).toMatchObject([{ offset: 1, data: encoder.encode('{"n":1}') }]);
    stop();
    stop();
    await test.wait(channel.publish({ n: 2 }));
    expect(heard).toHaveLength(1);
    expect((await test.wait(channel.history())).publications).toHaveLength(2);
    expect(await test.wait(channel.presence())).toEqual([]);
    expect(test.hub.stats().hookFailures).toBe(2);
  });

  it("lets a channel go when its last listener has", async () => {
    await using test = new TestHub();
    const stop = test.hub.channel("a").subscribe(() => {});
    await test.settle();
    expect(test.hub.stats().channels).toBe(1);
    stop();
    await test.settle();
    expect(test.hub.stats().channels).toBe(0);
  });
});

describe("the hub's end", () => {
  it("ends every session with 3001, 500 in a second, and takes no more", async () => {
    await using test = new TestHub();
    const clients = await Promise.all(Array.from({ length: 120 }, () => test.client()));
    const ended = (): number => clients.filter(({ disconnectCode }) => disconnectCode === 3001).length;
    const drained = test.hub.drain(new AbortController().signal);
    expect(ended()).toBe(50);
    expect(test.newClient().take()).toEqual([{ kind: "disconnect", code: 3001, discard: false }]);
    await test.advance(100);
    expect(ended()).toBe(100);
    await test.advance(100);
    expect(ended()).toBe(120);
    await drained;
  });

  it("ends as many in a second as it is told, and more where they would take too long", async () => {
    for (const [draining, first] of [
      [{ sessionsPerSecond: 20 }, 2],
      [{ sessionsPerSecond: 20, spreadMs: 1_000 }, 12],
      [{ sessionsPerSecond: 5_000 }, 120],
    ] as const) {
      await using test = new TestHub({ draining });
      const clients = await Promise.all(Array.from({ length: 120 }, () => test.client()));
      const drained = test.hub.drain(new AbortController().signal);
      expect(clients.filter(({ disconnectCode }) => disconnectCode === 3001)).toHaveLength(first);
      await test.advance(20_000);
      await drained;
    }
  });

  it("F04: takes no publication that some subscribers would miss, and tells everybody those that it has taken first", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", publish: "clients" }],
      draining: { sessionsPerSecond: 10 },
    });
    const [first, second] = [await test.subscriber("a"), await test.subscriber("a")];
    second.publish("a", "taken");
    const drained = test.hub.drain(new AbortController().signal);
    expect(first.disconnectCode).toBe(undefined);
    await test.settle();
    expect([second.answerTo("publish a").error, first.published, second.published]).toEqual([
      undefined,
      ['"taken"'],
      ['"taken"'],
    ]);
    expect([first.disconnectCode, second.disconnectCode]).toEqual([3001, undefined]);
    second.take();
    second.publish("a", "late");
    expect(second.answerTo("publish a").error).toBe(111);
    await expect(test.hub.publish("a", "late")).rejects.toMatchObject({ code: "not-available", retryable: true });
    expect(second.published).toEqual([]);
    await test.advance(100);
    await drained;
  });

  it("goes on taking publications where they outlive it", async () => {
    const clock = new FakeClock();
    const broker = new FaultyBroker(new MemoryBroker({ clock }));
    await using test = new TestHub(
      { broker, channels: [{ match: "*", publish: "clients" }], draining: { sessionsPerSecond: 10 } },
      clock,
    );
    const [first, second] = [await test.subscriber("a"), await test.subscriber("a")];
    const drained = test.hub.drain(new AbortController().signal);
    expect(first.disconnectCode).toBe(3001);
    second.publish("a", "kept");
    await test.settle();
    expect(second.answerTo("publish a").error).toBe(undefined);
    await test.advance(100);
    await drained;
  });

  it("waits no longer for a publish under way than it has time", async () => {
    const clock = new FakeClock();
    const broker = Object.assign(new FaultyBroker(new MemoryBroker({ clock })), { isVolatile: true });
    await using test = new TestHub({ broker, channels: [{ match: "*", publish: "clients" }] }, clock);
    broker.holding.add("streams.publish");
    const client = (await test.client()).publish("a", 1);
    const abort = new AbortController();
    const drained = test.hub.drain(abort.signal);
    await test.advance(10_000);
    expect(client.disconnectCode).toBe(undefined);
    abort.abort();
    expect(client.disconnectCode).toBe(3001);
    await drained;
  });

  it("ends the rest at once when time is up", async () => {
    await using test = new TestHub();
    const clients = await Promise.all(Array.from({ length: 120 }, () => test.client()));
    const abort = new AbortController();
    const drained = test.hub.drain(abort.signal);
    abort.abort();
    expect(clients.every(({ disconnectCode }) => disconnectCode === 3001)).toBe(true);
    await drained;
  });

  it("leaves no timer behind and answers calls with `closed`", async () => {
    const test = new TestHub({ channels: [{ match: "*", history, recovery: true, presence: true, joinLeave: true }] });
    const clients = [await test.subscriber("a"), await test.subscriber("a")];
    await test[Symbol.asyncDispose]();
    expect(clients.map(({ disconnectCode }) => disconnectCode)).toEqual([3001, 3001]);
    expect(test.clock.pending).toBe(0);
    await expect(test.hub.publish("a", 1)).rejects.toMatchObject({ code: "closed" });
    await expect(test.hub.send("", 1)).rejects.toMatchObject({ code: "closed" });
    expect(() => test.hub.channel("a")).toThrow(/closed/);
    expect(test.newClient().disconnectCode).toBe(3001);
    await test.hub.close();
  });

  it("needs no start: a hub that was never used closes too", async () => {
    const test = new TestHub();
    await test.hub.close();
    expect(test.clock.pending).toBe(0);
    expect(test.hub.inspect()).toMatchObject({ state: "closed", sessions: 0, broker: { name: "memory" } });
  });
});
