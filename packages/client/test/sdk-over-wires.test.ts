import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { Heard, next, Serving, subscribed } from "./serving.ts";
import { WIRES } from "./wires.ts";

vi.setConfig({ testTimeout: 60_000 });

/** A fixed row of numbers in [0, 1): the same moments in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe.each(WIRES)("the SDK over $name in $encoding.name", (wire) => {
  const { encode, decode } = wire.encoding;

  it("connects, subscribes, publishes, calls, and reads history and presence", async () => {
    await using serving = await Serving.over(wire);
    const client = serving.client();
    const room = client.newSubscription("chat:room");
    const heard = new Heard(room);
    room.subscribe();
    client.connect();
    expect(await subscribed(room)).toMatchObject({ recoverable: true, wasRecovering: false });

    await room.publish(encode({ text: "hello ✓ \u2028\n" }));
    await serving.hub.publish("chat:room", { text: "from the server" });
    await heard.until(({ length }) => length === 2);
    expect(heard.publications.map(({ data, offset }) => [decode(data), offset])).toEqual([
      [{ text: "hello ✓ \u2028\n" }, 1],
      [{ text: "from the server" }, 2],
    ]);
    const page = await room.history({ limit: 10 });
    expect(page.publications.map(({ data }) => decode(data))).toHaveLength(2);
    expect(await room.presenceStats()).toMatchObject({ numClients: 1 });
    expect(Object.values((await room.presence()).clients)).toHaveLength(1);
    expect(decode((await client.rpc("echo", encode([1, 2, 3]))).data)).toEqual([1, 2, 3]);
    await expect(client.rpc("none", encode(1))).rejects.toMatchObject({ code: 104 });
    expect(serving.errors).toEqual([]);
  });

  it("sends many commands of one turn, and each is answered", async () => {
    await using serving = await Serving.over(wire);
    const client = serving.client();
    client.connect();
    await client.ready();
    client.startBatching();
    const answers = Array.from({ length: 50 }, (_, index) => client.rpc("echo", encode(index)));
    client.stopBatching();
    expect((await Promise.all(answers)).map(({ data }) => decode(data))).toEqual([...answers.keys()]);
  });

  it("misses nothing, hears nothing twice and keeps the order when the link is cut at any moment", async () => {
    await using serving = await Serving.over(wire);
    const client = serving.client();
    const room = client.newSubscription("chat:room");
    const heard = new Heard(room);
    room.subscribe();
    client.connect();
    await subscribed(room);

    const random = seeded(7);
    const sent = Array.from({ length: 400 }, (_, index) => index);
    let cuts = 0;
    for (const number of sent) {
      await serving.hub.publish("chat:room", number);
      for (let turns = random() * 4; turns >= 1; turns--) await nextTurn();
      if (random() < 0.1) {
        if (client.state === "connected") cuts++;
        serving.cut();
      }
      if (random() < 0.2 && client.state === "connecting") await client.ready();
    }
    await heard.until(({ length }) => length >= sent.length);
    expect(heard.publications.map(({ data }) => decode(data))).toEqual(sent);
    expect(cuts).toBeGreaterThan(5);
  });

  it("a publication accepted before the cut is published once, one cut off is told so", async () => {
    await using serving = await Serving.over(wire);
    const client = serving.client();
    const room = client.newSubscription("chat:room");
    room.subscribe();
    client.connect();
    await subscribed(room);
    const publishing = Array.from({ length: 20 }, (_, index) => room.publish(encode(index)));
    await nextTurn();
    serving.cut();
    const results = await Promise.allSettled(publishing);
    await subscribed(room);
    const { publications } = await room.history({ limit: 100 });
    const texts = publications.map(({ data }) => decode(data));
    expect(new Set(texts).size).toBe(texts.length);
    for (const [index, { status }] of results.entries()) if (status === "fulfilled") expect(texts).toContain(index);
  });

  it("comes back to a server that was started anew, and is told that the past is lost", async () => {
    await using serving = await Serving.over(wire);
    const client = serving.client();
    const room = client.newSubscription("chat:room");
    const heard = new Heard(room);
    room.subscribe();
    client.connect();
    await subscribed(room);
    await serving.hub.publish("chat:room", "before");
    await heard.until(({ length }) => length === 1);

    const back = subscribed(room);
    const [disconnect] = await Promise.all([next<{ code: number }>(client, "connecting"), serving.restart()]);
    expect(disconnect.code).toBe(3001);
    expect(await back).toMatchObject({ wasRecovering: true, recovered: false });
    await serving.hub.publish("chat:room", "after");
    await heard.until(({ length }) => length === 2);
    expect(heard.publications.map(({ data }) => decode(data))).toEqual(["before", "after"]);
  });

  it("is told why it was disconnected, and stays away", async () => {
    await using serving = await Serving.over(wire);
    const client = serving.client();
    const connected = next<{ client: string }>(client, "connected");
    client.connect();
    const { client: id } = await connected;
    const disconnected = next(client, "disconnected");
    await serving.hub.disconnect({ client: id });
    expect(await disconnected).toMatchObject({ code: 3503, reason: "force disconnect" });
  });

  it("keeps dialling while nobody listens, and is connected once somebody does", async () => {
    await using serving = await Serving.over(wire);
    await serving.stop();
    const client = serving.client({ timeout: 2_000 });
    const failed = next<{ type: string }>(client, "error");
    client.connect();
    // A wire without a handshake knows only later that nobody is there.
    expect(["transport", "connect"]).toContain((await failed).type);
    expect(client.state).toBe("connecting");
    await serving.restart();
    await client.ready();
  });

  it("disconnects while it connects, and connects again", async () => {
    await using serving = await Serving.over(wire);
    const client = serving.client();
    for (let round = 0; round < 5; round++) {
      client.connect();
      for (let turns = 0; turns < round; turns++) await nextTurn();
      client.disconnect();
    }
    client.connect();
    await client.ready();
    expect(decode((await client.rpc("echo", encode("here"))).data)).toBe("here");
    expect(serving.errors).toEqual([]);
  });
});
