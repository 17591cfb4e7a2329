import assert from "node:assert/strict";
import { PolywireError } from "@polywire/core";
import { ERRORS } from "@polywire/realtime";
import type { Command, Reply } from "../encodings.ts";
import type { WireLaw } from "../wire-law.ts";

/** The protocol's table. Clients try again only where `temporary` says so. */
const TABLE: ReadonlyMap<number, NonNullable<Reply["error"]>> = new Map(
  [
    { code: 100, message: "internal server error", temporary: true },
    { code: 101, message: "unauthorized" },
    { code: 102, message: "unknown channel" },
    { code: 103, message: "permission denied" },
    { code: 104, message: "method not found" },
    { code: 105, message: "already subscribed" },
    { code: 106, message: "limit exceeded" },
    { code: 107, message: "bad request" },
    { code: 108, message: "not available" },
    { code: 109, message: "token expired" },
    { code: 110, message: "expired" },
    { code: 111, message: "too many requests", temporary: true },
    { code: 112, message: "unrecoverable position" },
  ].map((error) => [error.code, error]),
);

const since = { offset: 1, epoch: "another" };

/** How each error comes about by itself. */
const CAUSES: readonly [number, Command][] = [
  [100, { rpc: { method: "broken", data: 1 } }],
  [102, { subscribe: { channel: "uncovered" } }],
  [102, { publish: { channel: "uncovered", data: 1 } }],
  [102, { history: { channel: "uncovered" } }],
  [103, { subscribe: { channel: "closed" } }],
  [103, { publish: { channel: "quiet", data: 1 } }],
  [103, { publish: { channel: "room", data: 1 } }],
  [103, { history: { channel: "news:other" } }],
  [103, { presence: { channel: "room" } }],
  [104, { rpc: { method: "unheard of", data: 1 } }],
  [105, { subscribe: { channel: "news" } }],
  [107, { subscribe: { channel: `plain${"x".repeat(251)}` } }],
  [107, { publish: { channel: "plain" } }],
  [108, { history: { channel: "plain" } }],
  [108, { presence: { channel: "plain" } }],
  [108, { presence_stats: { channel: "plain" } }],
  [112, { history: { channel: "news", limit: 1, since } }],
  [112, { subscribe: { channel: "news:2", recover: true, ...since, flag: 2 } }],
];

export const errorLaws: readonly WireLaw[] = [
  {
    name: "every error says what the protocol's table says, and whether trying again may help",
    async run(world) {
      const answers = new Map(Object.values(ERRORS).map((error) => [error.code, error]));
      const server = await world.serve({
        procedures: {
          broken: () => {
            throw new Error("broken");
          },
          ...Object.fromEntries([...answers].map(([code, error]) => [`error${code}`, () => ({ error })])),
        },
      });
      const client = await server.subscriber("news");
      for (const [code, error] of TABLE) {
        const reply = await client.ask({ rpc: { method: `error${code}`, data: 1 } });
        assert.deepEqual(reply.error, error);
      }
      assert.deepEqual(new Set(answers.keys()), new Set(TABLE.keys()));
      // Ten bad requests within ten seconds would end the session.
      for (const [code, command] of CAUSES) {
        const { error } = await client.ask(command);
        assert.deepEqual(error, TABLE.get(code), JSON.stringify(command));
      }
    },
  },
  {
    name: "what a failing broker keeps from being done is answered 100, and an overfull one 111, both temporary",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("news");
      await client.subscribe("room");
      await client.everything();
      const commands: readonly [Parameters<typeof server.broker.failing.set>[0], Command][] = [
        ["streams.publish", { publish: { channel: "news", data: 1 } }],
        ["streams.history", { history: { channel: "news", limit: 1 } }],
        ["streams.subscribe", { subscribe: { channel: "plain" } }],
        ["presence.members", { presence: { channel: "room" } }],
        ["presence.stats", { presence_stats: { channel: "room" } }],
      ];
      for (const [call, command] of commands) {
        server.broker.failing.set(call, new PolywireError("not-available", "down"));
        assert.deepEqual((await client.ask(command)).error, TABLE.get(100), call);
        server.broker.failing.clear();
      }
      server.broker.failing.set("streams.publish", new PolywireError("overflow", "full"));
      assert.deepEqual((await client.ask({ publish: { channel: "news", data: 1 } })).error, TABLE.get(111));
      server.broker.failing.clear();
      assert.deepEqual((await client.askAmid({ publish: { channel: "news", data: 1 } })).reply.publish, {});
    },
  },
  {
    name: "commands whose answers are awaited are bounded: the one too many is answered 111, temporary",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("news");
      server.broker.holding.add("streams.history");
      const history = (id: number): Command => ({ id, history: { channel: "news" } });
      for (let frame = 0; frame < 4; frame++) {
        client.say(...Array.from({ length: 256 }, (_, index) => history(10_000 + frame * 256 + index)));
      }
      client.say(history(9_000));
      const { id, error } = await client.next("the answer to the one too many");
      assert.deepEqual([id, error], [9_000, TABLE.get(111)]);
      server.broker.release();
      await client.next("the first of the others");
    },
  },
  {
    name: "an error leaves the session as it was",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("news");
      for (const code of [102, 103, 105, 108]) {
        const [, command] = CAUSES.find(([caused]) => caused === code) ?? [];
        assert.ok(command);
        assert.equal(await client.errorOf(command), code);
        await server.publish("news", code);
        assert.equal((await client.publication("news")).data, code);
      }
    },
  },
  {
    name: "ten bad commands within ten seconds end the session with 3509, nine do not",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const bad = { publish: { channel: "plain" } };
      for (let count = 1; count < 10; count++) assert.equal(await client.errorOf(bad), 107);
      await server.clock.pass(10_500);
      for (let count = 1; count < 10; count++) assert.equal(await client.errorOf(bad), 107);
      assert.equal(await client.errorOf(bad), 107);
      await client.expectEnd(3509, "too many errors");
    },
  },
];
