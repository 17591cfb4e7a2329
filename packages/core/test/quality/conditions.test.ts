import { expect, test } from "vitest";
import { FaultWire } from "../fault-wire.ts";
import { FaultWorld } from "../fault-world.ts";

const WINDOW_MS = 5_000;

type Profile = "realtime" | "rpc";

/** Round trip and jitter in milliseconds, loss as a share, what all that scores; and within how many windows it is told. */
type Row = readonly [
  Profile,
  rtt: number,
  jitter: number,
  loss: number,
  score: number,
  is: string,
  worst: string,
  windows: number,
];

/*
 * realtime: 100 − D(RTT/2 + 2 J) − 2.5 × loss in percent, where D(x) is x/40 up to 160 ms and (x − 120)/10 beyond; excellent from
 * 80, good from 70, fair from 60, poor from 50. J of a round trip that is evenly spread over ± j is 2 j/3.
 *
 * rpc: Apdex with T = 50 ms here, four times 5 ms being less; tolerable up to 200 ms; excellent from 94, good from 85, fair from 70,
 * poor from 50.
 *
 * What happened 10 s ago counts for 1/e, so after three windows 78 % of what there was is new: a share near the end of its band takes
 * two windows more.
 */
const ROWS: readonly Row[] = [
  ["realtime", 5, 0, 0, 99.9, "excellent", "rtt", 3],
  ["realtime", 300, 0, 0, 96.3, "excellent", "rtt", 3],
  ["realtime", 200, 60, 0, 93.9, "excellent", "jitter", 3],
  ["realtime", 740, 0, 0, 75, "good", "rtt", 3],
  ["realtime", 300, 180, 0, 73, "good", "jitter", 3],
  ["realtime", 40, 0, 1 / 11, 76.8, "good", "loss", 3],
  ["realtime", 950, 0, 0, 64.5, "fair", "rtt", 3],
  ["realtime", 400, 240, 0, 60, "fair", "jitter", 3],
  ["realtime", 40, 0, 1 / 6.5, 61, "fair", "loss", 5],
  ["realtime", 600, 230, 0, 51.3, "poor", "jitter", 3],
  ["realtime", 40, 0, 1 / 5.5, 54, "poor", "loss", 5],
  ["realtime", 400, 50, 1 / 5, 35.3, "critical", "loss", 3],
  ["realtime", 800, 200, 0.2, 0, "critical", "loss", 3],
  ["realtime", 5, 0, 0.5, 0, "critical", "loss", 3],
  ["rpc", 49, 0, 0, 100, "excellent", "rtt", 3],
  ["rpc", 42, 12, 0, 91, "good", "rtt", 3],
  ["rpc", 20, 0, 1 / 11, 91, "good", "errors", 3],
  ["rpc", 50, 40, 0, 75, "fair", "rtt", 3],
  ["rpc", 20, 0, 1 / 4.5, 78, "fair", "errors", 3],
  ["rpc", 120, 0, 0, 50, "poor", "rtt", 3],
  ["rpc", 20, 0, 0.42, 58, "poor", "errors", 5],
  ["rpc", 400, 0, 0, 0, "critical", "rtt", 3],
  ["rpc", 120, 0, 0.4, 30, "critical", "errors", 5],
];

test.each(ROWS)(
  "%s: %d ms ± %d, %f lost scores %f: %s for %s within %d windows",
  async (profile, roundTripMs, jitterMs, loss, _score, is, worst, windows) => {
    // Single losses are a matter of course here, or they would cap the level by themselves.
    await using world = new FaultWorld(new FaultWire({ reliable: false }));
    const told = await world.connect({ quality: { profile, sampleIntervalMs: 500 } });
    await world.pass(4 * WINDOW_MS);
    expect(told.qualitySteps).toEqual(["unknown > excellent for rtt"]);
    Object.assign(world.wire.conditions, { roundTripMs, jitterMs, loss });
    await world.pass(windows * WINDOW_MS);
    expect(told.connection.quality).toMatchObject({ level: is, worst });
    if (is !== "excellent") expect(told.quality.at(-1)).toMatchObject({ to: is, worst });
    // Never better again on the way down.
    const order = ["excellent", "good", "fair", "poor", "critical"];
    const levels = told.quality.slice(1).map(({ to }) => order.indexOf(to));
    expect(levels).toEqual(levels.toSorted((one, other) => one - other));
    expect(told.connection.state).toBe("ready");
  },
);

test("the way back is slower than the way down: a score that rises by 0.4 of what is missing, and two windows for each level", async () => {
  await using world = new FaultWorld(new FaultWire({ reliable: false }));
  const told = await world.connect({ quality: { sampleIntervalMs: 500 } });
  Object.assign(world.wire.conditions, { roundTripMs: 800, jitterMs: 200, loss: 0.2 });
  await world.pass(8 * WINDOW_MS);
  expect(told.connection.quality).toMatchObject({ level: "critical", worst: "loss" });
  Object.assign(world.wire.conditions, { roundTripMs: 5, jitterMs: 0, loss: 0 });
  await world.pass(3 * WINDOW_MS);
  expect(told.connection.quality.level).not.toBe("excellent");
  await world.pass(7 * WINDOW_MS);
  expect(told.connection.quality.level).toBe("excellent");
  const order = ["critical", "poor", "fair", "good", "excellent"];
  const rising = told.quality.slice(-3).map(({ to }) => order.indexOf(to));
  expect(rising).toEqual(rising.toSorted((one, other) => one - other));
});

