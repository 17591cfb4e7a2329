import { describe, expect, it } from "vitest";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

/** Milliseconds that the wheel may be late. */
const TICK_MS = 500;

async function untilPing(test: TestHub, client: TestClient): Promise<number> {
  const startMs = test.clock.now();
  while (!client.transcript.some(({ kind }) => kind === "ping")) {
    if (test.clock.now() - startMs > 60_000) throw new Error("no ping within a minute");
    await test.advance(100);
  }
  client.take();
  return test.clock.now() - startMs;
}

describe("pings", () => {
  it("come first after 12.5 to 25 s, spread at random, then every 25 s", async () => {
    await using test = new TestHub();
    const firsts: number[] = [];
    for (let count = 0; count < 20; count++) {
      const client = await test.client();
      firsts.push(await untilPing(test, client));
      client.session.pong();
      const second = await untilPing(test, client);
      expect(second).toBeGreaterThanOrEqual(25_000 - TICK_MS);
      expect(second).toBeLessThanOrEqual(25_000 + 2 * TICK_MS);
      client.session.closed();
    }
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(12_500 - TICK_MS);
    expect(Math.max(...firsts)).toBeLessThanOrEqual(25_000 + 2 * TICK_MS);
    expect(Math.max(...firsts) - Math.min(...firsts)).toBeGreaterThan(5_000);
  });

  it("go on for a client that answers each of them", async () => {
    await using test = new TestHub();
    const client = await test.client();
    let pings = 0;
    client.onTold = ({ kind }) => {
      if (kind !== "ping") return;
      pings++;
      client.session.pong();
    };
    await test.advance(600_000);
    expect(client.disconnectCode).toBe(undefined);
    expect(pings).toBeGreaterThanOrEqual(23);
    expect(pings).toBeLessThanOrEqual(24);
  });

  it("end the session with 3012 when no pong comes within 8 s", async () => {
    await using test = new TestHub();
    const client = await test.client();
    await untilPing(test, client);
    await test.advance(8_000 - TICK_MS);
    expect(client.take()).toEqual([]);
    await test.advance(3 * TICK_MS);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3012, discard: false }]);
    expect(test.hub.stats().missingPongs).toBe(1);
  });

  it("end the session with 3501 when a pong comes that nobody asked for", async () => {
    await using test = new TestHub();
    const early = await test.client();
    early.session.pong();
    expect(early.take()).toEqual([{ kind: "disconnect", code: 3501, discard: false }]);
    const twice = await test.client();
    await untilPing(test, twice);
    twice.session.pong();
    expect(twice.take()).toEqual([]);
    twice.session.pong();
    expect(twice.take()).toEqual([{ kind: "disconnect", code: 3501, discard: false }]);
  });

  it("can be turned off", async () => {
    await using test = new TestHub({ pings: { intervalMs: 0 } });
    const client = test.newClient().connect();
    expect(client.answerTo("connect").result).toMatchObject({ pingIntervalMs: 0, isPongExpected: false });
    client.take();
    await test.advance(600_000);
    expect(client.take()).toEqual([]);
  });

  it("cut nobody off because this process itself stood still for 20 s", async () => {
    await using test = new TestHub();
    const client = await test.client();
    await untilPing(test, client);
    const silent = test.newClient();
    // Pongs and connects that came meanwhile are read after the timers, as they are in an event loop.
    await test.clock.standStill(20_000);
    expect(client.take()).toEqual([]);
    expect(silent.take()).toEqual([]);
    client.session.pong();
    silent.connect();
    expect(silent.take()).toMatchObject([{ kind: "answer", to: "connect", error: undefined }]);
    client.onTold = silent.onTold = ({ kind }) => {
      if (kind === "ping") (client.transcript.at(-1)?.kind === "ping" ? client : silent).session.pong();
    };
    await test.advance(15_000);
    expect(client.disconnectCode).toBe(undefined);
    expect(test.hub.stats().stallsForgiven).toBeGreaterThan(0);
  });

  it("cut nobody off whose pong lies ready to be read when its time is over", async () => {
    await using test = new TestHub();
    const client = await test.client();
    await untilPing(test, client);
    let isLate = true;
    test.clock.onTurnEnd = () => {
      if (isLate) client.session.pong();
      isLate = false;
    };
    await test.advance(10_000);
    expect(isLate).toBe(false);
    expect(client.take()).toEqual([]);
    await untilPing(test, client);
    await test.advance(10_000);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3012, discard: false }]);
  });

  it("still cut off who stays silent after a stall", async () => {
    await using test = new TestHub();
    const client = await test.client();
    await untilPing(test, client);
    await test.clock.standStill(20_000);
    expect(client.take()).toEqual([]);
    await test.advance(10_000);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3012, discard: false }]);
  });
});
