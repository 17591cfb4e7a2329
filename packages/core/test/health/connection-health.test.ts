import { expect, test } from "vitest";
import { PolywireError } from "../../src/index.ts";
import { FaultWire } from "../fault-wire.ts";
import { FaultWorld } from "../fault-world.ts";
import { turns } from "../opened-network.ts";

/** Quick, so that stories are short: a check every ten seconds, every two while it fails. */
const QUICK = { intervalMs: 10_000, failingIntervalMs: 2_000 };

test("a peer that stops answering: degraded, unhealthy, its link replaced, healthy again with the next one, each told once", async () => {
  await using world = new FaultWorld();
  const onNetwork: string[] = [];
  world.network.on(
    "health",
    ({ id, from, to, direction }) => void onNetwork.push(`${id} ${direction} ${from} > ${to}`),
  );
  const told = (await world.connect({ health: QUICK })).ignoreQuality();
  await world.pass(25_000);
  world.wire.conditions.isBlackHole = true;
  await world.pass(20_000);
  world.wire.conditions.isBlackHole = false;
  await world.pass(30_000);
  expect(told.connection.state).toBe("ready");
  expect(told.connection.generation).toBe(2);
  expect(told.healthSteps).toEqual([
    "healthy > degraded: it failed a health check",
    "degraded > unhealthy: it failed too many health checks",
    "unhealthy > healthy: the link is up",
  ]);
  const { id } = told.connection;
  expect(onNetwork).toEqual([
    `${id} dialled unknown > healthy`,
    `${id} dialled healthy > degraded`,
    `${id} dialled degraded > unhealthy`,
    `${id} dialled unhealthy > healthy`,
  ]);
  expect(told.disconnects).toHaveLength(1);
  expect(told.disconnects[0]).toMatchObject({
    willReconnect: true,
    closeInfo: { by: "network", clean: false, retryable: true, error: { code: "timed-out" } },
  });
  expect(world.wire.all[0]?.isGone).toBe(true);
  expect(world.errors).toEqual([]);
});

test("a black hole is noticed within one interval and the time an answer may take", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: { intervalMs: 3_000 } })).ignoreQuality();
  await world.pass(20_000);
  const holeAtMs = world.clock.now();
  world.wire.conditions.isBlackHole = true;
  let noticedAtMs = Infinity;
  told.connection.on("health", () => {
    noticedAtMs = Math.min(noticedAtMs, world.clock.now());
  });
  await world.pass(10_000);
  // 15 % of jitter, and rounds twice a second for the beginning and the end of a check. The RTO is a second.
  expect(noticedAtMs - holeAtMs).toBeLessThanOrEqual(3_000 * 1.15 + 500 + 1_000 + 500);
});

test("a failure now and then is degraded, and healthy with the next success: no flapping to unhealthy", async () => {
  await using world = new FaultWorld();
  let checks = 0;
  const check = (): void => {
    if (++checks % 3 !== 1) throw new Error("disk full");
  };
  const told = (await world.connect({ health: { ...QUICK, check } })).ignoreQuality();
  await world.pass(300_000);
  expect(checks).toBeGreaterThan(50);
  expect(told.healthSteps.length).toBeGreaterThan(30);
  expect(new Set(told.healthSteps)).toEqual(
    new Set(["healthy > degraded: it failed a health check", "degraded > healthy: it answers"]),
  );
});

test("an own check that fails makes unhealthy and spares the link; two successes make healthy", async () => {
  await using world = new FaultWorld();
  let isWell = false;
  const signals: AbortSignal[] = [];
  const check = async (signal: AbortSignal): Promise<void> => {
    signals.push(signal);
    await turns(1);
    if (!isWell) throw new PolywireError("not-available", "the database is gone");
  };
  const told = (await world.connect({ health: { ...QUICK, check } })).ignoreQuality();
  await world.pass(20_000);
  expect(told.connection.health).toMatchObject({
    status: "unhealthy",
    checked: "unhealthy",
    error: { code: "not-available", message: "the database is gone" },
  });
  isWell = true;
  const asked = signals.length;
  while (signals.length === asked) await world.pass(500);
  expect(told.connection.health.checked).toBe("unhealthy");
  while (signals.length === asked + 1) await world.pass(500);
  expect(told.connection.health).toEqual({ status: "healthy", checked: "healthy", failures: 0, error: undefined });
  expect(told.connection.generation).toBe(1);
  expect(told.connection.quality.samples).toBe(0);
});

