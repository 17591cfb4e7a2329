import assert from "node:assert/strict";
import type { WireClient } from "../wire-client.ts";
import type { WireLaw } from "../wire-law.ts";
import type { WireServer } from "../wire-server.ts";

const INTERVAL_MS = 10_000;
const TIMEOUT_MS = 4_000;
const pings = { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS };
/** Timers may come a tick late. */
const TICK_MS = 500;

/** The first ping falls at random into the second half of the interval after the connect. */
async function firstPing(server: WireServer, client: WireClient): Promise<void> {
  await server.clock.pass(INTERVAL_MS / 2 - TICK_MS);
  await client.expectNothing();
  for (let waitedMs = 0; waitedMs <= INTERVAL_MS / 2 + 2 * TICK_MS; waitedMs += TICK_MS) {
    await server.clock.pass(TICK_MS);
    const [ping, ...others] = await client.everything();
    assert.deepEqual(others, []);
    if (ping !== undefined) return assert.deepEqual(ping, {});
  }
  assert.fail("no ping within an interval of the connect");
}

export const pingLaws: readonly WireLaw[] = [
  {
    name: "pings come one interval apart, and a client that answers each of them stays",
    async run(world) {
      const server = await world.serve({ pings });
      const client = await server.connect();
      await firstPing(server, client);
      client.say({});
      const gapsMs: number[] = [];
      for (let gapMs = TICK_MS; gapsMs.length < 5; gapMs += TICK_MS) {
        assert.ok(gapMs <= 2 * INTERVAL_MS, `no ping for ${gapMs} ms`);
        await server.clock.pass(TICK_MS);
        const [ping, ...others] = await client.everything();
        assert.deepEqual(others, []);
        if (ping === undefined) continue;
        assert.deepEqual(ping, {});
        client.say({});
        gapsMs.push(gapMs);
        gapMs = 0;
      }
      for (const gapMs of gapsMs) assert.ok(Math.abs(gapMs - INTERVAL_MS) <= 2 * TICK_MS, `pings ${gapMs} ms apart`);
    },
  },
  {
    name: "a client that leaves a ping unanswered is ended with 3012 when its time is up, not before",
    async run(world) {
      const server = await world.serve({ pings });
      const client = await server.connect();
      await firstPing(server, client);
      // Other commands are no pong.
      await server.clock.pass(TIMEOUT_MS - 2 * TICK_MS);
      await client.expectNothing();
      await server.clock.pass(3 * TICK_MS);
      await client.expectEnd(3012, "no pong");
    },
  },
  {
    name: "a pong that no ping asked for ends the session with 3501",
    async run(world) {
      const server = await world.serve({ pings });
      const client = await server.connect();
      client.say({});
      await client.expectEnd(3501, "bad request");

      const eager = await server.connect();
      await firstPing(server, eager);
      eager.say({});
      await eager.expectNothing();
      eager.say({});
      await eager.expectEnd(3501, "bad request");
    },
  },
  {
    name: "a broker that does not answer delays neither pings nor the end of a session",
    async run(world) {
      const server = await world.serve({ pings });
      const client = await server.subscriber("room");
      assert.ok((await client.next("its own join")).push?.join);
      for (const call of ["streams.history", "streams.publish", "streams.membership"] as const)
        server.broker.holding.add(call);
      for (const call of ["presence.put", "presence.remove", "presence.members"] as const)
        server.broker.holding.add(call);
      client.say({ id: client.newId(), presence: { channel: "room" } });
      await firstPing(server, client);
      client.say({});
      await client.expectNothing();
      await server.hub.disconnect({ client: client.id });
      await client.expectEnd(3503);
    },
  },
];
