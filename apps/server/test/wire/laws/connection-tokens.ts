import assert from "node:assert/strict";
import { altered, SECRET, signed, TokenWorld } from "../token-world.ts";
import type { WireLaw } from "../wire-law.ts";
import type { WireServer } from "../wire-server.ts";

/** Tokens of a user who is none, each for a reason of its own. */
function worthless(world: TokenWorld): readonly string[] {
  const claims = { sub: "42", exp: world.at(60) };
  const good = signed(claims);
  const [header = "", body = "", signature = ""] = good.split(".");
  const other = signed({ ...claims, sub: "43" }).split(".")[1];
  return [
    "garbage",
    altered(good),
    `${header}.${other}.${signature}`,
    `${header}.${body}.`,
    `${good}=`,
    signed(claims, { secret: `${SECRET}!` }),
    signed(claims, { header: { alg: "none" } }),
    signed(claims, { header: { alg: "RS256" } }),
    signed(claims, { secret: "mine", header: { jwk: { kty: "oct", k: Buffer.from("mine").toString("base64url") } } }),
    signed({ sub: "42" }),
    signed({ exp: claims.exp }),
    signed({ ...claims, channel: "closed" }),
    signed({ ...claims, iat: world.at(600) }),
    signed({ ...claims, meta: "x".repeat(1_024) }),
  ];
}

async function expectEndOf(server: WireServer, token: string, code: number): Promise<void> {
  const client = await server.dial();
  client.say({ id: 1, connect: { token } });
  await client.expectEnd(code);
}

export const connectionTokenLaws: readonly WireLaw[] = [
  {
    name: "a token that is forged, changed, or not for connecting ends the session with 3500, and is not answered",
    async run(world) {
      const tokens = new TokenWorld({ maxTokenBytes: 1_024 });
      const server = await world.serve(tokens.hub);
      for (const token of worthless(tokens)) await expectEndOf(server, token, 3500);
      const { connect } = await (await server.dial()).connect({ token: tokens.connection("42") });
      assert.equal(connect?.ttl, 60);
    },
  },
  {
    name: "a token that has expired, or is not valid yet, is answered 109, and another connects",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      for (const claims of [{ exp: tokens.at(-1) }, { exp: tokens.at(0) }, { nbf: tokens.at(30) }]) {
        const client = await server.dial();
        const { error } = await client.connect({ token: tokens.connection("42", claims) });
        assert.deepEqual(error, { code: 109, message: "token expired" });
      }
      const token = tokens.connection("42", { exp: tokens.at(30) });
      await server.connect({ token });
      await server.clock.pass(30_000);
      assert.equal((await (await server.dial()).connect({ token })).error?.code, 109);
    },
  },
  {
    name: "who shows no token is ended with 3501, or is nobody in particular where that is allowed",
    async run(world) {
      const strict = await world.serve(new TokenWorld().hub);
      const stranger = await strict.dial();
      stranger.say({ id: 1, connect: {} });
      await stranger.expectEnd(3501);
      const open = new TokenWorld({ allowAnonymous: true });
      const server = await world.serve(open.hub);
      const { connect } = await (await server.dial()).connect();
      assert.deepEqual([connect?.expires, connect?.ttl], [undefined, undefined]);
      await expectEndOf(server, altered(open.connection("42")), 3500);
    },
  },
  {
    name: "a client whose token is over has 25 s for another: then it is ended with 3005, and who refreshed stays",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      const late = await server.dial();
      const { connect } = await late.connect({ token: tokens.connection("42") });
      assert.deepEqual([connect?.expires, connect?.ttl], [true, 60]);
      const refreshing = await server.connect({ token: tokens.connection("43") });
      await server.clock.pass(84_000);
      await late.expectNothing();
      const { refresh } = await refreshing.ask({
        refresh: { token: tokens.connection("43", { exp: tokens.at(600) }) },
      });
      assert.deepEqual(refresh, { expires: true, ttl: 600 });
      await server.clock.pass(2_000);
      await late.expectEnd(3005, "connection expired");
      await server.clock.pass(600_000 + 22_000);
      await refreshing.expectNothing();
      await server.clock.pass(2_000);
      await refreshing.expectEnd(3005);
    },
  },
  {
    name: "a refresh must be with a token of the same user that is good, and for the same channels",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      const good = tokens.connection("42");
      const expired = tokens.connection("42", { exp: tokens.at(-1) });
      const refused: [string, number][] = [
        ["", 3501],
        ["garbage", 3500],
        [altered(good), 3500],
        [tokens.connection("43"), 3500],
        [tokens.subscription("42", "closed"), 3500],
        [expired, 3005],
        [tokens.connection("42", { channels: ["news"] }), 3010],
      ];
      for (const [token, code] of refused) {
        const client = await server.connect({ token: good });
        client.say({ id: 90, refresh: { token } });
        await client.expectEnd(code);
      }
      const client = await server.connect({ token: good });
      assert.equal(
        await client.errorOf({ refresh: { token: tokens.connection("42", { expire_at: tokens.at(-1) }) } }),
        110,
      );
      const forever = tokens.connection("42", { expire_at: 0 });
      assert.deepEqual((await client.ask({ refresh: { token: forever } })).refresh, {});
      await server.clock.pass(600_000);
      await client.expectNothing();
    },
  },
  {
    name: "a token says what others are shown of its client, and where the server subscribes it",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      const token = tokens.connection("42", {
        info: { name: "Ann" },
        meta: { secret: "canary" },
        channels: ["news"],
        subs: { room: { info: { seat: 7 }, data: [1] } },
      });
      const client = await server.dial();
      const { connect } = await client.connect({ token });
      const { position } = await server.hub.history("news");
      assert.deepEqual(connect?.subs, {
        news: { recoverable: true, positioned: true, epoch: position.epoch },
        room: { data: [1] },
      });
      const info = { user: "42", client: client.id, conn_info: { name: "Ann" } };
      assert.deepEqual(await client.next("its own join"), {
        push: { channel: "room", join: { info: { ...info, chan_info: { seat: 7 } } } },
      });
      await client.ask({ publish: { channel: "plain", data: 1 } });
      const { presence } = await client.ask({ presence: { channel: "room" } });
      assert.deepEqual(presence?.presence, { [client.id]: { ...info, chan_info: { seat: 7 } } });
    },
  },
  {
    name: "a token's capabilities open what they name, and nothing else",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      const caps = [
        { channels: ["closed:a"], allow: ["sub"] },
        { channels: ["quiet:*"], match: "wildcard", allow: ["pub"] },
        { channels: ["news"], allow: ["hst"] },
      ];
      const client = await server.connect({ token: tokens.connection("42", { caps }) });
      await client.subscribe("closed:a");
      assert.equal(await client.errorOf({ subscribe: { channel: "closed:b" } }), 103);
      assert.deepEqual((await client.ask({ publish: { channel: "quiet:a", data: 1 } })).publish, {});
      assert.equal(await client.errorOf({ publish: { channel: "quiet", data: 1 } }), 103);
      assert.equal(await client.errorOf({ publish: { channel: "closed:a", data: 1 } }), 103);
      assert.equal((await client.history({ channel: "news", limit: 1 })).offset, 0);
      assert.equal(await client.errorOf({ presence: { channel: "room" } }), 103);
      const other = await server.connect({ token: tokens.connection("43") });
      assert.equal(await other.errorOf({ subscribe: { channel: "closed:a" } }), 103);
      assert.equal(await other.errorOf({ history: { channel: "news", limit: 1 } }), 103);
    },
  },
];