test("P37: an own check that throws or never settles is a failure and nothing else: no error, no crash, the next in time", async () => {
  for (const check of [
    () => {
      throw new Error("oops");
    },
    () => new Promise<void>(() => {}),
    () => Promise.reject(new Error("later")),
  ]) {
    await using world = new FaultWorld();
    const told = (await world.connect({ health: { ...QUICK, check } })).ignoreQuality();
    await world.pass(60_000);
    expect(told.connection.health).toMatchObject({ status: "unhealthy", checked: "unhealthy" });
    expect(told.connection.health.failures).toBeGreaterThanOrEqual(6);
    expect(told.connection.state).toBe("ready");
    expect(told.disconnects).toEqual([]);
    expect(world.errors).toEqual([]);
  }
});

test("a peer that talks but answers no ping is unhealthy and keeps its link; once it falls silent too it is replaced", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: QUICK })).ignoreQuality();
  await world.pass(12_000);
  world.wire.conditions.isBlackHole = true;
  for (let second = 0; second < 40; second++) {
    world.wire.last.says("busy");
    await world.pass(1_000);
  }
  expect(told.connection.health.status).toBe("unhealthy");
  expect(told.disconnects).toEqual([]);
  await world.pass(10_000);
  expect(told.disconnects).toHaveLength(1);
});

test("replace: false leaves the link of a silent peer to the program", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: { ...QUICK, replace: false } })).ignoreQuality();
  await world.pass(12_000);
  world.wire.conditions.isBlackHole = true;
  await world.pass(120_000);
  expect(told.connection.health.status).toBe("unhealthy");
  expect(told.disconnects).toEqual([]);
});

test("where the wire has no ping nobody is asked, and the peer counts as healthy", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = (await world.connect({ health: QUICK })).ignoreQuality();
  world.wire.conditions.isBlackHole = true;
  await world.pass(300_000);
  expect(world.wire.pinged).toBe(0);
  expect(told.connection.health).toMatchObject({ status: "healthy", checked: "unknown" });
});

test("health: false asks nothing either", async () => {
  await using world = new FaultWorld();
  (await world.connect({ health: false })).ignoreQuality();
  await world.pass(300_000);
  expect(world.wire.pinged).toBe(0);
});

test("a link slower than the first second of RFC 6298 is measured, and not given up", async () => {
  await using world = new FaultWorld();
  world.wire.conditions.roundTripMs = 1_900;
  const told = (await world.connect({ health: QUICK })).ignoreQuality();
  await world.pass(300_000);
  // What it is known for: a network on which no conversation is possible.
  expect(told.healthSteps).toEqual(["healthy > degraded: the network is critical"]);
  expect(told.connection.health).toMatchObject({ checked: "healthy", failures: 0 });
  expect(told.connection.quality.roundTripMs).toBeCloseTo(1_900, 6);
  expect(told.connection.generation).toBe(1);
});

test("a link that becomes slower than what it was known for is measured anew, and not given up", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: QUICK })).ignoreQuality();
  await world.pass(60_000);
  world.wire.conditions.roundTripMs = 2_500;
  await world.pass(300_000);
  expect(told.disconnects).toEqual([]);
  expect(told.connection.health).toMatchObject({ checked: "healthy", failures: 0 });
});

test.each([
  ["ping", {}],
  ["payload", { check: { send: "?", expect: "?" } }],
])("a paused connection's peer is not blamed, nor for the %s that was under way", async (_what, check) => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: { ...QUICK, ...check, unhealthyAfter: 1 } })).ignoreQuality();
  world.wire.conditions.roundTripMs = 900;
  for (let round = 0; round < 30; round++) {
    await world.pass(700 + 430 * round);
    told.connection.pause();
    await world.pass(60_000);
    told.connection.resume();
  }
  expect(world.wire.pinged + world.wire.sent.length).toBeGreaterThan(10);
  // No answer that waited for the reading was measured.
  expect(told.connection.quality.roundTripMs).toBeLessThan(1_500);
  expect(told.healthSteps).toEqual([]);
  expect(told.connection.health).toMatchObject({ status: "healthy", failures: 0 });
  expect(told.connection.generation).toBe(1);
});

test("nor is the peer of one whose interceptor takes its time with a message", async () => {
  let release: () => void = () => {};
  const slow = {
    asynchronous: ["receive" as const],
    receive: (next: (payload: never, connection: never) => unknown) => async (payload: never, connection: never) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await next(payload, connection);
    },
  };
  await using world = new FaultWorld(new FaultWire(), { interceptors: [slow as never] });
  const told = (await world.connect({ health: { ...QUICK, unhealthyAfter: 1 } })).ignoreQuality();
  await world.pass(1_000);
  world.wire.last.says("think about it");
  await world.pass(60_000);
  expect(told.healthSteps).toEqual([]);
  release();
  await world.pass(12_000);
  expect(told.connection.health).toMatchObject({ status: "healthy", checked: "healthy" });
});

