import { expect, test } from "vitest";
import { type Lease, Network } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { echo, Notes, turns } from "./opened-network.ts";
import { outcomeOf, PoolWorld, Told } from "./pooled-wire.ts";

test("nothing is delivered before the lease is opened, nor before open has returned", async () => {
  await using network = new Network({ protocols: [memory()] });
  await network.listen("memory://greeter", (link) => {
    link.open({ message: () => {}, closed: () => {} });
    link.send("welcome");
  });
  const pool = network.pool("memory://greeter");
  const lease = await pool.acquire();
  await turns();
  const notes = new Notes();
  lease.open(notes);
  expect(notes.messages).toEqual([]);
  expect(await notes.next()).toEqual(["welcome"]);
  expect(() => lease.open(notes)).toThrow("link.open was called twice");
  lease.release();
});

test("using releases; what a lease does afterwards touches no link", async () => {
  await using world = new PoolWorld({ max: 1 });
  let kept: Lease;
  const told = new Told();
  {
    using lease = await world.lease();
    lease.open(told);
    kept = lease as unknown as Lease;
    await turns(1);
  }
  await turns(2);
  using next = await world.pool.acquire();
  const { link } = next;
  const before = [...link.calls];
  expect(kept.send("too late")).toBe("refused");
  expect(kept.refusal).toBe("closed");
  expect(kept.bufferedBytes).toBe(0);
  kept.pause();
  kept.resume();
  kept.close();
  const pinged = Promise.withResolvers<number | undefined>();
  kept.ping(pinged.resolve);
  expect(await pinged.promise).toBeUndefined();
  expect(() => kept.open(new Told())).toThrow("a lease was opened after its release: acquire another");
  expect(() => kept.link).toThrow("after its release");
  expect(link.sent).toEqual([]);
  expect(link.calls).toEqual(before);
  expect(next.isHeld).toBe(true);
  expect(world.errors).toEqual([]);
});

test("P35 a second release is told as an error and frees nobody else's link", async () => {
  await using world = new PoolWorld({ max: 1 });
  const first = await world.lease();
  await world.giveBack(first);
  const second = await world.pool.acquire();
  first.release();
  await turns(2);
  expect(second.isHeld).toBe(true);
  expect(world.stats).toMatchObject({ leased: 1, idle: 0 });
  expect(world.told).toEqual(["error: invalid-state"]);
  expect(world.errors.map(({ message }) => message)).toEqual([
    'a lease of the pool of "unsteady://there" was released twice: release it once',
  ]);
  second.release();
});

test("P35 a foreign lease, and what is none, are left alone", async () => {
  await using world = new PoolWorld();
  await using other = new PoolWorld();
  const foreign = await other.lease();
  world.pool.release(foreign as unknown as Lease);
  for (const value of [undefined, null, 1, "lease", {}, foreign.link]) world.pool.release(value as never);
  expect(world.told).toEqual(Array.from({ length: 7 }, () => "error: invalid-argument"));
  expect(world.errors[0]?.message).toContain("release it where it was acquired");
  expect(foreign.isHeld).toBe(true);
  expect(other.stats.leased).toBe(1);
  other.pool.release(foreign as unknown as Lease);
  expect(other.stats.leased).toBe(0);
  expect(other.told).toEqual([]);
});

test("a holder that paused: the next one reads", async () => {
  await using network = new Network({ protocols: [memory()] });
  await network.listen("memory://echo", echo);
  const pool = network.pool("memory://echo", { max: 1 });
  const first = await pool.acquire();
  first.open(new Notes());
  first.pause();
  first.release();
  await turns();
  using second = await pool.acquire();
  const notes = new Notes();
  second.open(notes);
  second.send("read me");
  expect(await notes.next()).toEqual(["read me"]);
  expect(pool.stats().created).toBe(1);
});

test("pause and resume hold for the holder, also before the lease is opened", async () => {
  await using world = new PoolWorld();
  const lease = await world.lease();
  const told = new Told();
  lease.pause();
  lease.open(told);
  await turns(1);
  lease.link.says("held");
  expect(told.messages).toEqual([]);
  lease.resume();
  expect(told.messages).toEqual(["held"]);
  expect(lease.link.calls.at(-1)).toBe("resume");
});

test("a sink that throws closes the link, for its own holder only, and the program hears of it", async () => {
  await using world = new PoolWorld({ max: 1 });
  const lease = await world.lease();
  const told = new Told();
  told.onMessage = () => {
    throw new Error("my own mistake");
  };
  lease.open(told);
  await turns(1);
  lease.link.says("hello");
  await turns(2);
  expect(told.ends).toEqual([
    expect.objectContaining({ by: "local", clean: false, error: expect.objectContaining({ code: "internal" }) }),
  ]);
  expect(world.errors.map(({ message }) => message)).toEqual(["the link's sink threw in message: my own mistake"]);
  expect(world.stats).toMatchObject({ open: 0, leased: 0 });
  lease.release();
  expect(world.errors).toHaveLength(1);
});

test("a release inside the sink's own call: closed comes after it, once", async () => {
  await using network = new Network({ protocols: [memory()] });
  await network.listen("memory://echo", echo);
  const pool = network.pool("memory://echo");
  const lease = await pool.acquire();
  const calls: string[] = [];
  const done = Promise.withResolvers<void>();
  lease.open({
    message: () => {
      calls.push("message begins");
      lease.release();
      calls.push("message ends");
    },
    closed: ({ reason }) => {
      calls.push(`closed: ${reason}`);
      done.resolve();
    },
  });
  lease.send("x");
  await done.promise;
  await turns();
  expect(calls).toEqual(["message begins", "message ends", "closed: released"]);
  expect(pool.stats()).toMatchObject({ idle: 1, leased: 0 });
});

