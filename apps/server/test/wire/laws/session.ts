import assert from "node:assert/strict";
import { DISCONNECTS, ERRORS } from "@polywire/realtime";
import type { Command } from "../encodings.ts";
import type { WireLaw } from "../wire-law.ts";

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Commands that only connected clients may give. */
const COMMANDS: readonly Command[] = [
  { id: 1, subscribe: { channel: "news" } },
  { id: 1, unsubscribe: { channel: "news" } },
  { id: 1, publish: { channel: "news", data: 1 } },
  { id: 1, presence: { channel: "room" } },
  { id: 1, presence_stats: { channel: "room" } },
  { id: 1, history: { channel: "news", limit: 1 } },
  { id: 1, rpc: { method: "fence" } },
  { send: { data: 1 } },
  {},
];

const BREACHES: readonly Command[] = [
  { id: 2, connect: {} },
  {},
  { id: 2 },
  { publish: { channel: "plain", data: 1 } },
  { id: 2, subscribe: {} },
  { id: 2, unsubscribe: {} },
  { id: 2, publish: { data: 1 } },
  { id: 2, presence: {} },
  { id: 2, presence_stats: {} },
  { id: 2, history: { limit: 1 } },
  { id: 2, ping: {} },
  { id: 2, refresh: { token: "t" } },
  { id: 2, subscribe: { channel: "news", delta: "xdelta" } },
];