test("a payload is sent to be answered; the answer, in time or late, is not delivered", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = (
    await world.connect({ health: { ...QUICK, check: { send: "are you well?", expect: "are you well?" } } })
  ).ignoreQuality();
  const delivered: unknown[] = [];
  told.connection.on("data", (payload) => void delivered.push(payload));
  await world.pass(30_000);
  expect(told.connection.health).toMatchObject({ status: "healthy", checked: "healthy" });
  expect(told.connection.quality.roundTripMs).toBeCloseTo(5, 6);
  // The RTO is a second: the answers come when they are given up.
  world.wire.conditions.roundTripMs = 1_700;
  await world.pass(30_000);
  told.connection.send("hello");
  await world.pass(5_000);
  expect(delivered).toEqual(["hello"]);
  expect(world.wire.sent.filter((payload) => payload === "are you well?").length).toBeGreaterThanOrEqual(4);
  expect(told.connection.messagesOut).toBe(world.wire.sent.length);
});

test.each<[string, string | Uint8Array, string | Uint8Array | ((payload: string | Uint8Array) => boolean)]>([
  ["bytes", new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  ["text that a wire without text turns into bytes", new TextEncoder().encode("ping"), "ping"],
  ["a rule", '{"id":7}', (payload) => String(payload).startsWith('{"id":')],
])("a payload check knows its answer by %s", async (_what, send, expected) => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = (await world.connect({ health: { ...QUICK, check: { send, expect: expected } } })).ignoreQuality();
  await world.pass(12_000);
  expect(told.connection.health.checked).toBe("healthy");
  expect(told.connection.messagesIn).toBe(1);
});

test("a rule of a payload check that throws is a failed check, and the message is delivered", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const expected = (): boolean => {
    throw new Error("a bug of the program");
  };
  const told = (await world.connect({ health: { ...QUICK, check: { send: "x", expect: expected } } })).ignoreQuality();
  const delivered: unknown[] = [];
  told.connection.on("data", (payload) => void delivered.push(payload));
  await world.pass(12_000);
  expect(told.healthSteps[0]).toBe("healthy > degraded: it failed a health check");
  expect(told.connection.health.error).toMatchObject({
    code: "internal",
    message: "health.check.expect threw: a bug of the program",
  });
  expect(new Set(delivered)).toEqual(new Set(["x"]));
  expect(told.connection.state).toBe("ready");
});

test("a payload that the link refuses is a failed check at once", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const check = { send: "are you well?", expect: "yes" };
  const told = (await world.connect({ health: { ...QUICK, check } })).ignoreQuality();
  world.wire.conditions.isFull = true;
  while (told.health.length === 0) await world.pass(500);
  expect(told.health[0]).toMatchObject({ to: "degraded", error: { code: "limit-reached" } });
  expect(told.connection.health.failures).toBe(1);
});

test("what was expected on one link is an ordinary message on the next", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = (await world.connect({ health: { ...QUICK, check: { send: "?", expect: "yes" } } })).ignoreQuality();
  const delivered: unknown[] = [];
  told.connection.on("data", (payload) => void delivered.push(payload));
  world.wire.conditions.isBlackHole = true;
  while (world.wire.sent.length === 0) await world.pass(500);
  world.wire.conditions.isBlackHole = false;
  world.wire.last.breaks();
  while (told.connection.state !== "ready") await world.pass(100);
  world.wire.last.says("yes");
  expect(delivered).toEqual(["yes"]);
});

test("a wrong answer is delivered, and the check fails; a silent peer behind it is replaced", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = (await world.connect({ health: { ...QUICK, check: { send: "ping", expect: "pong" } } })).ignoreQuality();
  const delivered: unknown[] = [];
  told.connection.on("data", (payload) => void delivered.push(payload));
  await world.pass(30_000);
  expect(told.connection.health.status).toBe("unhealthy");
  expect(new Set(delivered)).toEqual(new Set(["ping"]));
  // It says something each time, so it is not gone.
  expect(told.disconnects).toEqual([]);
});

test('"dial" asks by one more dial, whose link is given up at once; the connection keeps its own', async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = (await world.connect({ health: { ...QUICK, check: "dial" } })).ignoreQuality();
  await world.pass(30_000);
  const dialled = world.wire.all.length;
  expect(dialled).toBeGreaterThanOrEqual(3);
  expect(world.wire.all.slice(1).every((link) => link.isGone)).toBe(true);
  expect(told.connection.health.checked).toBe("healthy");
  world.wire.refuses = new PolywireError("connection-refused", "nobody listens");
  await world.pass(20_000);
  expect(told.connection.health).toMatchObject({ status: "unhealthy", error: { code: "connection-refused" } });
  expect(told.disconnects).toEqual([]);
  expect(told.connection.link.isGone).toBe(false);
});