test("where nothing gets lost by itself one lost ping is poor, for loss, and forgotten two windows later", async () => {
  await using world = new FaultWorld();
  const told = await world.connect();
  await world.pass(6 * WINDOW_MS + 400);
  world.wire.conditions.isBlackHole = true;
  await world.pass(1_000);
  world.wire.conditions.isBlackHole = false;
  await world.pass(3 * WINDOW_MS);
  expect(told.qualitySteps).toEqual([
    "unknown > excellent for rtt",
    "excellent > poor for loss",
    "poor > excellent for loss",
  ]);
});

test("a peer that takes nothing for more than a second is fair at the best, until it has caught up", async () => {
  await using world = new FaultWorld();
  const told = await world.connect();
  await world.pass(2 * WINDOW_MS);
  world.wire.conditions.isClogged = true;
  expect(told.connection.send("waits")).toBe("wait");
  await world.pass(1_000);
  expect(told.quality).toHaveLength(1);
  await world.pass(500);
  expect(told.qualitySteps.at(-1)).toBe("excellent > fair for stall");
  world.wire.conditions.isClogged = false;
  world.wire.last.drains();
  await world.pass(2 * WINDOW_MS);
  expect(told.qualitySteps.slice(2)).toEqual(["fair > excellent for rtt"]);
});

test("what the last link's peer had not taken is not held against the next", async () => {
  await using world = new FaultWorld();
  const told = await world.connect();
  world.wire.conditions.isClogged = true;
  told.connection.send("waits");
  world.wire.last.breaks();
  world.wire.conditions.isClogged = false;
  await world.pass(3 * WINDOW_MS);
  expect(told.connection.generation).toBe(2);
  expect(told.qualitySteps).toEqual(["unknown > excellent for rtt"]);
});

test("a check of the program's own does not break the silence", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = await world.connect({ health: { intervalMs: 2_000, check: () => {} }, quality: { staleMs: 10_000 } });
  await world.pass(11_000);
  expect(told.qualitySteps).toEqual(["unknown > critical for silence"]);
  expect(told.connection.health).toMatchObject({ status: "degraded", checked: "healthy" });
});

test("silence is critical where an option says so, and any word ends it", async () => {
  await using world = new FaultWorld(new FaultWire({ ping: "none" }));
  const told = await world.connect({ quality: { staleMs: 60_000 } });
  await world.pass(30_000);
  world.wire.last.says("here I am");
  await world.pass(60_000);
  expect(told.quality).toEqual([]);
  await world.pass(1_000);
  expect(told.qualitySteps).toEqual(["unknown > critical for silence"]);
  expect(told.connection.health.status).toBe("degraded");
  world.wire.last.says("still here");
  await world.pass(2 * WINDOW_MS);
  // Nothing was ever measured on this wire.
  expect(told.qualitySteps.slice(1)).toEqual(["critical > unknown for undefined"]);
});

test("a connection that nobody reads is not silent, and its peer not lost", async () => {
  await using world = new FaultWorld();
  const told = await world.connect({ quality: { staleMs: 10_000 } });
  await world.pass(2 * WINDOW_MS + 100);
  told.connection.pause();
  await world.pass(600_000);
  expect(told.qualitySteps).toEqual(["unknown > excellent for rtt"]);
  expect(told.connection.health).toMatchObject({ status: "healthy", failures: 0 });
  told.connection.resume();
  await world.pass(2 * WINDOW_MS);
  expect(told.connection.quality).toMatchObject({ level: "excellent", loss: 0 });
  expect(told.connection.quality.roundTripMs).toBeCloseTo(5, 6);
});

test("pings go out every second while somebody listens for quality, on the connection or the network, and else with the health checks alone", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect()).ignoreQuality();
  await world.pass(180_000);
  expect(world.wire.pinged).toBeLessThanOrEqual(3);
  const pingedInAMinute = async (): Promise<number> => {
    const before = world.wire.pinged;
    await world.pass(60_000);
    return world.wire.pinged - before;
  };
  const stops = [told.connection.on("quality", () => {}), world.network.on("quality", () => {})];
  for (const stop of stops) {
    expect(await pingedInAMinute()).toBeGreaterThanOrEqual(60);
    stop();
  }
  expect(await pingedInAMinute()).toBeLessThanOrEqual(2);
  await using sampled = new FaultWorld();
  (await sampled.connect({ quality: { sampleIntervalMs: 5_000 } })).ignoreQuality();
  await sampled.pass(60_000);
  expect(sampled.wire.pinged).toBeGreaterThanOrEqual(12);
  expect(sampled.wire.pinged).toBeLessThanOrEqual(14);
});

test("a lost link takes its level along, told once, and the next begins unknown", async () => {
  await using world = new FaultWorld();
  const told = await world.connect();
  await world.pass(2 * WINDOW_MS);
  world.wire.last.breaks();
  expect(told.connection.quality).toMatchObject({ level: "unknown", score: undefined, samples: 0 });
  await world.pass(WINDOW_MS);
  await world.pass(2 * WINDOW_MS);
  expect(told.qualitySteps).toEqual([
    "unknown > excellent for rtt",
    "excellent > unknown for undefined",
    "unknown > excellent for rtt",
  ]);
});
