import assert from "node:assert/strict";
import { altered, signed, TokenWorld } from "../token-world.ts";
import type { WireLaw } from "../wire-law.ts";

export const subscriptionTokenLaws: readonly WireLaw[] = [
  {
    name: "a private channel opens to a token for that very channel and user, and to nothing else",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      const connection = tokens.connection("42");
      const client = await server.connect({ token: connection });
      const good = tokens.subscription("42", "closed:a", { info: { seat: 7 }, data: [1] });
      const refused: [string, number][] = [
        ["", 103],
        ["garbage", 103],
        [altered(good), 103],
        [signed({ sub: "42", channel: "closed:a", exp: tokens.at(60) }, { secret: "another" }), 103],
        [signed({ sub: "42", channel: "closed:a", exp: tokens.at(60) }, { header: { alg: "none" } }), 103],
        [connection, 103],
        [signed({ sub: "42", channel: "closed:a" }), 103],
        [tokens.subscription("42", "closed:a", { exp: tokens.at(-1) }), 109],
      ];
      for (const [token, code] of refused) {
        assert.equal(await client.errorOf({ subscribe: { channel: "closed:a", token } }), code);
      }
      for (const token of [tokens.subscription("42", "closed:b"), tokens.subscription("43", "closed:a")]) {
        const thief = await server.connect({ token: connection });
        thief.say({ id: 90, subscribe: { channel: "closed:a", token } });
        await thief.expectEnd(3500, "invalid token");
      }
      assert.deepEqual(await client.subscribe("closed:a", { token: good }), { expires: true, ttl: 60, data: [1] });
      await server.publish("closed:a", "for members");
      assert.equal((await client.publication("closed:a")).data, "for members");
    },
  },
  {
    name: "a private channel opens to the users whom its name lists",
    async run(world) {
      const tokens = new TokenWorld({ allowAnonymous: true });
      const server = await world.serve(tokens.hub);
      const member = await server.connect({ token: tokens.connection("42") });
      assert.deepEqual(await member.subscribe("closed#42,43"), {});
      for (const token of [tokens.connection("4"), tokens.connection("44"), ""]) {
        const stranger = await server.connect({ token });
        assert.equal(await stranger.errorOf({ subscribe: { channel: "closed#42,43" } }), 103);
        assert.equal(await stranger.errorOf({ subscribe: { channel: "closed#" } }), 103);
      }
    },
  },
  {
    name: "a subscription whose token is over has 25 s for another: then it ends alone with 2501, and who refreshed stays",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      const client = await server.connect({ token: tokens.connection("42", { expire_at: 0 }) });
      const token = (channel: string, seconds: number): string =>
        tokens.subscription("42", channel, { exp: tokens.at(seconds) });
      for (const channel of ["closed:a", "closed:b"]) {
        const { expires, ttl } = await client.subscribe(channel, { token: token(channel, 10) });
        assert.deepEqual([expires, ttl], [true, 10]);
      }
      await client.subscribe("plain");
      await server.clock.pass(34_000);
      await client.expectNothing();
      const request = { channel: "closed:b", token: token("closed:b", 600) };
      assert.deepEqual((await client.ask({ sub_refresh: request })).sub_refresh, { expires: true, ttl: 600 });
      await server.clock.pass(2_000);
      assert.deepEqual(await client.next("the end of a subscription"), {
        push: { channel: "closed:a", unsubscribe: { code: 2501, reason: "subscription expired" } },
      });
      for (const channel of ["closed:a", "closed:b", "plain"]) await server.publish(channel, channel);
      assert.deepEqual(
        (await client.everything()).map(({ push }) => push?.pub?.data),
        ["closed:b", "plain"],
      );
      assert.equal((await client.subscribe("closed:a", { token: token("closed:a", 10) })).ttl, 10);
    },
  },
  {
    name: "a subscription's refresh must be with a token that is good, for this channel and this user",
    async run(world) {
      const tokens = new TokenWorld();
      const server = await world.serve(tokens.hub);
      const connection = tokens.connection("42", { channels: ["news"] });
      const good = tokens.subscription("42", "closed");
      const member = async (): ReturnType<typeof server.connect> => {
        const client = await server.connect({ token: connection });
        await client.subscribe("closed", { token: good });
        return client;
      };
      const client = await member();
      await client.subscribe("plain");
      const errorOf = (channel: string, token: string): Promise<number> =>
        client.errorOf({ sub_refresh: { channel, token } });
      assert.equal(await errorOf("other", good), 103);
      assert.equal(await errorOf("closed", ""), 107);
      assert.equal(await errorOf("closed", tokens.subscription("42", "closed", { exp: tokens.at(-1) })), 110);
      const ending: [string, string, number][] = [
        ["closed", "garbage", 3500],
        ["closed", altered(good), 3500],
        ["closed", connection, 3500],
        ["closed", tokens.subscription("42", "other"), 3500],
        ["closed", tokens.subscription("43", "closed"), 3500],
        ["news", tokens.subscription("42", "news"), 3501],
        ["", good, 3501],
      ];
      for (const [channel, token, code] of ending) {
        const other = await member();
        other.say({ id: 90, sub_refresh: { channel, token } });
        await other.expectEnd(code);
      }
      client.say({ id: 91, sub_refresh: { channel: "plain", token: good } });
      await client.expectEnd(3501);
    },
  },
];
