import type { HubOptions } from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { decode, encode, publications, serving, subscribed, WAYS } from "./sdk-ways.ts";

const hubOptions: HubOptions = {
  channels: [
    {
      match: "chat:*",
      publish: "subscribers",
      history: { size: 100, ttlMs: 60_000 },
      recovery: true,
      presence: true,
      joinLeave: true,
    },
    {
      match: "document:*",
      history: { size: 100, ttlMs: 60_000 },
      recovery: true,
      delta: "fossil",
    },
    { match: "a-long-name:*", delta: "fossil", compaction: true, joinLeave: true },
    { match: "*", publish: "clients" },
  ],
  procedures: {
    sum: ({ data }) => new TextEncoder().encode(String(numbers(data).reduce((sum, each) => sum + each, 0))),
  },
};

const numbers = (data: Uint8Array): number[] => JSON.parse(new TextDecoder().decode(data)) as number[];

describe.each(WAYS)("the official SDK over $name", (way) => {
  const { encoding } = way;
  it("connects, subscribes, publishes and reads history and presence", async () => {
    await using server = await serving(way, hubOptions);
    const client = server.client();
    const room = client.newSubscription("chat:room", { joinLeave: true });
    const heard = publications(room, 2);
    room.subscribe();
    client.connect();
    expect(await subscribed(room)).toMatchObject({ recoverable: true, positioned: true, wasRecovering: false });

    await room.publish(encode(encoding, { text: "hello" }));
    await server.hub.publish("chat:room", { text: "from the server" });
    const texts = (await heard).map(({ data, offset }) => [decode(encoding, data), offset]);
    expect(texts).toEqual([
      [{ text: "hello" }, 1],
      [{ text: "from the server" }, 2],
    ]);
    const page = await room.history({ limit: 10 });
    expect(page).toMatchObject({ offset: 2, epoch: expect.any(String) as string });
    expect(page.publications.map(({ offset }) => offset)).toEqual([1, 2]);
    expect(await room.presenceStats()).toMatchObject({ numClients: 1, numUsers: 1 });
    expect(Object.values((await room.presence()).clients)).toHaveLength(1);
    const answer = await client.rpc("sum", encode(encoding, [1, 2, 3]));
    expect(decode(encoding, answer.data)).toBe(6);
    await expect(client.rpc("none", encode(encoding, 1))).rejects.toMatchObject({ code: 104 });
  });

  it("loses its way, misses five messages and gets exactly those five", async () => {
    await using server = await serving(way, hubOptions);
    const client = server.client();
    const room = client.newSubscription("chat:room");
    const heard = publications(room, 6);
    room.subscribe();
    client.connect();
    await subscribed(room);
    await server.hub.publish("chat:room", 1);

    const lost = new Promise<void>((resolve) => void client.once("connecting", () => resolve()));
    server.cut();
    await lost;
    const back = subscribed(room);
    for (const number of [2, 3, 4, 5, 6]) await server.hub.publish("chat:room", number);
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true, hasRecoveredPublications: true });
    const missed = (await heard).map(({ data, offset }) => [decode(encoding, data), offset]);
    expect(missed).toEqual([1, 2, 3, 4, 5, 6].map((number) => [number, number]));
  });

  it("has documents as patches, from the first publication on and after it was away", async () => {
    await using server = await serving(way, hubOptions);
    const client = server.client();
    const room = client.newSubscription("document:1", { delta: "fossil" });
    const heard: string[] = [];
    let wake = (): void => {};
    room.on("publication", ({ data }) => {
      heard.push((decode(encoding, data) as { text: string }).text);
      wake();
    });
    const until = async (count: number): Promise<void> => {
      while (heard.length < count) await new Promise<void>((resolve) => (wake = resolve));
    };
    const texts = Array.from({ length: 9 }, (_, version) => `${"слово и ещё слово, ".repeat(30)}версия ${version} 👋`);
    const publish = async (from: number, to: number): Promise<void> => {
      for (const text of texts.slice(from, to)) await server.hub.publish("document:1", { text });
    };
    room.subscribe();
    client.connect();
    await subscribed(room);
    await publish(0, 3);
    await until(3);
    expect(room.deltaStats()).toMatchObject({ numFullPayloads: 1, numDeltaPayloads: 2 });
    const lost = new Promise<void>((resolve) => void client.once("connecting", () => resolve()));
    server.cut();
    await lost;
    const back = subscribed(room);
    await publish(3, 6);
    expect(await back).toMatchObject({ recovered: true });
    await publish(6, 9);
    await until(9);
    expect(heard).toEqual(texts);
  });

  // In Protobuf by its name: there the SDK passes over what is told by number.
  it("hears of a channel that has a number", async () => {
    await using server = await serving(way, hubOptions);
    const client = server.client();
    const room = client.newSubscription("a-long-name:1", { delta: "fossil", joinLeave: true });
    const joined = new Promise<string>((resolve) => void room.once("join", ({ channel }) => resolve(channel)));
    const heard = publications(room, 2);
    room.subscribe();
    client.connect();
    expect(await joined).toBe("a-long-name:1");
    await server.hub.publish("a-long-name:1", { text: "long enough for a patch to be shorter", version: 1 });
    await server.hub.publish("a-long-name:1", { text: "long enough for a patch to be shorter", version: 2 });
    expect(
      (await heard).map(({ channel, data }) => [channel, (decode(encoding, data) as { version: number }).version]),
    ).toEqual([
      ["a-long-name:1", 1],
      ["a-long-name:1", 2],
    ]);
  });

  it("is told who joins and leaves", async () => {
    await using server = await serving(way, hubOptions);
    const first = server.client();
    const room = first.newSubscription("chat:room", { joinLeave: true });
    room.subscribe();
    const ownId = new Promise<string>((resolve) => void first.once("connected", ({ client }) => resolve(client)));
    first.connect();
    const own = await ownId;
    await subscribed(room);
    const second = server.client();
    const joined = new Promise<string>((resolve) => {
      room.on("join", ({ info }) => {
        if (info.client !== own) resolve(info.client);
      });
    });
    const left = new Promise<string>((resolve) => void room.once("leave", ({ info }) => resolve(info.client)));
    const same = second.newSubscription("chat:room");
    same.subscribe();
    second.connect();
    const id = await joined;
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    second.disconnect();
    expect(await left).toBe(id);
  });

  it("is told why it was unsubscribed and disconnected", async () => {
    await using server = await serving(way, hubOptions);
    const client = server.client();
    const room = client.newSubscription("chat:room");
    const message = new Promise<unknown>((resolve) => void client.once("message", ({ data }) => resolve(data)));
    const unsubscribed = new Promise((resolve) => void room.once("unsubscribed", resolve));
    const disconnected = new Promise((resolve) => void client.once("disconnected", resolve));
    const connected = new Promise<string>(
      (resolve) => void client.once("connected", (context) => resolve(context.client)),
    );
    room.subscribe();
    client.connect();
    const id = await connected;
    await subscribed(room);

    await server.hub.send({ client: id }, { hello: "you" });
    expect(decode(encoding, await message)).toEqual({ hello: "you" });
    await server.hub.unsubscribe({ client: id }, "chat:room");
    expect(await unsubscribed).toMatchObject({ code: 2000, reason: "server unsubscribe" });
    await server.hub.disconnect({ client: id });
    expect(await disconnected).toMatchObject({ code: 3503, reason: "force disconnect" });
  });

  it("is told that a message was sent to nobody", async () => {
    await using server = await serving(way, hubOptions);
    const client = server.client();
    const disconnected = new Promise((resolve) => void client.once("disconnected", resolve));
    client.connect();
    await client.ready();
    await client.send(encode(encoding, "nobody takes this"));
    expect(await disconnected).toMatchObject({ code: 3508, reason: "not available" });
  });
});