test("a dial that gets no answer is given up with its check", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = (await world.connect({ health: { ...QUICK, check: "dial", timeoutMs: 3_000 } })).ignoreQuality();
  world.wire.conditions.isBlackHole = true;
  await world.pass(15_000);
  expect(told.connection.health).toMatchObject({ failures: expect.any(Number), error: { code: "timed-out" } });
  world.wire.conditions.isBlackHole = false;
  await world.pass(10_000);
  expect(told.connection.health).toMatchObject({ checked: "healthy", failures: 0 });
});

test("while there is no link the peer is unhealthy, at rest unknown, while it drains draining", async () => {
  await using world = new FaultWorld();
  const idle = world.network.connection("fault://there");
  expect(idle.health).toEqual({ status: "unknown", checked: "unknown", failures: 0, error: undefined });
  const told = (await world.connect()).ignoreQuality();
  world.wire.refuses = new PolywireError("connection-refused", "nobody listens");
  world.wire.last.breaks();
  expect(told.connection.health.status).toBe("unhealthy");
  await world.pass(30_000);
  world.wire.refuses = undefined;
  await world.pass(30_000);
  const closed = told.connection.close();
  expect(told.connection.health.status).toBe("draining");
  await closed;
  expect(told.connection.health.status).toBe("unknown");
  expect(told.healthSteps).toEqual([
    "healthy > unhealthy: the link was lost",
    "unhealthy > healthy: the link is up",
    "healthy > draining: closed by the program",
    "draining > unknown: the link is gone",
  ]);
});

test("a lazy connection without a link is not unhealthy, nor when it dials again; when that fails it is", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ reconnect: { lazy: true } })).ignoreQuality();
  await world.pass(60_000);
  world.wire.last.breaks();
  expect(told.connection.health.status).toBe("unknown");
  told.connection.connect();
  await world.pass(100);
  expect(told.healthSteps).toEqual(["healthy > unknown: the link was lost", "unknown > healthy: the link is up"]);
  await world.pass(60_000);
  world.wire.last.breaks();
  world.wire.refuses = new PolywireError("connection-refused", "nobody listens");
  told.connection.connect();
  await world.pass(100);
  expect(told.connection.health.status).toBe("unhealthy");
});

test("a poor network makes a peer degraded that answers its checks", async () => {
  await using world = new FaultWorld();
  const told = await world.connect();
  await world.pass(20_000);
  Object.assign(world.wire.conditions, { roundTripMs: 600, jitterMs: 350 });
  await world.pass(60_000);
  expect(told.connection.health).toMatchObject({ status: "degraded", failures: 0 });
  expect(told.healthSteps.at(-1)).toMatch(/^healthy > degraded: the network is (poor|critical)$/);
});

test("everybody's checks are one timer, and they do not fall into step", async () => {
  await using world = new FaultWorld();
  for (let count = 0; count < 200; count++) (await world.connect({ health: { intervalMs: 60_000 } })).ignoreQuality();
  expect(world.clock.pending).toBe(1);
  const pinged: number[] = [];
  for (let second = 0; second < 240; second++) {
    const before = world.wire.pinged;
    await world.pass(1_000);
    pinged.push(world.wire.pinged - before);
  }
  // 200 a minute, evenly spread, are 3.3 a second.
  expect(Math.max(...pinged)).toBeLessThanOrEqual(12);
  expect(pinged.reduce((sum, one) => sum + one)).toBeGreaterThanOrEqual(3 * 200);
});

test("explain tells of the link that was given up, and why", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: QUICK })).ignoreQuality();
  await world.pass(12_000);
  world.wire.conditions.isBlackHole = true;
  await world.pass(16_000);
  const explanation = told.connection.explain();
  expect(explanation.lastError).toMatchObject({ code: "timed-out" });
  expect(String(explanation)).toContain("last error: timed-out: no answer to a health check within 1000 ms");
  expect(explanation.timeline.some(({ what, detail }) => what === "backoff" && detail === "the link was lost")).toBe(
    true,
  );
});

test("nothing is left behind: no timer, whatever was under way", async () => {
  await using world = new FaultWorld();
  const told = await world.connect({ health: { ...QUICK, check: { send: "x", expect: "y" } } });
  await world.pass(11_000);
  world.wire.conditions.isBlackHole = true;
  await world.pass(3_000);
  await told.connection.close({ discard: true });
  await world.network.close();
  // The pings' own deadlines belong to the wire.
  world.clock.advance(8_000);
  expect(world.clock.pending).toBe(0);
});
