import assert from "node:assert/strict";
import { PolywireError } from "@polywire/core";
import type { Reply } from "../encodings.ts";
import type { WireLaw } from "../wire-law.ts";

/** A name of that many bytes. */
const named = (bytes: number, letter = "x"): string =>
  `plain${letter.repeat(Math.floor((bytes - 5) / Buffer.byteLength(letter)))}`;

/** Numbers in [0, 1) that are the same every time (a linear congruential generator). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

const memberships = (replies: readonly Reply[]): string[] =>
  replies.flatMap(({ push }) => {
    const kind = push?.join === undefined ? "leave" : "join";
    const info = push?.[kind]?.info;
    return info === undefined ? [] : [`${kind} ${info.client ?? ""}`];
  });

export const subscribingLaws: readonly WireLaw[] = [
  {
    name: "a channel that is subscribed or about to be is answered 105 and changes nothing",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("news");
      assert.equal(await client.errorOf({ subscribe: { channel: "news" } }), 105);
      client.say({ id: 70, subscribe: { channel: "news:2" } }, { id: 71, subscribe: { channel: "news:2" } });
      const both = [await client.next("an answer"), await client.next("an answer")];
      assert.ok(both.find(({ id }) => id === 70)?.subscribe);
      assert.equal(both.find(({ id }) => id === 71)?.error?.code, 105);
      await server.publish("news", 1);
      await server.publish("news:2", 2);
      assert.deepEqual(
        (await client.everything()).map(({ push }) => push?.pub?.data),
        [1, 2],
      );
    },
  },
  {
    name: "a channel's name has 255 bytes at most, and one of 256 is answered 107",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      await client.subscribe(named(255));
      await client.subscribe(named(255, "ж"));
      assert.equal(await client.errorOf({ subscribe: { channel: named(256) } }), 107);
      assert.equal(await client.errorOf({ subscribe: { channel: named(257, "ж") } }), 107);
      assert.equal(await client.errorOf({ publish: { channel: named(256), data: 1 } }), 107);
      await server.publish(named(255), 1);
      assert.equal((await client.publication(named(255))).data, 1);
    },
  },
  {
    name: "a client is in 128 channels at most: the 129th is answered 106, and welcome once another is left",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      for (let count = 1; count <= 128; count++) await client.subscribe(`plain${count}`);
      assert.equal(await client.errorOf({ subscribe: { channel: "plain129" } }), 106);
      await client.ask({ unsubscribe: { channel: "plain1" } });
      await client.subscribe("plain129");
      await server.publish("plain1", "left");
      await server.publish("plain129", "there");
      assert.equal((await client.publication("plain129")).data, "there");
    },
  },
  {
    name: "a subscription is told before anything of its channel",
    async run(world) {
      const server = await world.serve();
      const publisher = await server.connect();
      for (let round = 0; round < 20; round++) {
        const client = await server.connect();
        const channel = round % 2 === 0 ? "news" : "plain";
        client.say({ id: 9, subscribe: { channel } });
        for (let count = 0; count < 3; count++) publisher.say({ id: 100, publish: { channel, data: count } });
        // Whenever the subscribe comes to the server, a publication comes in the next turn.
        const publishing = inEveryTurn(() => server.publish(channel, "meanwhile"));
        let told: Awaited<ReturnType<typeof client.everything>>;
        try {
          await publisher.everything();
          told = await client.everything();
        } finally {
          await publishing.stop();
        }
        const [first, ...rest] = told;
        assert.equal(first?.id, 9, `came first: ${JSON.stringify(first)}`);
        assert.ok(rest.every(({ push }) => push?.pub !== undefined));
      }
    },
  },
  {
    name: "who joins is told of it by a join after the subscribe's reply, and the others are told too",
    async run(world) {
      const server = await world.serve();
      const first = await server.connect();
      await first.subscribe("room", { join_leave: true });
      assert.deepEqual(memberships(await first.everything()), [`join ${first.id}`]);
      const second = await server.subscriber("room");
      assert.deepEqual(memberships(await second.everything()), [`join ${second.id}`]);
      await second.ask({ unsubscribe: { channel: "room" } });
      await second.expectNothing();
      assert.deepEqual(memberships(await first.everything()), [`join ${second.id}`, `leave ${second.id}`]);
    },
  },
  {
    name: "a leave comes after its join, and once, however quickly a client goes",
    async run(world) {
      const server = await world.serve();
      const witness = await server.subscriber("room");
      await witness.everything();
      for (let round = 0; round < 10; round++) {
        const hasty = await server.connect();
        hasty.say({ id: 50, subscribe: { channel: "room" } });
        if (round % 2 === 0) hasty.say({ id: 51, unsubscribe: { channel: "room" } });
        else hasty.say({ id: 2 });
        if (round % 2 === 0) await hasty.everything();
        else await hasty.ended();
        const heard = memberships(await witness.everything());
        // Who is gone before the subscribe is answered was never there.
        if (round % 2 === 0 || heard.length > 0) assert.deepEqual(heard, [`join ${hasty.id}`, `leave ${hasty.id}`]);
      }
      assert.equal((await server.hub.presence("room")).length, 1);
    },
  },
  {
    name: "presence tells who is there by the server's word, and nobody who has gone",
    async run(world) {
      const server = await world.serve({ authenticate: ({ token = "" }) => ({ user: token }) });
      const ann = await server.connect({ token: "ann" });
      const again = await server.connect({ token: "ann" });
      const bob = await server.connect({ token: "bob" });
      for (const client of [ann, again, bob]) await client.subscribe("room");
      await ann.everything();
      assert.deepEqual((await ann.ask({ presence: { channel: "room" } })).presence?.presence, {
        [ann.id]: { user: "ann", client: ann.id },
        [again.id]: { user: "ann", client: again.id },
        [bob.id]: { user: "bob", client: bob.id },
      });
      assert.deepEqual((await ann.ask({ presence_stats: { channel: "room" } })).presence_stats, {
        num_clients: 3,
        num_users: 2,
      });
      bob.link.cut();
      assert.ok((await ann.next("bob's leave")).push?.leave);
      assert.deepEqual((await ann.ask({ presence_stats: { channel: "room" } })).presence_stats, {
        num_clients: 2,
        num_users: 1,
      });
    },
  },
  {
    name: "after an unsubscribe's reply nothing of the channel comes",
    async run(world) {
      const server = await world.serve();
      const publisher = await server.connect();
      for (const channel of ["news", "plain"]) {
        const client = await server.subscriber(channel);
        for (let count = 0; count < 20; count++) publisher.say({ id: 100, publish: { channel, data: count } });
        await client.askAmid({ unsubscribe: { channel } });
        for (let count = 0; count < 20; count++) publisher.say({ id: 100, publish: { channel, data: count } });
        await publisher.everything();
        await server.publish(channel, "late");
        await client.expectNothing();
      }
    },
  },
  {
    name: "an unsubscribe never fails, and one that meets a subscribe under way waits for it",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      assert.deepEqual((await client.ask({ unsubscribe: { channel: "never" } })).unsubscribe, {});
      server.broker.holding.add("streams.subscribe");
      client.say({ id: 60, subscribe: { channel: "news" } }, { id: 61, unsubscribe: { channel: "news" } });
      await client.expectNothing();
      server.broker.release();
      assert.ok((await client.next("the subscribe's reply")).subscribe);
      assert.deepEqual(await client.next("the unsubscribe's reply"), { id: 61, unsubscribe: {} });
      await server.publish("news", 1);
      await client.expectNothing();
      await client.subscribe("news");
    },
  },
  {
    name: "an unsubscribe that meets a subscribe that fails is answered too, and the channel may be joined afterwards",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      server.broker.holding.add("streams.subscribe");
      client.say({ id: 60, subscribe: { channel: "news" } }, { id: 61, unsubscribe: { channel: "news" } });
      client.say({ id: 62, subscribe: { channel: "plain" } });
      await client.expectNothing();
      server.broker.failing.set("streams.subscribe", new PolywireError("not-available", "down"));
      server.broker.release();
      const answers = new Map<number | undefined, Reply>();
      while (answers.size < 3) {
        const reply = await client.next("three answers");
        answers.set(reply.id, reply);
      }
      assert.deepEqual([answers.get(60)?.error?.code, answers.get(62)?.error?.code], [100, 100]);
      assert.deepEqual(answers.get(61)?.unsubscribe, {});
      server.broker.failing.clear();
      await client.subscribe("plain");
      await client.subscribe("news");
      await server.publish("plain", 1);
      await server.publish("news", 2);
      assert.equal((await client.publication("plain")).data, 1);
      assert.equal((await client.publication("news")).data, 2);
    },
  },
  {
    name: "whoever subscribes, unsubscribes and leaves in whatever order: what the server knows and what it tells agree",
    timeoutMs: 20_000,
    async run(world) {
      const server = await world.serve();
      const channels = ["news", "plain", "room"];
      const random = numbersFrom(7);
      const pick = (count: number): number => Math.floor(random() * count);
      for (let round = 0; round < 8; round++) {
        const clients = await Promise.all([1, 2, 3, 4].map(() => server.connect()));
        const isIn = clients.map(() => new Set<string>());
        for (let step = 0; step < 60; step++) {
          const who = pick(clients.length);
          const channel = channels[pick(channels.length)] as string;
          const isJoining = pick(2) === 0;
          clients[who]?.say({ id: 1_000 + step, [isJoining ? "subscribe" : "unsubscribe"]: { channel } });
          if (isJoining) isIn[who]?.add(channel);
          else isIn[who]?.delete(channel);
          if (pick(4) === 0) void server.publish(channel, "amid");
        }
        // What is under way ends before this command is answered, for it waits for its channel.
        for (const client of clients) {
          const last = new Set(channels.map((_, index) => 2_000 + index));
          client.say(...channels.map((channel, index) => ({ id: 2_000 + index, subscribe: { channel } })));
          while (last.size > 0) last.delete((await client.next("the last answers")).id ?? 0);
        }
        for (const [who, client] of clients.entries()) {
          for (const channel of channels) {
            if (isIn[who]?.has(channel) === false) await client.askAmid({ unsubscribe: { channel } });
          }
        }
        const expected = isIn.reduce((sum, set) => sum + set.size, 0);
        assert.equal(server.hub.stats().subscriptions, expected);
        for (const client of clients) await client.everything();
        for (const channel of channels) await server.publish(channel, round);
        for (const [who, client] of clients.entries()) {
          const heard = (await client.everything()).map(({ push }) => push?.pub && push.channel);
          assert.deepEqual(
            heard,
            channels.filter((channel) => isIn[who]?.has(channel)),
          );
        }
        const inRoom = isIn.filter((set) => set.has("room")).length;
        assert.equal((await server.hub.presence("room")).length, inRoom);
        for (const [index, client] of clients.entries()) {
          if (index % 2 === 0) client.link.cut();
          else await server.hub.disconnect({ client: client.id });
          await client.ended();
        }
        const ghost = await server.connect();
        while (server.hub.stats().sessions > 1) await ghost.everything();
        assert.equal(server.hub.stats().subscriptions, 0);
        assert.deepEqual(await server.hub.presence("room"), []);
        ghost.link.cut();
      }
    },
  },
  {
    name: "an unsubscribe that waits longer than 5 s for a subscribe ends the session with 3004",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      server.broker.holding.add("streams.subscribe");
      client.say({ id: 60, subscribe: { channel: "news" } }, { id: 61, unsubscribe: { channel: "news" } });
      await client.expectNothing();
      await server.clock.pass(5_500);
      await client.expectEnd(3004);
    },
  },
  {
    name: "deltas and short channel numbers are not granted to who asks for them, and full data come",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const granted = await client.subscribe("news", { delta: "fossil", flag: 1 });
      assert.equal(granted.delta, undefined);
      assert.equal(granted.id, undefined);
      await server.publish("news", { n: 1 }, { n: 2 });
      assert.deepEqual(await client.publications("news", 2), [{ n: 1 }, { n: 2 }]);
      assert.equal(await client.errorOf({ subscribe: { channel: "news:2", tf: { key: "k", cmp: "ex" } } }), 107);
      assert.equal(await client.errorOf({ subscribe: { channel: "news:2", type: 1 } }), 103);
      assert.equal(await client.errorOf({ subscribe: { channel: "news:2", type: 4 } }), 108);
    },
  },
];

/** Does it once in each turn of the event loop, until it is stopped. */
function inEveryTurn(act: () => Promise<void>): { stop(): Promise<void> } {
  let isStopped = false;
  const acting = (async (): Promise<void> => {
    while (!isStopped) {
      await act();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  })();
  return {
    stop() {
      isStopped = true;
      return acting;
    },
  };
}
