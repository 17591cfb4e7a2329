import { DISCONNECTS, ERRORS, type HubOptions } from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { type Serving, serving } from "./serving.ts";
import { ENCODINGS, frame, type Message, type WireClient } from "./wire-client.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const options: HubOptions = {
  version: "1.0",
  channels: [
    {
      match: "news*",
      publish: "clients",
      history: { size: 10, ttlMs: 60_000, metaTtlMs: 600_000 },
      recovery: true,
      read: "subscribers",
    },
    { match: "room*", publish: "subscribers", presence: true, joinLeave: true },
    { match: "bytes", publish: "clients", data: "binary" },
    { match: "closed", kind: "private" },
    { match: "plain*", publish: "clients" },
    { match: "quiet" },
  ],
  procedures: { echo: ({ data }) => data },
  receive: () => {},
};

const errorOf = (reply: Message): number => (reply["error"] as { code: number } | undefined)?.code ?? 0;

/** The client's own copy of a publication and the reply to its publish, in whichever order they came. */
async function publishAndHear(client: WireClient, publish: Message): Promise<{ reply: Message; push: Message }> {
  client.say({ id: 900, publish });
  const both = [await client.next(), await client.next()];
  const reply = both.find((message) => message["id"] === 900);
  const push = both.find((message) => "push" in message);
  if (reply === undefined || push === undefined)
    throw new Error(`expected reply and push, got ${JSON.stringify(both)}`);
  return { reply, push };
}

