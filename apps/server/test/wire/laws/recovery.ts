import assert from "node:assert/strict";
import type { Reply, SubscribeResult } from "../encodings.ts";
import type { WireClient } from "../wire-client.ts";
import type { WireLaw, WireWorld } from "../wire-law.ts";
import type { WireServer } from "../wire-server.ts";

interface Row {
  readonly published: number;
  /** The client's position. */
  readonly offset: number;
  readonly limit?: number;
  readonly isExpired?: true;
  readonly recovered: boolean;
  /** Publications that come with the reply. */
  readonly count: number;
}

/** History keeps 10. */
const ROWS: readonly Row[] = [
  { published: 0, offset: 0, recovered: true, count: 0 },
  { published: 10, offset: 8, recovered: true, count: 2 },
  { published: 10, offset: 5, limit: 2, recovered: false, count: 0 },
  { published: 10, offset: 8, limit: 2, recovered: true, count: 2 },
  { published: 20, offset: 8, recovered: false, count: 0 },
  { published: 20, offset: 9, recovered: false, count: 0 },
  { published: 20, offset: 10, recovered: true, count: 10 },
  { published: 20, offset: 108, recovered: false, count: 0 },
  { published: 7, offset: 7, recovered: true, count: 0 },
  { published: 4, offset: 0, recovered: true, count: 4 },
  { published: 10, offset: 8, isExpired: true, recovered: false, count: 0 },
  { published: 1, offset: 1, isExpired: true, recovered: true, count: 0 },
];

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + 1 + index);

const offsets = (result: SubscribeResult | undefined): (number | undefined)[] =>
  (result?.publications ?? []).map(({ offset }) => offset);

async function hold(world: WireWorld, row: Row): Promise<void> {
  const server = await world.serve(row.limit === undefined ? {} : { limits: { recoverySize: row.limit } });
  await server.publish("news", ...numbers(0, row.published));
  const { epoch } = (await server.hub.history("news")).position;
  if (row.isExpired) await server.clock.pass(61_000);
  const request = { recover: true, offset: row.offset, epoch };
  const client = await server.connect();
  const result = await client.subscribe("news", request);
  assert.deepEqual(
    { ...result, publications: result.publications ?? [], offset: result.offset ?? 0 },
    {
      recoverable: true,
      positioned: true,
      epoch,
      was_recovering: true,
      ...(row.recovered ? { recovered: true } : {}),
      offset: row.recovered ? row.offset : row.published,
      publications: numbers(row.offset, row.offset + row.count).map((offset) => ({ data: offset, offset })),
    },
    JSON.stringify(row),
  );
  const strict = await server.connect();
  const { error } = await strict.ask({ subscribe: { channel: "news", ...request, flag: 3 } });
  assert.equal(error?.code, row.recovered ? undefined : 112, JSON.stringify(row));
  // Whatever the answer was, live goes on from it; who was refused is in no channel.
  await server.publish("news", "next");
  assert.equal((await client.publication("news")).offset, row.published + 1);
  assert.equal((await strict.everything()).length, row.recovered ? 1 : 0);
}

async function positionOf(server: WireServer): Promise<{ readonly offset: number; readonly epoch: string }> {
  return (await server.hub.history("news", { limit: 0 })).position;
}

/** Loses one publication on the way from the stream to the server's subscribers. */
async function lose(server: WireServer, data: unknown): Promise<void> {
  server.broker.losing = () => true;
  await server.publish("news", data);
  server.broker.losing = undefined;
}

/** A client whom the server itself subscribed to `news`. */
async function serverSide(server: WireServer): Promise<WireClient> {
  const client = await server.connect();
  await server.hub.subscribe({ client: client.id }, "news");
  assert.ok((await client.next("a subscribe push")).push?.subscribe);
  return client;
}

/** The replies to one subscribe and what followed it, as the offsets that the client now has. */
function told(replies: readonly Reply[]): (number | undefined)[] {
  return replies.flatMap(({ subscribe, push }) => [
    ...offsets(subscribe),
    ...(push?.pub === undefined ? [] : [push.pub.offset]),
  ]);
}

