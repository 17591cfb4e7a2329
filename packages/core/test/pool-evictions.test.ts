import { expect, test } from "vitest";
import { type Link, Network } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { Notes, turns } from "./opened-network.ts";
import { outcomeOf, PoolWorld, Told } from "./pooled-wire.ts";
import { UnsteadyWire } from "./unsteady-wire.ts";

const NONE = { idle: 0, lifetime: 0, uses: 0, closed: 0, verify: 0, dirty: 0 };

test("idle links end after their time, those of min stay", async () => {
  await using world = new PoolWorld({ min: 1, idleTimeoutMs: 1_000 });
  await turns(1);
  world.wire.dials.shift()?.succeed();
  await turns(1);
  const [first, second, third] = await Promise.all([world.lease(), world.lease(), world.lease()]);
  await world.giveBack(first as never, second as never);
  world.clock.advance(400);
  await world.giveBack(third as never);
  world.clock.advance(600);
  await turns(1);
  expect(world.stats).toMatchObject({ open: 1, evicted: { ...NONE, idle: 2 } });
  world.clock.advance(100_000);
  expect(world.stats).toMatchObject({ open: 1, idle: 1 });
  expect(world.told).toEqual(["evicted: idle", "evicted: idle"]);
});

test("a link that is used again and again is not idle", async () => {
  await using world = new PoolWorld({ idleTimeoutMs: 1_000 });
  await world.giveBack(await world.lease());
  for (let use = 0; use < 10; use++) {
    world.clock.advance(900);
    await world.giveBack(await world.pool.acquire());
  }
  expect(world.stats).toMatchObject({ created: 1, evicted: NONE });
  world.clock.advance(1_000);
  expect(world.stats.evicted).toEqual({ ...NONE, idle: 1 });
});

test("a lifetime ends idle links by a timer and lent ones when they come back, give or take a tenth", async () => {
  let chance = 0;
  const random = (): number => chance;
  await using world = new PoolWorld({ maxLifetimeMs: 10_000, idleTimeoutMs: Infinity }, { random });
  const early = await world.lease();
  chance = 0.999_999;
  const late = await world.lease();
  await world.giveBack(late);
  world.clock.advance(9_000);
  expect(early.isHeld).toBe(true);
  await world.giveBack(early);
  expect(world.stats.evicted).toEqual({ ...NONE, lifetime: 1 });
  world.clock.advance(1_999);
  expect(world.stats.evicted).toEqual({ ...NONE, lifetime: 1 });
  world.clock.advance(1);
  expect(world.stats.evicted).toEqual({ ...NONE, lifetime: 2 });
  await turns(1);
  expect(world.stats).toMatchObject({ open: 0, closing: 0 });
  expect(world.clock.pending).toBe(0);
});

test("a link is closed after its uses, and who waits gets another", async () => {
  await using world = new PoolWorld({ max: 1, maxUses: 2 });
  await world.giveBack(await world.lease());
  const second = await world.pool.acquire();
  const next = outcomeOf(world.pool.acquire());
  await world.giveBack(second);
  expect(world.stats.evicted).toEqual({ ...NONE, uses: 1 });
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(next.value).toMatchObject({ isHeld: true });
  expect(world.stats.created).toBe(2);
});

test("bytes that come while nobody holds the link evict it", async () => {
  await using world = new PoolWorld();
  await world.giveBack(await world.lease());
  world.wire.last.says("late answer");
  expect(world.stats).toMatchObject({ idle: 0, closing: 1, evicted: { ...NONE, dirty: 1 } });
  await turns(1);
  expect(world.stats).toMatchObject({ open: 0, closing: 0 });
});

test("bytes that come in the turn of the release reach nobody else", async () => {
  await using world = new PoolWorld({ max: 1 });
  const lease = await world.lease();
  const { link } = lease;
  const told = new Told();
  told.onMessage = () => lease.release();
  lease.open(told);
  await turns(1);
  const next = outcomeOf(world.pool.acquire());
  link.says("the answer");
  link.says("what nobody asked for");
  expect(told.messages).toEqual(["the answer"]);
  await turns(2);
  expect(next).toEqual({});
  expect(world.stats.evicted).toEqual({ ...NONE, dirty: 1 });
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(next.value).toMatchObject({ isHeld: true });
});