export const sessionLaws: readonly WireLaw[] = [
  {
    name: "a command before connect ends the session with 3501, and is not answered",
    async run(world) {
      const server = await world.serve({ receive: () => {} });
      for (const command of COMMANDS) {
        const client = await server.dial();
        client.say(command);
        await client.expectEnd(3501, "bad request");
      }
      assert.equal((await server.hub.history("news")).position.offset, 0);
    },
  },
  {
    name: "whatever breaks the protocol ends the session with 3501, and is not answered",
    async run(world) {
      const server = await world.serve();
      for (const command of BREACHES) {
        const client = await server.connect();
        client.say(command);
        await client.expectEnd(3501, "bad request");
      }
    },
  },
  {
    name: "a client that does not connect within 10 s is ended with 3502, not before",
    async run(world) {
      const isRefused = (token = ""): boolean => token === "refused";
      const server = await world.serve({
        authenticate: ({ token }) => (isRefused(token) ? { error: ERRORS.tokenExpired } : { user: "" }),
      });
      const client = await server.dial();
      await server.clock.pass(9_000);
      await client.connect();
      const silent = await server.dial();
      // Where the first word makes the session, it stays one that is not connected when that was refused.
      if (world.transport.isEmulated) await silent.errorOf({ connect: { token: "refused" } });
      await server.clock.pass(9_000);
      await client.expectNothing();
      await server.clock.pass(2_000);
      await silent.expectEnd(3502, "stale");
      await client.expectNothing();
    },
  },
  {
    name: "the connect's reply names the client, the server and the pings, and is the first thing said",
    async run(world) {
      const server = await world.serve({ version: "7.1", pings: { intervalMs: 25_000 } });
      const clients = [await server.dial(), await server.dial()];
      const ids = new Set<string>();
      for (const client of clients) {
        const { connect: whole } = await client.connect({ name: "js", version: "5.8.0" });
        const { session, node, ...connect } = whole ?? {};
        const isUuid = (text = ""): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
        // Who sends its commands apart must be able to say whose they are, and nobody else is told a secret.
        assert.deepEqual([isUuid(session), isUuid(node)], Array(2).fill(world.transport.isEmulated));
        assert.notEqual(session, connect.client);
        assert.match(connect?.client ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        assert.deepEqual({ ...connect, client: "" }, { client: "", version: "7.1", ping: 25, pong: true });
        ids.add(connect?.client ?? "");
      }
      assert.equal(ids.size, 2);
    },
  },
  {
    name: "commands of one frame are taken in order, connect first, however long connecting takes",
    async run(world) {
      const { promise, resolve } = Promise.withResolvers<{ user: string }>();
      const server = await world.serve({ authenticate: () => promise });
      const client = await server.dial();
      client.say(
        { id: 1, connect: {} },
        { id: 2, subscribe: { channel: "log" } },
        { id: 3, publish: { channel: "log", data: "a" } },
        { id: 4, publish: { channel: "log", data: "b" } },
        { id: 5, history: { channel: "log", limit: 10 } },
      );
      client.say({ id: 6, publish: { channel: "log", data: "c" } });
      resolve({ user: "42" });
      assert.equal((await client.next("the connect's reply")).id, 1);
      assert.equal((await client.next("the subscribe's reply")).id, 2);
      const rest = [];
      while (rest.length < 7) rest.push(await client.next("replies and publications"));
      assert.deepEqual(
        rest.flatMap(({ push }) => (push?.pub === undefined ? [] : [push.pub.data])),
        ["a", "b", "c"],
      );
      const history = rest.find(({ id }) => id === 5)?.history;
      assert.deepEqual(
        history?.publications?.map(({ data }) => data),
        ["a", "b"],
      );
    },
  },
  {
    name: "a refused connect is answered with its error, and whoever goes on is ended with 3501",
    async run(world) {
      const server = await world.serve({ authenticate: () => ({ error: ERRORS.tokenExpired }) });
      const client = await server.dial();
      const { error } = await client.connect({ token: "old" });
      assert.deepEqual(error, { code: 109, message: "token expired" });
      // Without a session there is nothing to say where that takes the session's name.
      if (world.transport.isEmulated) return;
      client.say({ id: 2, connect: {} });
      await client.expectEnd(3501);
    },
  },
  {
    name: "a connect that the program ends is not answered",
    async run(world) {
      const server = await world.serve({ authenticate: () => ({ disconnect: DISCONNECTS.invalidToken }) });
      const client = await server.dial();
      client.say({ id: 1, connect: { token: "garbage" } });
      await client.expectEnd(3500, "invalid token");
    },
  },
  {
    name: "a client is told the very code and reason that the program gives for its end",
    async run(world) {
      const server = await world.serve({ authenticate: () => ({ user: "42" }) });
      const client = await server.connect();
      const spared = await server.connect();
      await server.hub.disconnect("42", { disconnect: { code: 4321, reason: "till later" }, except: [spared.id] });
      await client.expectEnd(4321, "till later");
      await spared.expectNothing();
      await server.hub.disconnect({ client: spared.id });
      await spared.expectEnd(3503, "force disconnect");
    },
  },
  {
    name: "a user has as many sessions as the limit says: the next is ended with 3504, and strangers are none of them",
    async run(world) {
      const server = await world.serve({
        limits: { sessionsPerUser: 2 },
        authenticate: ({ token = "" }) => ({ user: token }),
      });
      const clients = [await server.connect({ token: "ann" }), await server.connect({ token: "ann" })];
      const third = await server.dial();
      third.say({ id: 1, connect: { token: "ann" } });
      await third.expectEnd(3504, "connection limit");
      for (const token of ["bob", "", "", ""]) await server.connect({ token });
      clients[0]?.link.cut();
      await clients[0]?.ended();
      while (server.hub.stats().sessions > 5) await clients[1]?.expectNothing();
      await server.connect({ token: "ann" });
    },
  },
  {
    name: "everyone is told 3001 when the server shuts down",
    async run(world) {
      const server = await world.serve();
      const clients = [await server.connect(), await server.subscriber("news")];
      if (!world.transport.isEmulated) clients.push(await server.dial());
      const closed = server.network.close();
      for (const client of clients) await client.expectEnd(3001, "shutdown");
      await closed;
    },
  },
  {
    name: "a message that nobody takes ends the session with 3508",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      client.say({ send: { data: 1 } });
      await client.expectEnd(3508, "not available");
    },
  },
  {
    name: "the server's messages, subscriptions and their ends are told",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      await server.hub.send({ client: client.id }, { hello: "you" });
      assert.deepEqual(await client.next("a message"), { push: { message: { data: { hello: "you" } } } });
      await server.publish("news", 0);
      await server.hub.subscribe({ client: client.id }, "news", { data: encode({ why: "api" }) });
      const { push } = await client.next("a subscribe push");
      const { position } = await server.hub.history("news");
      assert.deepEqual(push, {
        channel: "news",
        subscribe: { recoverable: true, positioned: true, epoch: position.epoch, offset: 1, data: { why: "api" } },
      });
      await server.publish("news", 1);
      assert.equal((await client.publication("news")).offset, 2);
      await server.hub.unsubscribe({ client: client.id }, "news");
      assert.deepEqual(await client.next("an unsubscribe push"), {
        push: { channel: "news", unsubscribe: { code: 2000, reason: "server unsubscribe" } },
      });
      await server.publish("news", 2);
      await client.expectNothing();
    },
  },
  {
    name: "subscriptions that the server makes come with the connect's reply, and recover what was missed",
    async run(world) {
      const server = await world.serve({
        authenticate: () => ({ user: "42", channels: ["news:42", "room"], data: encode([1]) }),
      });
      const client = await server.dial();
      const { connect } = await client.connect();
      const { position } = await server.hub.history("news:42");
      assert.deepEqual(connect?.data, [1]);
      assert.deepEqual(connect?.subs, {
        "news:42": { recoverable: true, positioned: true, epoch: position.epoch },
        room: {},
      });
      assert.ok((await client.next("its own join")).push?.join);
      assert.equal(await client.errorOf({ subscribe: { channel: "news:42" } }), 105);
      await server.publish("news:42", "seen");
      assert.equal((await client.publication("news:42")).data, "seen");
      client.link.cut();
      await client.ended();
      await server.publish("news:42", "missed");

      const back = await server.dial();
      const subs = { "news:42": { recover: true, offset: 1, epoch: position.epoch }, other: { recover: true } };
      const again = await back.connect({ subs });
      const recovered = again.connect?.subs?.["news:42"];
      assert.equal(recovered?.recovered, true);
      assert.deepEqual(recovered?.publications, [{ data: "missed", offset: 2 }]);
      assert.equal(again.connect?.subs?.["other"], undefined);
    },
  },
  {
    name: "nobody is who it claims to be: the server says who published",
    async run(world) {
      const server = await world.serve({
        authenticate: ({ token = "" }) => ({ user: token, connectionInfo: encode({ name: token }) }),
      });
      const witness = await server.subscriber("news");
      const claim = { user: "admin", client: "spoofed", conn_info: { name: "admin" } };
      const spoofer = await server.connect({
        token: "mallory",
        name: "admin",
        data: claim,
        headers: { user: "admin" },
      });
      const claiming = { channel: "news", data: { info: claim }, info: claim };
      assert.deepEqual((await spoofer.ask({ publish: claiming })).publish, {});
      const { info } = await witness.publication("news");
      assert.deepEqual(info, { user: "mallory", client: spoofer.id, conn_info: { name: "mallory" } });
    },
  },
];
