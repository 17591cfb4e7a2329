import { type AuthenticateRequest, type AuthorizeRequest, ERRORS, type HubOptions } from "@polywire/realtime";
import type { Centrifuge } from "centrifuge";
import { describe, expect, it } from "vitest";
import { decode, encode, publications, serving, subscribed, WAYS } from "./sdk-ways.ts";

const HISTORY = { size: 100, ttlMs: 60_000 };

const channels: HubOptions["channels"] = [
  { match: "chat:*", publish: "subscribers", history: HISTORY, recovery: true, presence: true, joinLeave: true },
  { match: "state:*", history: HISTORY, recovery: "cache" },
  { match: "tagged:*", tagsFilter: true },
  { match: "team:*", kind: "private", publish: "subscribers" },
  { match: "*" },
];

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const text = (data: Uint8Array | undefined): unknown => JSON.parse(new TextDecoder().decode(data));

interface Emitter {
  once(event: string, listener: (context: never) => void): unknown;
}

/** The next event of that name. */
function next<Context>(emitter: object, event: string): Promise<Context> {
  return new Promise((resolve) => (emitter as Emitter).once(event, resolve as (context: never) => void));
}

async function connected(client: Centrifuge): Promise<void> {
  client.connect();
  await client.ready();
}

describe.each(WAYS)("what the official SDK can do over $name", (way) => {
  const { encoding } = way;
  const read = (data: unknown): unknown => decode(encoding, data);

  it("says something as it connects and subscribes, and is told something", async () => {
    const heard: unknown[] = [];
    await using server = await serving(way, {
      channels,
      authenticate: ({ data, token = "", name, version }) => {
        heard.push({ said: text(data), token, name, version });
        return { user: "ada", connectionInfo: json({ name: "Ada" }), data: json({ welcome: 1 }) };
      },
      authorize: ({ channel, data, user, token = "" }) => {
        heard.push({ channel, said: text(data), user, token });
        return { allowed: true, data: json({ seat: 7 }), channelInfo: json("owner") };
      },
    });
    const client = server.client({
      token: "a token",
      data: encode(encoding, { hello: "wörld" }),
      name: "a program",
      version: "1.2.3",
    });
    const welcome = next<{ data: unknown }>(client, "connected");
    client.connect();
    expect(read((await welcome).data)).toEqual({ welcome: 1 });
    const team = client.newSubscription("team:red", { token: "another", data: encode(encoding, [1, 2]) });
    team.subscribe();
    expect(read((await subscribed(team)).data)).toEqual({ seat: 7 });
    const publication = publications(team, 1);
    await team.publish(encode(encoding, "hello"));
    const [{ info } = {}] = await publication;
    expect(info).toMatchObject({ user: "ada" });
    expect([read(info?.connInfo), read(info?.chanInfo)]).toEqual([{ name: "Ada" }, "owner"]);
    expect(heard).toEqual([
      { said: { hello: "wörld" }, token: "a token", name: "a program", version: "1.2.3" },
      { channel: "team:red", said: [1, 2], user: "ada", token: "another" },
    ]);
  });

  it("refreshes its connection and its subscription before their time is over", async () => {
    const refreshes = { connection: Promise.withResolvers<unknown>(), subscription: Promise.withResolvers<unknown>() };
    await using server = await serving(way, {
      channels,
      authenticate: ({ action, token }: AuthenticateRequest) => {
        if (action === "refresh") refreshes.connection.resolve(token);
        return { user: "ada", ttlMs: action === "refresh" ? 600_000 : 1_000 };
      },
      authorize: ({ action, token }: AuthorizeRequest) => {
        if (action === "refresh") refreshes.subscription.resolve(token);
        return { allowed: true, ttlMs: action === "refresh" ? 600_000 : 1_000 };
      },
    });
    const supply = (name: string): (() => Promise<string>) => {
      let given = 0;
      return () => Promise.resolve(`${name} ${++given}`);
    };
    const client = server.client({ getToken: supply("connection") });
    const team = client.newSubscription("team:red", { getToken: supply("subscription") });
    team.subscribe();
    await connected(client);
    await team.ready();
    expect(await refreshes.connection.promise).toBe("connection 2");
    expect(await refreshes.subscription.promise).toBe("subscription 2");
    await team.publish(encode(encoding, "still here"));
    expect([client.state, team.state]).toEqual(["connected", "subscribed"]);
  });

  it("fetches another token for a subscription whose own has expired", async () => {
    await using server = await serving(way, {
      channels,
      authorize: ({ token }) => (token === "good" ? { allowed: true } : { error: ERRORS.tokenExpired }),
    });
    const client = server.client();
    const team = client.newSubscription("team:red", {
      token: "stale",
      getToken: () => Promise.resolve("good"),
      minResubscribeDelay: 10,
      maxResubscribeDelay: 50,
    });
    const error = next<{ error: { code: number } }>(team, "error");
    team.subscribe();
    await connected(client);
    expect((await error).error.code).toBe(109);
    await team.ready();
  });

  it("is refused where it may not be, and what it may not do", async () => {
    await using server = await serving(way, { channels });
    const client = server.client();
    await connected(client);
    const team = client.newSubscription("team:red");
    const refused = next(team, "unsubscribed");
    team.subscribe();
    expect(await refused).toMatchObject({ code: 103, reason: "permission denied" });
    const plain = client.newSubscription("plain");
    plain.subscribe();
    await plain.ready();
    await expect(plain.publish(encode(encoding, 1))).rejects.toMatchObject({ code: 103 });
    await expect(plain.history({ limit: 1 })).rejects.toMatchObject({ code: 108 });
    await expect(plain.presence()).rejects.toMatchObject({ code: 108 });
    await expect(plain.presenceStats()).rejects.toMatchObject({ code: 108 });
  });

  it("pages through the history, both ways, and is told of another epoch", async () => {
    await using server = await serving(way, { channels });
    for (const number of [1, 2, 3, 4, 5])
      await server.hub.publish("chat:room", number, { tags: { n: String(number) } });
    const client = server.client();
    const room = client.newSubscription("chat:room");
    room.subscribe();
    await connected(client);
    const { offset, epoch, publications: none } = await room.history({ limit: 0 });
    expect([offset, none]).toEqual([5, []]);
    const first = await room.history({ limit: 2, since: { offset: 0, epoch } });
    expect(first.publications.map((each) => [each.offset, read(each.data), each.tags])).toEqual([
      [1, 1, { n: "1" }],
      [2, 2, { n: "2" }],
    ]);
    const rest = await room.history({ limit: 10, since: { offset: 2, epoch } });
    expect(rest.publications.map((each) => each.offset)).toEqual([3, 4, 5]);
    const back = await room.history({ limit: 2, reverse: true });
    expect(back.publications.map((each) => each.offset)).toEqual([5, 4]);
    await expect(room.history({ limit: 1, since: { offset: 2, epoch: "another" } })).rejects.toMatchObject({
      code: 112,
    });
  });

  it("gets the latest publication as it subscribes, and again after it was away, where a channel is a cache", async () => {
    await using server = await serving(way, { channels });
    for (const number of [1, 2, 3]) await server.hub.publish("state:1", number);
    const client = server.client();
    const state = client.newSubscription("state:1", { since: { offset: 0, epoch: "" } });
    const heard = publications(state, 2);
    state.subscribe();
    client.connect();
    expect(await subscribed(state)).toMatchObject({ wasRecovering: true, recovered: true });
    const lost = next(client, "connecting");
    server.cut();
    await lost;
    const back = subscribed(state);
    for (const number of [4, 5]) await server.hub.publish("state:1", number);
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true });
    expect((await heard).map(({ data }) => read(data))).toEqual([3, 5]);
  });

  it("begins where the state ends that it has from elsewhere, and fetches that anew when its position is lost", async () => {
    await using server = await serving(way, { channels });
    for (const number of [1, 2, 3]) await server.hub.publish("chat:room", number);
    const { position } = await server.hub.history("chat:room", { limit: 0 });
    const states = [
      { offset: 1, epoch: "another" },
      { offset: 2, epoch: position.epoch },
    ];
    const client = server.client();
    const room = client.newSubscription("chat:room", {
      getState: async () => states.shift() ?? { offset: 0, epoch: "" },
      minResubscribeDelay: 10,
      maxResubscribeDelay: 50,
    });
    const heard = publications(room, 1);
    room.subscribe();
    client.connect();
    expect(await subscribed(room)).toMatchObject({ wasRecovering: true, recovered: true });
    expect((await heard).map(({ data, offset }) => [read(data), offset])).toEqual([[3, 3]]);
    expect(states).toEqual([]);
  });

  it("hears what its filter of tags lets through, and what another one does from the next subscribe on", async () => {
    await using server = await serving(way, { channels });
    const client = server.client();
    const tagged = client.newSubscription("tagged:1", {
      tagsFilter: {
        op: "and",
        nodes: [
          { key: "ticker", cmp: "in", vals: ["AAPL", "MSFT"] },
          { key: "price", cmp: "gt", val: "100" },
        ],
      },
    });
    const first = publications(tagged, 2);
    tagged.subscribe();
    await connected(client);
    await tagged.ready();
    const publish = async (ticker: string, price: string): Promise<void> => {
      await server.hub.publish("tagged:1", `${ticker} ${price}`, { tags: { ticker, price } });
    };
    const all = async (): Promise<void> => {
      for (const ticker of ["AAPL", "GOOG", "MSFT"]) for (const price of ["99", "101"]) await publish(ticker, price);
    };
    await all();
    expect((await first).map(({ data }) => read(data))).toEqual(["AAPL 101", "MSFT 101"]);
    tagged.unsubscribe();
    tagged.setTagsFilter({ op: "not", nodes: [{ key: "ticker", cmp: "eq", val: "GOOG" }] });
    const second = publications(tagged, 4);
    tagged.subscribe();
    await tagged.ready();
    await all();
    expect((await second).map(({ data }) => read(data))).toEqual(["AAPL 99", "AAPL 101", "MSFT 99", "MSFT 101"]);
  });

  it("is subscribed by the server, hears who else is there, and gets what it missed there", async () => {
    await using server = await serving(way, {
      channels,
      authenticate: ({ token }) => ({ user: token ?? "", channels: ["chat:room"] }),
    });
    const client = server.client({ token: "ada" });
    const first = next(client, "subscribed");
    const joined = new Promise<string>((resolve) => {
      client.on("join", ({ info }) => info.user === "bob" && resolve(info.user));
    });
    const left = next<{ channel: string; info: { user: string } }>(client, "leave");
    const heard: unknown[][] = [];
    const all = new Promise<void>((resolve) => {
      client.on("publication", ({ channel, data, offset }) => {
        if (heard.push([channel, read(data), offset]) === 4) resolve();
      });
    });
    client.connect();
    expect(await first).toMatchObject({ channel: "chat:room", recoverable: true, wasRecovering: false });
    const other = server.client({ token: "bob" });
    await connected(other);
    expect(await joined).toBe("bob");
    other.disconnect();
    expect(await left).toMatchObject({ channel: "chat:room", info: { user: "bob" } });
    await server.hub.publish("chat:room", 1);
    const lost = next(client, "connecting");
    const back = next(client, "subscribed");
    server.cut();
    await lost;
    for (const number of [2, 3, 4]) await server.hub.publish("chat:room", number);
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true });
    await all;
    expect(heard).toEqual([1, 2, 3, 4].map((number) => ["chat:room", number, number]));
    const more = next(client, "subscribed");
    await server.hub.subscribe("ada", "plain");
    expect(await more).toMatchObject({ channel: "plain" });
    const gone = next(client, "unsubscribed");
    await server.hub.unsubscribe("ada", "plain");
    expect(await gone).toMatchObject({ channel: "plain" });
  });

  it("says something that wants no answer, and is told something outside of channels", async () => {
    const received = Promise.withResolvers<unknown>();
    await using server = await serving(way, {
      channels,
      authenticate: () => ({ user: "ada" }),
      receive: ({ user, data }) => received.resolve([user, text(data)]),
    });
    const client = server.client();
    const told = next<{ data: unknown }>(client, "message");
    await connected(client);
    await client.send(encode(encoding, { hello: "server" }));
    expect(await received.promise).toEqual(["ada", { hello: "server" }]);
    await server.hub.send("ada", { hello: "ada" });
    expect(read((await told).data)).toEqual({ hello: "ada" });
  });
});
