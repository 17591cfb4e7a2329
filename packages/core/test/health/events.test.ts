import { expect, test } from "vitest";
import type { NetworkEvents } from "../../src/index.ts";
import { FaultWorld } from "../fault-world.ts";

const QUICK = { intervalMs: 2_000, failingIntervalMs: 1_000 };

/** A connection whose network gets bad and whose peer falls silent, then comes back. */
async function trouble(world: FaultWorld): Promise<void> {
  await world.pass(10_000);
  world.wire.conditions.isBlackHole = true;
  await world.pass(10_000);
  world.wire.conditions.isBlackHole = false;
  await world.pass(20_000);
}

test("health and quality are told by priority, to those of one priority in their order", async () => {
  await using world = new FaultWorld();
  const { connection } = await world.connect({ health: QUICK });
  const heard: string[] = [];
  for (const name of ["health", "quality"] as const) {
    connection.on(name, () => void heard.push(`${name} second`));
    connection.on(name, () => void heard.push(`${name} last`), { priority: -1 });
    connection.on(name, () => void heard.push(`${name} first`), { priority: 5 });
    connection.on(name, () => void heard.push(`${name} third`));
  }
  await trouble(world);
  for (const name of ["health", "quality"]) {
    const order = heard.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length + 1));
    expect(order.length).toBeGreaterThanOrEqual(8);
    expect(order).toEqual(order.map((_one, index) => ["first", "second", "third", "last"][index % 4]));
  }
});

test("once hears of one change, a signal ends the listening, and a listener that throws takes nothing from the others", async () => {
  await using world = new FaultWorld();
  const { connection } = await world.connect({ health: QUICK });
  const leaving = new AbortController();
  const heard: string[] = [];
  for (const name of ["health", "quality"] as const) {
    connection.on(name, () => void heard.push(`${name} once`), { once: true });
    connection.on(name, () => (leaving.abort(), void heard.push(`${name} until the signal`)), {
      signal: leaving.signal,
    });
    connection.on(
      name,
      () => {
        throw new Error(`a bug in the listener of ${name}`);
      },
      { priority: 1, once: true },
    );
    connection.on(name, () => void heard.push(`${name} always`));
  }
  await trouble(world);
  const counts = new Map<string, number>();
  for (const line of heard) counts.set(line, (counts.get(line) ?? 0) + 1);
  expect(counts.get("health once")).toBe(1);
  expect(counts.get("quality once")).toBe(1);
  // The first of all events ended both.
  expect((counts.get("health until the signal") ?? 0) + (counts.get("quality until the signal") ?? 0)).toBe(1);
  expect(counts.get("health always")).toBeGreaterThanOrEqual(2);
  expect(counts.get("quality always")).toBeGreaterThanOrEqual(3);
  expect(world.errors.map(({ message }) => message).toSorted()).toEqual([
    'listener for "health" threw: a bug in the listener of health',
    'listener for "quality" threw: a bug in the listener of quality',
  ]);
});

test("for await over health, quality and drain of a connection: what came, in order, then the end", async () => {
  await using world = new FaultWorld();
  const told = await world.connect({ health: QUICK });
  const { connection } = told;
  const [health, quality, drains] = [
    connection.events("health"),
    connection.events("quality"),
    connection.events("drain"),
  ];
  await trouble(world);
  world.wire.last.drains();
  world.wire.last.drains();
  await connection.close();
  const collected: { health: unknown[]; quality: unknown[]; drains: number } = { health: [], quality: [], drains: 0 };
  for await (const change of health) collected.health.push(change);
  for await (const change of quality) collected.quality.push(change);
  for await (const nothing of drains) {
    expect(nothing).toBeUndefined();
    collected.drains++;
  }
  expect(collected).toEqual({ health: told.health, quality: told.quality, drains: 2 });
  expect(told.health.length).toBeGreaterThanOrEqual(3);
});

test("for await over quality of a network samples its links while it lasts, and a signal ends it", async () => {
  await using world = new FaultWorld();
  (await world.connect({ health: false })).ignoreQuality();
  const leaving = new AbortController();
  const changes = world.network.events("quality", { signal: leaving.signal });
  await world.pass(6_000);
  const { value } = await changes.next();
  expect(value).toMatchObject({ from: "unknown", to: "excellent", protocol: "fault", direction: "dialled" });
  leaving.abort();
  await expect(changes.next()).rejects.toMatchObject({ code: "aborted" });
  const { pinged } = world.wire;
  await world.pass(10_000);
  expect(world.wire.pinged).toBe(pinged);
});

test("the network tells each change once, as the connection does, and the snapshot agrees with the last", async () => {
  await using world = new FaultWorld();
  const onNetwork: (NetworkEvents["health"] | NetworkEvents["quality"])[] = [];
  world.network.on("health", (change) => void onNetwork.push(change));
  world.network.on("quality", (change) => void onNetwork.push(change));
  const told = await world.connect({ health: QUICK });
  await trouble(world);
  const place = { id: told.connection.id, protocol: "fault", endpoint: "fault://there", direction: "dialled" };
  // The first, of the link that connect came back with, nobody could hear on the connection.
  const ofConnection = [...told.health, ...told.quality].map((change) => ({ ...place, ...change }));
  expect(onNetwork.slice(1)).toHaveLength(ofConnection.length);
  for (const change of ofConnection) expect(onNetwork).toContainEqual(change);
  const [snapshot] = world.network.inspect().connections;
  expect(snapshot).toMatchObject({
    health: { status: told.health.at(-1)?.to },
    quality: { level: told.quality.at(-1)?.to },
  });
});

test("a loss is told in one order: state, quality, health, then disconnect and reconnecting; a return: state, health, connect", async () => {
  await using world = new FaultWorld();
  const { connection } = await world.connect();
  await world.pass(10_000);
  const heard: string[] = [];
  for (const name of ["state", "quality", "health", "disconnect", "reconnecting", "connect", "reconnected"] as const) {
    connection.on(name, (event) => void heard.push("to" in event ? `${name} ${event.to}` : name));
  }
  world.wire.last.breaks();
  expect(heard).toEqual(["state backoff", "quality unknown", "health unhealthy", "disconnect", "reconnecting"]);
  heard.length = 0;
  await world.pass(1_000);
  expect(heard).toEqual(["state connecting", "state ready", "health healthy", "connect", "reconnected"]);
});

test("a listener that closes the connection at a change of health: all hear of the change, then of the end", async () => {
  await using world = new FaultWorld();
  const told = await world.connect({ health: QUICK });
  const { connection } = told;
  connection.on("health", ({ to }) => void (to === "degraded" && connection.close({ discard: true })), { priority: 1 });
  await world.pass(5_000);
  world.wire.conditions.isBlackHole = true;
  await world.pass(10_000);
  expect(connection.state).toBe("closed");
  expect(told.health.map(({ to }) => to)).toEqual(["degraded", "unknown"]);
  expect(world.errors).toEqual([]);
  await world.network.close();
  world.clock.advance(8_000);
  expect(world.clock.pending).toBe(0);
});