test("what a holder left unread behind its pause is not the next one's", async () => {
  await using network = new Network({ protocols: [memory()] });
  const served: Link[] = [];
  await network.listen("memory://talker", (link) => {
    served.push(link);
    link.open({ message: () => void link.send("answer"), closed: () => {} });
  });
  const pool = network.pool("memory://talker", { max: 1 });
  const first = await pool.acquire();
  const heard = new Notes();
  first.open(heard);
  first.pause();
  first.send("question");
  await turns();
  expect(heard.messages).toEqual([]);
  const next = pool.acquire();
  first.release();
  const second = await next;
  expect(pool.stats().evicted).toEqual({ ...NONE, dirty: 1 });
  const notes = new Notes();
  second.open(notes);
  second.send("mine");
  expect(await notes.next()).toEqual(["answer"]);
  expect(heard.messages).toEqual([]);
  expect(served).toHaveLength(2);
  second.release();
});

test("a link with bytes unsent is not lent again, and they still leave", async () => {
  await using network = new Network({ protocols: [memory()] });
  const notes = new Notes();
  await network.listen("memory://sink", (link) => link.open(notes));
  const pool = network.pool("memory://sink");
  const lease = await pool.acquire();
  lease.open(new Notes());
  lease.send("on its way");
  lease.release();
  expect(pool.stats().evicted).toEqual({ ...NONE, dirty: 1 });
  expect(await notes.next()).toEqual(["on its way"]);
  expect(await notes.closing()).toMatchObject({ clean: true });
});

test("a link of which one direction has ended is not lent again", async () => {
  await using network = new Network({ protocols: [memory()] });
  await network.listen("memory://x", (link) => {
    link.open({ message: () => {}, ended: () => {}, closed: () => {} });
  });
  const pool = network.pool("memory://x");
  const lease = await pool.acquire();
  lease.open(new Notes());
  lease.end();
  await turns();
  lease.release();
  expect(pool.stats().evicted).toEqual({ ...NONE, dirty: 1 });
});

test("the peer's end while idle evicts the link, and while lent ends it for its holder", async () => {
  await using network = new Network({ protocols: [memory()] });
  const served: (Link & { end(): void })[] = [];
  await network.listen("memory://x", (link) => {
    served.push(link);
    link.open({ message: () => {}, ended: () => {}, closed: () => {} });
  });
  const pool = network.pool("memory://x");
  const lease = await pool.acquire();
  lease.release();
  await turns();
  expect(pool.stats()).toMatchObject({ idle: 1 });
  served[0]?.end();
  await turns();
  expect(pool.stats()).toMatchObject({ open: 0, closing: 0, evicted: { ...NONE, closed: 1 } });

  const other = await pool.acquire();
  const notes = new Notes();
  other.open(notes);
  await turns();
  served[1]?.end();
  expect(await notes.closing()).toMatchObject({ by: "remote" });
  expect(other.isHeld).toBe(false);
  other.release();
  expect(pool.stats()).toMatchObject({ open: 0, leased: 0, evicted: { ...NONE, closed: 2 } });
});

test("a link that is lost while it is lent: the holder hears it, the place is free", async () => {
  await using world = new PoolWorld({ max: 1 });
  const lease = await world.lease();
  const told = new Told();
  lease.open(told);
  await turns(1);
  const next = outcomeOf(world.pool.acquire());
  lease.link.gone();
  expect(told.ends).toEqual([expect.objectContaining({ by: "network" })]);
  await turns(1);
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(next.value).toMatchObject({ isHeld: true });
  lease.release();
  expect(world.stats).toMatchObject({ open: 1, leased: 1, evicted: { ...NONE, closed: 1 } });
  expect(told.ends).toHaveLength(1);
  expect(world.errors).toEqual([]);
});

test("a holder that closes its link gives it to nobody", async () => {
  await using world = new PoolWorld();
  const lease = await world.lease();
  const told = new Told();
  lease.open(told);
  await turns(1);
  lease.close({ reason: "no use" });
  lease.release();
  expect(world.stats).toMatchObject({ leased: 0, closing: 1 });
  await turns(2);
  expect(told.ends).toEqual([expect.objectContaining({ by: "local", reason: "no use" })]);
  expect(world.stats).toMatchObject({ open: 0, closing: 0, evicted: { ...NONE, closed: 1 } });
});