describe.each(ENCODINGS)("a conversation in %s", (encoding) => {
  it("connects and subscribes in one frame", async () => {
    await using server = await serving(options);
    const client = await server.dial(encoding);
    client.say({ connect: { name: "js" }, id: 1 }, { subscribe: { channel: "news", flag: 1 }, id: 2 });
    expect(await client.next()).toEqual({
      id: 1,
      connect: { client: expect.stringMatching(/^[0-9a-f-]{36}$/) as string, version: "1.0", ping: 25, pong: true },
    });
    expect(await client.next()).toEqual({
      id: 2,
      subscribe: { recoverable: true, positioned: true, epoch: expect.any(String) as string },
    });
  });

  it("connects and subscribes in one frame while the program takes its time to authenticate", async () => {
    const gate = Promise.withResolvers<{ user: string }>();
    await using server = await serving({ ...options, authenticate: () => gate.promise });
    const client = await server.dial(encoding);
    client.say({ connect: { token: "t" }, id: 1 }, { subscribe: { channel: "news" }, id: 2 });
    client.say({ publish: { channel: "news", data: 1 }, id: 3 });
    gate.resolve({ user: "42" });
    expect(await client.next()).toMatchObject({ id: 1, connect: {} });
    expect(await client.next()).toMatchObject({ id: 2, subscribe: {} });
    const both = [await client.next(), await client.next()];
    expect(both).toContainEqual({ id: 3, publish: {} });
    expect(both).toContainEqual({
      push: { channel: "news", pub: expect.objectContaining({ data: 1, offset: 1 }) as Message },
    });
  });

  it("publishes to itself and others, with the publisher's own name and not the one it claims", async () => {
    await using server = await serving({
      ...options,
      authenticate: () => ({ user: "42", connectionInfo: bytes('{"n":1}') }),
    });
    const { client, id } = await server.subscribe(encoding, "news");
    const { client: other } = await server.subscribe(encoding === "json" ? "protobuf" : "json", "news");
    const publish = { channel: "news", data: { x: 1 }, info: { user: "admin", client: "spoofed" } };
    const { reply, push } = await publishAndHear(client, publish);
    expect(reply).toEqual({ id: 900, publish: {} });
    const pub = { data: { x: 1 }, info: { user: "42", client: id, conn_info: { n: 1 } }, offset: 1 };
    expect(push).toMatchObject({ push: { channel: "news", pub } });
    expect(await other.next()).toEqual(push);
    await server.hub.publish("news", { x: 2 });
    expect(await client.next()).toEqual({ push: { channel: "news", pub: { data: { x: 2 }, offset: 2 } } });
  });

  it("reads history", async () => {
    await using server = await serving(options);
    const { client } = await server.subscribe(encoding, "news");
    for (const x of [1, 2, 3]) {
      await server.hub.publish("news", { x });
      await client.next();
    }
    const all = await client.ask({ history: { channel: "news", limit: -1 } });
    const { epoch } = all["history"] as { epoch: string };
    expect(all).toEqual({
      history: { publications: [1, 2, 3].map((x) => ({ data: { x }, offset: x })), epoch, offset: 3 },
    });
    expect(await client.ask({ history: { channel: "news" } })).toEqual({ history: { epoch, offset: 3 } });
    expect(await client.ask({ history: { channel: "news", limit: 1, since: { offset: 1, epoch } } })).toMatchObject({
      history: { publications: [{ offset: 2 }] },
    });
    expect(await client.ask({ history: { channel: "news", limit: 9, reverse: true } })).toMatchObject({
      history: { publications: [{ offset: 3 }, { offset: 2 }, { offset: 1 }] },
    });
    expect(
      errorOf(await client.ask({ history: { channel: "news", limit: 1, since: { offset: 1, epoch: "else" } } })),
    ).toBe(112);
  });

  it("recovers what was missed, and says so when it cannot", async () => {
    await using server = await serving(options);
    const { client } = await server.subscribe(encoding, "news");
    await server.hub.publish("news", { x: 1 });
    await client.next();
    const { history } = (await client.ask({ history: { channel: "news" } })) as { history: { epoch: string } };
    const { epoch } = history;
    await client.drop();
    for (const x of [2, 3]) await server.hub.publish("news", { x });

    const { client: again } = await server.connect(encoding);
    expect(await again.ask({ subscribe: { channel: "news", recover: true, epoch, offset: 1 } })).toEqual({
      subscribe: {
        recoverable: true,
        positioned: true,
        epoch,
        offset: 1,
        recovered: true,
        was_recovering: true,
        publications: [
          { data: { x: 2 }, offset: 2 },
          { data: { x: 3 }, offset: 3 },
        ],
      },
    });
    await again.ask({ unsubscribe: { channel: "news" } });
    expect(await again.ask({ subscribe: { channel: "news", recover: true, epoch: "else", offset: 1 } })).toEqual({
      subscribe: { recoverable: true, positioned: true, epoch, offset: 3, was_recovering: true },
    });
    await again.ask({ unsubscribe: { channel: "news" } });
    const rejecting = { channel: "news", recover: true, epoch: "else", offset: 1, flag: 3 };
    expect(errorOf(await again.ask({ subscribe: rejecting }))).toBe(112);
  });

  it("tells who comes back after a restart that it missed something", async () => {
    const position = async (server: Serving): Promise<{ epoch: string; offset: number }> => {
      const { client } = await server.subscribe(encoding, "news");
      const { history } = (await client.ask({ history: { channel: "news" } })) as {
        history: { epoch: string; offset: number };
      };
      return history;
    };
    await using before = await serving(options);
    await before.hub.publish("news", 1);
    const { epoch, offset } = await position(before);
    await using after = await serving(options);
    await after.hub.publish("news", 1);
    const { client } = await after.connect(encoding);
    const reply = await client.ask({ subscribe: { channel: "news", recover: true, epoch, offset } });
    expect(reply).toEqual({
      subscribe: { recoverable: true, positioned: true, was_recovering: true, ...(await position(after)) },
    });
    expect((await position(after)).epoch).not.toBe(epoch);
  });

  it("shows who is here, and tells joins and leaves after the subscribe reply", async () => {
    await using server = await serving({ ...options, authenticate: ({ token = "" }) => ({ user: token }) });
    const first = await server.connect(encoding, { token: "ann" });
    expect(await first.client.ask({ subscribe: { channel: "room", join_leave: true } })).toMatchObject({
      subscribe: {},
    });
    const joined = (user: string, id: string): Message => ({
      push: { channel: "room", join: { info: { user, client: id } } },
    });
    expect(await first.client.next()).toEqual(joined("ann", first.id));

    const second = await server.connect(encoding, { token: "bob" });
    expect(await second.client.ask({ subscribe: { channel: "room" } })).toMatchObject({ subscribe: {} });
    expect(await first.client.next()).toEqual(joined("bob", second.id));
    expect(await first.client.ask({ presence: { channel: "room" } })).toEqual({
      presence: {
        presence: {
          [first.id]: { user: "ann", client: first.id },
          [second.id]: { user: "bob", client: second.id },
        },
      },
    });
    expect(await first.client.ask({ presence_stats: { channel: "room" } })).toEqual({
      presence_stats: { num_clients: 2, num_users: 2 },
    });
    await second.client.drop();
    expect(await first.client.next()).toEqual({
      push: { channel: "room", leave: { info: { user: "bob", client: second.id } } },
    });
  });

  it("calls procedures", async () => {
    await using server = await serving(options);
    const { client } = await server.connect(encoding);
    expect(await client.ask({ rpc: { method: "echo", data: { a: [1] } } })).toEqual({ rpc: { data: { a: [1] } } });
    expect(errorOf(await client.ask({ rpc: { method: "none" } }))).toBe(104);
  });

  it("tells binary data to everyone, in the form their encoding has", async () => {
    await using server = await serving(options);
    const { client: json } = await server.subscribe("json", "bytes");
    const { client: protobuf } = await server.subscribe("protobuf", "bytes");
    const publisher = await server.connect("protobuf");
    const data = new Uint8Array([0, 255, 128, 10]);
    expect(await publisher.client.ask({ publish: { channel: "bytes", data } })).toEqual({ publish: {} });
    expect(await json.next()).toMatchObject({
      push: { channel: "bytes", pub: { data: "AP+ACg==", tags: { encoding: "base64" } } },
    });
    expect(await protobuf.next()).toMatchObject({ push: { channel: "bytes", pub: { data } } });
  });

  it("ends a subscription, and nothing of the channel follows the reply", async () => {
    await using server = await serving(options);
    const { client } = await server.subscribe(encoding, "news");
    expect(await client.ask({ unsubscribe: { channel: "news" } })).toEqual({ unsubscribe: {} });
    await server.hub.publish("news", 1);
    expect(await client.ask({ unsubscribe: { channel: "never" } })).toEqual({ unsubscribe: {} });
    expect(client.take()).toEqual([]);
  });

  it("passes a payload a thousand levels deep untouched, and numbers as they were written", async () => {
    await using server = await serving(options);
    const { client } = await server.subscribe("json", "plain");
    const { client: publisher } = await server.connect("json");
    const deep = `${"[".repeat(1_000)}12345678901234567890${"]".repeat(1_000)}`;
    publisher.sayRaw(`{"id":7,"publish":{"channel":"plain","data":${deep}}}`);
    expect(await publisher.next()).toEqual({ id: 7, publish: {} });
    expect(await client.next()).toMatchObject({ push: { pub: { data: JSON.parse(deep) as unknown } } });
  });

  describe("answers with an error, and goes on", () => {
    it.each<[string, Message, number]>([
      ["a name of 256 bytes", { subscribe: { channel: `plain${"x".repeat(251)}` } }, 107],
      ["a second subscribe", { subscribe: { channel: "plain" } }, 105],
      ["a channel that no rule covers", { subscribe: { channel: "uncovered" } }, 102],
      ["a private channel", { subscribe: { channel: "closed" } }, 103],
      ["a publish where only the server may", { publish: { channel: "quiet", data: 1 } }, 103],
      ["a publish where only subscribers may", { publish: { channel: "room", data: 1 } }, 103],
      ["a publish of nothing", { publish: { channel: "plain" } }, 107],
      ["history without a subscription", { history: { channel: "news", limit: 1 } }, 103],
      ["history where there is none", { history: { channel: "plain", limit: 1 } }, 108],
      ["presence where there is none", { presence: { channel: "plain" } }, 108],
      ["statistics where there is no presence", { presence_stats: { channel: "plain" } }, 108],
      ["an unknown method", { rpc: { method: "none", data: 1 } }, 104],
      ["a tags filter", { subscribe: { channel: "news", tf: { key: "k", cmp: "ex" } } }, 107],
    ])("to %s", async (_, command, code) => {
      await using server = await serving(options);
      const { client } = await server.subscribe(encoding, "plain");
      expect(errorOf(await client.ask(command))).toBe(code);
      expect(await client.ask({ publish: { channel: "news", data: 1 } })).toEqual({ publish: {} });
    });

    it("to the channel past the limit", async () => {
      await using server = await serving({ ...options, limits: { channelsPerSession: 2 } });
      const { client } = await server.connect(encoding);
      for (const channel of ["plain1", "plain2"]) await client.ask({ subscribe: { channel } });
      expect(errorOf(await client.ask({ subscribe: { channel: "plain3" } }))).toBe(106);
    });
  });

  it("takes a publication of the largest size, and none that is larger", async () => {
    await using server = await serving({ ...options, limits: { publicationBytes: 65_536 } });
    const { client } = await server.connect(encoding);
    const sized = (length: number): Message => ({ publish: { channel: "plain", data: "x".repeat(length - 2) } });
    expect(await client.ask(sized(65_536))).toEqual({ publish: {} });
    expect(errorOf(await client.ask(sized(65_537)))).toBe(107);
  });

  it("keeps the order of the commands in a frame", async () => {
    await using server = await serving({ ...options, limits: { historyPageSize: 300 } });
    const { client: subscriber } = await server.subscribe(encoding, "plain");
    const { client } = await server.connect(encoding);
    const numbers = Array.from({ length: 256 }, (_, index) => index);
    client.say(...numbers.map((number) => ({ id: number + 10, publish: { channel: "plain", data: number } })));
    const heard: unknown[] = [];
    for (const _ of numbers) {
      const { push } = (await subscriber.next()) as { push: { pub: { data: unknown } } };
      heard.push(push.pub.data);
    }
    expect(heard).toEqual(numbers);
  });

  it("takes a name of 255 bytes and the largest id", async () => {
    await using server = await serving(options);
    const { client } = await server.connect(encoding);
    client.say({ id: 4_294_967_295, subscribe: { channel: `plain${"x".repeat(250)}` } });
    expect(await client.next()).toMatchObject({ id: 4_294_967_295, subscribe: {} });
  });

  it.each([-1, 1_000_000_000])("clamps a history limit of %d to a page", async (limit) => {
    await using server = await serving({ ...options, limits: { historyPageSize: 3 } });
    const { client } = await server.subscribe(encoding, "news");
    for (const x of [1, 2, 3, 4, 5]) {
      await server.hub.publish("news", x);
      await client.next();
    }
    const { history } = (await client.ask({ history: { channel: "news", limit } })) as {
      history: { publications: [] };
    };
    expect(history.publications).toHaveLength(3);
  });

  describe("ends with 3501", () => {
    it.each<[string, Message]>([
      ["a command before connect", { id: 1, subscribe: { channel: "news" } }],
      ["a pong before connect", {}],
    ])("for %s", async (_, command) => {
      await using server = await serving(options);
      const client = await server.dial(encoding);
      client.say(command);
      expect(await client.closed).toMatchObject({ code: 3501, reason: "bad request" });
      expect(client.take()).toEqual([]);
    });

    it.each<[string, Message]>([
      ["a second connect", { id: 2, connect: {} }],
      ["a pong nobody asked for", {}],
      ["a command without an id", { publish: { channel: "plain", data: 1 } }],
      ["an unknown command", { id: 2 }],
      ["an empty channel", { id: 2, subscribe: { channel: "" } }],
      ["a refresh where there are no tokens", { id: 2, refresh: { token: "t" } }],
    ])("for %s", async (_, command) => {
      await using server = await serving(options);
      const { client } = await server.connect(encoding);
      client.say(command);
      expect(await client.closed).toMatchObject({ by: "remote", code: 3501, reason: "bad request" });
      expect(client.take()).toEqual([]);
    });

    it.each<[string, (encoding: "json" | "protobuf") => string | Uint8Array]>([
      ["an empty frame", (of) => (of === "json" ? "" : new Uint8Array(0))],
      ["garbage", (of) => (of === "json" ? "garbage" : new Uint8Array([255, 255, 255, 255, 255, 255]))],
      ["the other encoding", (of) => frame(of === "json" ? "protobuf" : "json", { id: 2, rpc: { method: "echo" } })],
      ["half a command", (of) => frame(of, { id: 2, rpc: { method: "echo" } }).slice(0, -2)],
    ])("for %s", async (_, malformed) => {
      await using server = await serving(options);
      const { client } = await server.connect(encoding);
      client.sayRaw(malformed(encoding));
      expect(await client.closed).toMatchObject({ code: 3501 });
    });

    it("for 300 commands in one frame", async () => {
      await using server = await serving(options);
      const { client } = await server.connect(encoding);
      client.say(...Array.from({ length: 300 }, (_, index) => ({ id: index + 2, unsubscribe: { channel: "plain" } })));
      expect(await client.closed).toMatchObject({ code: 3501 });
    });
  });

  it("ends with 3508 for a message that nobody takes", async () => {
    const { receive: _, ...without } = options;
    await using server = await serving(without);
    const { client } = await server.connect(encoding);
    client.say({ send: { data: 1 } });
    expect(await client.closed).toMatchObject({ code: 3508, reason: "not available" });
  });

  it("ends with 3502 for a client that never connects", async () => {
    await using server = await serving(options);
    const client = await server.dial(encoding);
    server.clock.advance(10_000);
    expect(await client.closed).toMatchObject({ code: 3502, reason: "stale" });
  });

  it("answers a refused connect with its error, and ends the link when the client does not", async () => {
    await using server = await serving({ ...options, authenticate: () => ({ error: ERRORS.tokenExpired }) });
    const client = await server.dial(encoding);
    client.say({ connect: { token: "old" }, id: 1 }, { subscribe: { channel: "news" }, id: 2 });
    expect(await client.next()).toEqual({ id: 1, error: { code: 109, message: "token expired" } });
    server.clock.advance(10_000);
    expect(await client.closed).toMatchObject({ by: "remote", clean: true });
    expect(client.take()).toEqual([]);
  });

  it("ends with 3500 where the program says so", async () => {
    await using server = await serving({ ...options, authenticate: () => ({ disconnect: DISCONNECTS.invalidToken }) });
    const client = await server.dial(encoding);
    client.say({ connect: { token: "garbage" }, id: 1 });
    expect(await client.closed).toMatchObject({ code: 3500, reason: "invalid token" });
    expect(client.take()).toEqual([]);
  });

  it("pings, takes the pong, and ends with 3012 without one", async () => {
    // The first ping comes after half an interval to a whole one.
    await using server = await serving({ ...options, pings: { intervalMs: 10_000, timeoutMs: 9_000 } });
    const { client } = await server.connect(encoding);
    server.clock.advance(10_000);
    expect(await client.next()).toEqual({});
    client.say({});
    expect(await client.ask({ rpc: { method: "echo", data: 1 } })).toEqual({ rpc: { data: 1 } });
    server.clock.advance(10_000);
    expect(await client.next()).toEqual({});
    server.clock.advance(9_000);
    expect(await client.closed).toMatchObject({ code: 3012, reason: "no pong" });
  });

  it("tells what the server tells one client", async () => {
    await using server = await serving({
      ...options,
      authenticate: () => ({ user: "42", channels: ["news"], data: bytes("[1]") }),
    });
    const client = await server.dial(encoding);
    const reply = await client.ask({ connect: {} });
    expect(reply).toMatchObject({
      connect: {
        data: [1],
        subs: { news: { recoverable: true, positioned: true, epoch: expect.any(String) as string } },
      },
    });
    await server.hub.publish("news", { x: 1 });
    expect(await client.next()).toMatchObject({ push: { channel: "news", pub: { data: { x: 1 }, offset: 1 } } });
  });

  it("closes with 3001 when the network does", async () => {
    await using server = await serving(options);
    const { client } = await server.connect(encoding);
    await server.network.close();
    expect(await client.closed).toMatchObject({ code: 3001, reason: "shutdown" });
  });
});

describe("admission", () => {
  it("refuses a page from elsewhere before there is a link", async () => {
    await using server = await serving(options);
    const headers = new Map([
      ["origin", "https://evil.example"],
      ["host", "127.0.0.1:8000"],
    ]);
    await expect(server.dial("json", headers)).rejects.toThrow(/403.*origin not allowed/);
  });
});