export const recoveryLaws: readonly WireLaw[] = [
  {
    name: "where the latest is all that counts, who subscribes is given it, and who has it is not",
    async run(world) {
      const server = await world.serve();
      const early = await server.connect();
      const { epoch, ...empty } = await early.subscribe("price");
      assert.deepEqual(empty, { recoverable: true, positioned: true, was_recovering: true });
      for (let price = 1; price <= 15; price++) await server.publish("price", price);
      await early.everything();
      const latest = [{ data: 15, offset: 15 }];
      const told = { recoverable: true, positioned: true, recovered: true, was_recovering: true, epoch };
      const rows: readonly [Readonly<Record<string, unknown>>, object][] = [
        [{}, { publications: latest }],
        [
          { recover: true, offset: 3, epoch, flag: 2 },
          { publications: latest, offset: 3 },
        ],
        [
          { recover: true, offset: 15, epoch: "another" },
          { publications: latest, offset: 15 },
        ],
        [{ recover: true, offset: 15, epoch }, { offset: 15 }],
      ];
      for (const [request, expected] of rows) {
        const client = await server.connect();
        assert.deepEqual(await client.subscribe("price", request), { ...told, ...expected }, JSON.stringify(request));
        await client.expectNothing();
      }
      await server.clock.pass(61_000);
      const late = await server.connect();
      const { recovered, offset } = await late.subscribe("price", { recover: true, offset: 14, epoch });
      assert.deepEqual([recovered, offset], [undefined, 15]);
      await server.publish("price", 16);
      for (const each of [early, late]) assert.deepEqual((await each.publication("price")).offset, 16);
    },
  },
  {
    name: "of what is published while a client subscribes to the latest, it is told the last, once",
    async run(world) {
      const server = await world.serve();
      await server.publish("price", 1, 2);
      const client = await server.connect();
      server.broker.holdingAnswers.add("streams.history");
      client.say({ id: 9, subscribe: { channel: "price" } });
      await client.expectNothing();
      await server.publish("price", 3, 4);
      server.broker.release();
      assert.deepEqual(offsets((await client.next("the subscribe's reply")).subscribe), [4]);
      await server.publish("price", 5);
      assert.equal((await client.publication("price")).offset, 5);
    },
  },
  {
    name: "who comes back is given exactly what was missed, or told that it is not to be had",
    async run(world) {
      for (const row of ROWS) await hold(world, row);
    },
  },
  {
    name: "a position of another stream is never called recovered: not after a restart",
    async run(world) {
      const before = await world.serve();
      await before.publish("news", 1, 2, 3);
      const { offset, epoch } = await positionOf(before);
      const after = await world.serve();
      await after.publish("news", 1, 2, 3);
      const now = await positionOf(after);
      assert.notEqual(now.epoch, epoch);
      const client = await after.connect();
      assert.deepEqual(await client.subscribe("news", { recover: true, offset, epoch }), {
        recoverable: true,
        positioned: true,
        was_recovering: true,
        epoch: now.epoch,
        offset: 3,
      });
      assert.equal(await client.errorOf({ history: { channel: "news", limit: 1, since: { offset: 1, epoch } } }), 112);
      const strict = await after.connect();
      assert.equal(
        await strict.errorOf({ subscribe: { channel: "news", recover: true, offset, epoch, flag: 2 } }),
        112,
      );
    },
  },
  {
    name: "a stream that nobody used for its meta time begins anew, with another epoch",
    async run(world) {
      const server = await world.serve();
      await server.publish("news", 1, 2);
      const { epoch } = await positionOf(server);
      await server.clock.pass(59 * 60_000);
      assert.deepEqual(await positionOf(server), { offset: 2, epoch });
      await server.clock.pass(61 * 60_000);
      const client = await server.connect();
      const result = await client.subscribe("news", { recover: true, offset: 2, epoch });
      assert.notEqual(result.epoch, epoch);
      assert.deepEqual([result.recovered, result.offset], [undefined, undefined]);
      const since = { offset: 2, epoch };
      assert.equal(await client.errorOf({ history: { channel: "news", limit: 5, since } }), 112);
      await server.publish("news", "first of the new");
      const { offset, epoch: told } = await client.publication("news");
      assert.deepEqual([offset, told], [1, result.epoch]);
    },
  },
  {
    name: "publications are told with their offsets, the first of a stream with its epoch",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const { epoch } = await client.subscribe("news");
      await server.publish("news", "a", "b", "c");
      for (const [index, data] of ["a", "b", "c"].entries()) {
        const expected = { data, offset: index + 1, ...(index === 0 ? { epoch } : {}) };
        assert.deepEqual(await client.publication("news"), expected);
      }
    },
  },
  {
    name: "a gap before a publication ends the subscription with 2500, and recovering fills it",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("news");
      await server.publish("news", 1);
      assert.equal((await client.publication("news")).offset, 1);
      const { epoch } = await positionOf(server);
      await lose(server, 2);
      await server.publish("news", 3);
      assert.deepEqual(await client.next("an unsubscribe push"), {
        push: { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } },
      });
      await server.publish("news", 4);
      await client.expectNothing();
      const result = await client.subscribe("news", { recover: true, offset: 1, epoch });
      assert.equal(result.recovered, true);
      assert.deepEqual(offsets(result), [2, 3, 4]);
    },
  },
  {
    name: "a gap in a subscription that the server made ends the session with 3010",
    async run(world) {
      const server = await world.serve();
      const client = await serverSide(server);
      await lose(server, 1);
      await server.publish("news", 2);
      await client.expectEnd(3010, "insufficient state");
    },
  },
  {
    name: "a lost publication is noticed without further traffic: 2500 for a client's subscription, 3010 for the server's",
    async run(world) {
      const server = await world.serve();
      const own = await server.subscriber("news");
      const given = await serverSide(server);
      await lose(server, 1);
      await server.clock.pass(120_000);
      assert.equal((await own.next("an unsubscribe push")).push?.unsubscribe?.code, 2500);
      await given.expectEnd(3010);
    },
  },
  {
    name: "a publication that the broker tells twice is told once",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("news");
      server.broker.repeating = ({ offset = 0 }) => offset % 2 === 0;
      await server.publish("news", 1, 2, 3, 4, 5);
      assert.deepEqual(told(await client.everything()), [1, 2, 3, 4, 5]);
    },
  },
  {
    name: "publishing and subscribing at once leaves no gap, no repeat and no disorder",
    timeoutMs: 20_000,
    async run(world) {
      const server = await world.serve();
      const publisher = await server.connect();
      let top = 0;
      const publishSome = (count: number): void => {
        for (let left = count; left > 0; left--) publisher.say({ id: 100, publish: { channel: "news", data: ++top } });
      };
      publishSome(3);
      await publisher.everything();
      const { epoch } = await positionOf(server);
      for (let round = 0; round < 30; round++) {
        const client = await server.connect();
        const since = top;
        const isRecovering = round % 2 === 0;
        const isAmid = round % 5 === 2 || round % 5 === 3;
        publishSome(round % 3);
        // The stream is read before, after and amid publications.
        if (round % 5 < 2) server.broker.holding.add("streams.history");
        else if (isAmid) server.broker.holdingAnswers.add("streams.history");
        const recovery = isRecovering ? { recover: true, offset: since, epoch } : {};
        client.say({ id: 9, subscribe: { channel: "news", ...recovery } });
        // The subscribe is under way for certain; in the other rounds it meets the publications somewhere.
        if (isAmid) await client.expectNothing();
        publishSome(round % 4);
        await publisher.everything();
        server.broker.release();
        publishSome(1);
        await publisher.everything();
        const replies = await client.everything();
        const result = replies[0]?.subscribe;
        assert.equal(result?.recovered, isRecovering ? true : undefined);
        assert.deepEqual(told(replies), numbers(result?.offset ?? 0, top), `round ${round}`);
        if (isRecovering) assert.equal(result?.offset, since);
        client.link.cut();
        await client.ended();
      }
    },
  },
];