test("drain reaches the holder that was told to wait, and pings go through", async () => {
  await using network = new Network({ protocols: [memory()], limits: { waitAboveBytes: 10 } });
  await network.listen("memory://echo", echo);
  const pool = network.pool("memory://echo");
  using lease = await pool.acquire();
  const drained = Promise.withResolvers<void>();
  lease.open({ message: () => {}, drain: drained.resolve, closed: () => {} });
  expect(lease.send("x".repeat(100))).toBe("wait");
  expect(lease.bufferedBytes).toBeGreaterThan(99);
  await drained.promise;
  const pinged = Promise.withResolvers<number | undefined>();
  lease.ping(pinged.resolve);
  expect(await pinged.promise).toBeGreaterThanOrEqual(0);
  expect(lease.traits).toBe(lease.link.traits);
  expect(lease.framing).toBe(lease.link.framing);
  expect(lease.peer).toBe(lease.link.peer);
});

test("a lease whose link was lost before it was opened tells that when it is", async () => {
  await using world = new PoolWorld();
  const lease = await world.lease();
  lease.link.gone();
  expect(lease.isHeld).toBe(false);
  const told = new Told();
  lease.open(told);
  expect(told.ends).toEqual([]);
  await turns(1);
  expect(told.ends).toEqual([expect.objectContaining({ by: "network" })]);
});

test("P33 a closed pool lends nothing; idle links end at once, lent ones when they come back", async () => {
  await using world = new PoolWorld({ max: 2 });
  const [lent, idle] = await world.leases(2);
  await world.giveBack(idle as never);
  const other = await world.pool.acquire();
  const waiting = outcomeOf(world.pool.acquire());
  await world.giveBack(other);
  const waited = await Promise.resolve(waiting.value as Lease);
  await world.giveBack(waited as never);

  const closed = outcomeOf(world.pool.close());
  await turns(2);
  expect(world.pool.state).toBe("closing");
  expect(world.stats).toMatchObject({ open: 1, leased: 1, idle: 0 });
  await expect(world.pool.acquire()).rejects.toMatchObject({
    code: "closed",
    message: 'the pool of "unsteady://there" is closing: make a new one',
  });
  expect(lent?.send("still mine")).toBe("sent");
  lent?.release();
  await turns(2);
  expect(closed).toHaveProperty("value");
  expect(world.pool.state).toBe("closed");
  expect(world.stats).toMatchObject({ open: 0, created: 2, evicted: { closed: 2 } });
  expect(world.network.inspect().pools).toEqual([]);
  await expect(world.pool.acquire()).rejects.toMatchObject({ code: "closed" });
  expect(world.clock.pending).toBe(0);
  expect(world.errors).toEqual([]);
});

test("closing a pool refuses who waits, gives dials up, and cuts off what is not back in time", async () => {
  await using world = new PoolWorld({ max: 2 });
  const lent = await world.lease();
  const told = new Told();
  lent.open(told);
  await turns(1);
  const waiting = [outcomeOf(world.pool.acquire()), outcomeOf(world.pool.acquire())];
  await turns(1);
  expect(world.stats).toMatchObject({ dialling: 1, waiting: 2 });
  const late = world.wire.dials.shift();
  const closed = outcomeOf(world.pool.close({ timeoutMs: 1_000 }));
  await turns(1);
  expect(waiting.map(({ error }) => error?.code)).toEqual(["closed", "closed"]);
  expect(late?.context.signal.aborted).toBe(true);
  late?.succeed();
  await turns(1);
  expect(world.wire.last.calls).toContain("cut");
  world.clock.advance(999);
  await turns(1);
  expect(closed).toEqual({});
  world.clock.advance(1);
  await turns(1);
  expect(closed).toHaveProperty("value");
  expect(told.ends).toHaveLength(1);
  expect(world.clock.pending).toBe(0);

  lent.release();
  expect(world.told.at(-1)).toBe("error: closed");
  lent.release();
  expect(world.told.at(-1)).toBe("error: invalid-state");
});

test("closing twice is closing once, the earlier deadline counts", async () => {
  await using world = new PoolWorld();
  const lent = await world.lease();
  const controller = new AbortController();
  const first = outcomeOf(world.pool.close({ timeoutMs: 60_000, signal: controller.signal }));
  const second = outcomeOf(world.pool.close({ timeoutMs: 500 }));
  expect(() => world.pool.close({ timeoutMs: 0 })).toThrow("timeoutMs is 0");
  controller.abort();
  await turns(1);
  expect(first).toHaveProperty("value");
  expect(second).toHaveProperty("value");
  expect(lent.isHeld).toBe(false);
  expect(world.clock.pending).toBe(0);
});

test("closing the network closes its pools: lent links have until its deadline", async () => {
  const world = new PoolWorld({ min: 1 });
  await turns(1);
  world.wire.dials.shift()?.succeed();
  await turns(1);
  const lent = await world.pool.acquire();
  await turns(1);
  expect(world.network.inspect().pools).toMatchObject([
    { endpoint: "unsteady://there", protocol: "unsteady", state: "open", open: 1, leased: 1 },
  ]);
  const closed = outcomeOf(world.network.close({ timeoutMs: 1_000 }));
  await turns(2);
  expect(world.network.inspect().pools).toMatchObject([{ state: "closing", dialling: 0 }]);
  expect(lent.send("still mine")).toBe("sent");
  world.clock.advance(1_000);
  await turns(2);
  expect(closed).toHaveProperty("value");
  expect(world.pool.state).toBe("closed");
  expect(world.network.inspect().pools).toEqual([]);
  expect(() => world.network.pool("unsteady://there")).toThrow("the network is closed");
  expect(world.clock.pending).toBe(0);
});