test("a link that was idle for long is pinged before it is lent", async () => {
  await using world = new PoolWorld({ verifyAfterIdleMs: 1_000, idleTimeoutMs: 100_000 });
  await world.giveBack(await world.lease());
  world.clock.advance(999);
  await world.giveBack(await world.pool.acquire());
  expect(world.wire.last.pings).toHaveLength(0);

  world.clock.advance(1_000);
  const verified = outcomeOf(world.pool.acquire());
  await turns(1);
  expect(world.wire.last.pings).toHaveLength(1);
  expect(verified).toEqual({});
  expect(world.stats).toMatchObject({ leased: 1, idle: 0, waiting: 1 });
  world.wire.last.pings.shift()?.(3);
  await turns(1);
  expect(verified.value).toMatchObject({ isHeld: true });
  expect(world.stats).toMatchObject({ created: 1, dialling: 0 });
});

test("one that does not answer is cut off, and who waits gets another", async () => {
  await using world = new PoolWorld({ verifyAfterIdleMs: 1_000 });
  await world.giveBack(...(await world.leases(2)));
  world.clock.advance(1_000);
  const lease = outcomeOf(world.pool.acquire());
  await turns(1);
  const [older, newer] = world.wire.all;
  newer?.pings.shift()?.(undefined);
  await turns(1);
  older?.pings.shift()?.(1);
  await turns(1);
  expect(lease.value).toMatchObject({ link: older });
  expect(newer?.calls).toContain("cut");
  expect(world.stats.evicted).toEqual({ ...NONE, verify: 1 });
  (lease.value as { release(): void }).release();
});

test("an answer that takes too long is none, and a ping that throws neither", async () => {
  await using world = new PoolWorld({ verifyAfterIdleMs: 1_000 });
  await world.giveBack(...(await world.leases(2)));
  const [older, newer] = world.wire.all;
  if (older !== undefined) older.ping = brokenPing;
  world.clock.advance(1_000);
  const lease = outcomeOf(world.pool.acquire());
  await turns(1);
  world.clock.advance(2_000);
  await turns(1);
  expect(world.stats.evicted).toEqual({ ...NONE, verify: 2 });
  newer?.pings.shift()?.(2_001);
  expect(lease).toEqual({});
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(lease.value).toMatchObject({ isHeld: true });
});

test("a wire without a ping is lent as it is", async () => {
  await using world = new PoolWorld({ verifyAfterIdleMs: 1_000 }, { wire: new UnsteadyWire({ ping: "none" }) });
  await world.giveBack(await world.lease());
  world.clock.advance(5_000);
  const lease = await world.pool.acquire();
  expect(() => lease.ping(() => {})).toThrow("no ping");
  expect(() => lease.end()).toThrow("no half-close");
  lease.release();
});

test("a borrower does not wait for the ping of one link while another comes back", async () => {
  await using world = new PoolWorld({ max: 2, verifyAfterIdleMs: 1_000 });
  const [lent, other] = await world.leases(2);
  await world.giveBack(other as never);
  world.clock.advance(1_000);
  const waiting = outcomeOf(world.pool.acquire());
  await turns(1);
  await world.giveBack(lent as never);
  expect(waiting.value).toMatchObject({ link: world.wire.all[0] });
  world.wire.last.pings.shift()?.(1);
  await turns(1);
  expect(world.stats).toMatchObject({ idle: 1, leased: 1, evicted: NONE });
});

test("a link that still closes counts against max", async () => {
  await using world = new PoolWorld({ max: 1 });
  const lease = await world.lease();
  const { link } = lease;
  link.close = () => {};
  lease.close();
  lease.release();
  const next = outcomeOf(world.pool.acquire());
  await turns(2);
  expect(world.stats).toMatchObject({ closing: 1, dialling: 0, waiting: 1 });
  link.gone();
  await turns(1);
  expect(world.stats).toMatchObject({ closing: 0, dialling: 1 });
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(next.value).toMatchObject({ isHeld: true });
});

function brokenPing(): never {
  throw new Error("a broken plugin");
}
