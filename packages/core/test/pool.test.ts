import { expect, test } from "vitest";
import { type Lease, type Link, Network, PolywireError } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { echo, Notes, turns } from "./opened-network.ts";
import { outcomeOf, PoolWorld, REFUSED, Told } from "./pooled-wire.ts";
import { UnsteadyWire } from "./unsteady-wire.ts";

test("a link is dialled for the first borrower, and lent again to the next", async () => {
  await using world = new PoolWorld();
  expect(world.wire.dialled).toBe(0);
  const first = await world.lease();
  expect(world.stats).toMatchObject({ open: 1, leased: 1, idle: 0, created: 1, acquired: 1 });
  const { link } = first;
  await world.giveBack(first);
  expect(world.stats).toMatchObject({ open: 1, leased: 0, idle: 1 });
  const second = await world.pool.acquire();
  expect(second.link).toBe(link);
  expect(second).not.toBe(first);
  expect(world.stats).toMatchObject({ created: 1, acquired: 2 });
  second.release();
});

test("a whole conversation over memory: each borrower hears its own answers, and its end", async () => {
  await using network = new Network({ protocols: [memory()] });
  await network.listen("memory://echo", echo);
  await using pool = network.pool("memory://echo", { max: 1 });
  for (const word of ["one", "two", "three"]) {
    using lease = await pool.acquire();
    const notes = new Notes();
    lease.open(notes);
    expect(lease.send(word)).toBe("sent");
    expect(await notes.next()).toEqual([word]);
    lease.release();
    expect(await notes.closing()).toMatchObject({ by: "local", clean: true, reason: "released" });
  }
  expect(pool.stats()).toMatchObject({ created: 1, acquired: 3, open: 1 });
});

test("never more links than max; who comes late waits, first come first served", async () => {
  await using world = new PoolWorld({ max: 2 });
  const lent = await world.leases(2);
  const order: string[] = [];
  const later = ["third", "fourth", "fifth"].map((name) => world.pool.acquire().then((lease) => ({ name, lease })));
  for (const one of later) void one.then(({ name }) => order.push(name));
  await turns(2);
  expect(world.wire.dialled).toBe(2);
  expect(world.stats).toMatchObject({ open: 2, leased: 2, waiting: 3 });
  await world.giveBack(...lent);
  expect(order).toEqual(["third", "fourth"]);
  await world.giveBack((await (later[0] as Promise<{ lease: Lease }>)).lease as never);
  expect(order).toEqual(["third", "fourth", "fifth"]);
  expect(world.stats).toMatchObject({ created: 2, acquired: 5, waiting: 0 });
});

test("P39 1,000 acquires on a pool of 10 with 500 waiters: served in order, a typed error for the rest", async () => {
  await using world = new PoolWorld({ max: 10, maxWaiters: 500, acquireTimeoutMs: 60_000 });
  world.wire.outcome = () => undefined;
  const served: number[] = [];
  const refused: PolywireError[] = [];
  const all = Array.from({ length: 1_000 }, async (_, index) => {
    try {
      const lease = await world.pool.acquire();
      served.push(index);
      expect(world.stats.open).toBeLessThanOrEqual(10);
      await turns(1);
      lease.release();
    } catch (error) {
      refused.push(error as PolywireError);
    }
  });
  await Promise.all(all);
  // Those for whom a link is on its way do not count as waiting.
  expect(served).toEqual(Array.from({ length: 510 }, (_, index) => index));
  expect(refused).toHaveLength(490);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["limit-reached"]));
  expect(refused[0]?.message).toContain("raise max or maxWaiters");
  await turns(2);
  expect(world.stats).toMatchObject({ created: 10, acquired: 510, idle: 10, waiting: 0 });
});

test("a wait ends at its deadline, says why, and leaves nothing behind", async () => {
  await using world = new PoolWorld({ max: 1, maxLifetimeMs: Infinity });
  const lease = await world.lease();
  const before = world.clock.pending;
  const waiting = outcomeOf(world.pool.acquire());
  const short = outcomeOf(world.pool.acquire({ timeoutMs: 100 }));
  world.clock.advance(100);
  await turns(1);
  expect(short.error).toMatchObject({ code: "timed-out", retryable: true });
  expect(short.error?.message).toContain("none was free within 100 ms, of at most 1 links 1 are lent");
  expect(waiting).toEqual({});
  world.clock.advance(4_900);
  await turns(1);
  expect(waiting.error).toMatchObject({ code: "timed-out" });
  expect(world.stats).toMatchObject({ waiting: 0, timedOut: 2 });
  expect(world.told).toEqual(["timed out", "timed out"]);
  expect(world.clock.pending).toBe(before);
  await world.giveBack(lease);
  expect(world.stats.idle).toBe(1);
});

test("a borrower that gives up leaves the others in their order", async () => {
  await using world = new PoolWorld({ max: 1 });
  const lease = await world.lease();
  const controller = new AbortController();
  const given = outcomeOf(world.pool.acquire({ signal: controller.signal }));
  const patient = outcomeOf(world.pool.acquire());
  controller.abort();
  await world.giveBack(lease);
  expect(given.error).toMatchObject({ code: "aborted" });
  expect(patient.value).toMatchObject({ isHeld: true });
  await expect(world.pool.acquire({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
});

test("a link that arrives when its borrower has gone is kept for the next", async () => {
  await using world = new PoolWorld();
  const controller = new AbortController();
  const given = outcomeOf(world.pool.acquire({ signal: controller.signal }));
  await turns(1);
  controller.abort();
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(given.error).toMatchObject({ code: "aborted" });
  expect(world.stats).toMatchObject({ idle: 1, dialling: 0, waiting: 0 });
});

test("lifo keeps few links warm, round-robin gives each its turn", async () => {
  for (const { order, expected } of [
    { order: "lifo", expected: [2, 2, 2] },
    { order: "round-robin", expected: [0, 1, 2] },
  ] as const) {
    await using world = new PoolWorld({ order });
    await world.giveBack(...(await world.leases(3)));
    const lent: number[] = [];
    for (let use = 0; use < 3; use++) {
      const lease = await world.pool.acquire();
      lent.push(world.wire.all.indexOf(lease.link));
      await world.giveBack(lease);
    }
    expect(lent).toEqual(expected);
  }
});

test("a dial that fails is told to who waits the longest; the next waits a little and is a single one", async () => {
  await using world = new PoolWorld();
  const three = Array.from({ length: 3 }, () => outcomeOf(world.pool.acquire()));
  await turns(1);
  expect(world.wire.dials).toHaveLength(3);
  world.wire.dials.shift()?.fail(REFUSED);
  await turns(1);
  expect(three[0]?.error).toBe(REFUSED);
  world.wire.dials.shift()?.fail(REFUSED);
  world.wire.dials.shift()?.fail(REFUSED);
  await turns(1);
  expect(three.map(({ error }) => error)).toEqual([REFUSED, REFUSED, REFUSED]);

  const next = [outcomeOf(world.pool.acquire()), outcomeOf(world.pool.acquire())];
  await turns(1);
  expect(world.wire.dials).toHaveLength(0);
  // 100 ms, and half of 200 by chance.
  world.clock.advance(199);
  await turns(1);
  expect(world.wire.dials).toHaveLength(0);
  world.clock.advance(1);
  await turns(1);
  expect(world.wire.dials).toHaveLength(1);
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(next[0]?.value).toMatchObject({ isHeld: true });
  expect(world.wire.dials).toHaveLength(1);
  world.wire.dials.shift()?.succeed();
  await turns(1);
  expect(next[1]?.value).toMatchObject({ isHeld: true });
});

test("a dead host is dialled ever more slowly, and its error is the cause of what timed out", async () => {
  await using world = new PoolWorld({ max: 4 });
  world.wire.outcome = () => REFUSED;
  let served = 0;
  const borrow = async (): Promise<void> => {
    try {
      await world.pool.acquire({ timeoutMs: 120_000 });
    } catch {
      served++;
    }
  };
  for (let borrower = 0; borrower < 100; borrower++) void borrow();
  await world.clock.advanceSettled(60_000, () => turns(1));
  expect(served).toBe(world.wire.dialled);
  // In the end every 2.6 s by this chance: 100 ms, and half of 5 s.
  expect(world.wire.dialled).toBeGreaterThan(20);
  expect(world.wire.dialled).toBeLessThan(35);
  const late = outcomeOf(world.pool.acquire({ timeoutMs: 10 }));
  await world.clock.advanceSettled(10, () => turns(1));
  expect(late.error).toMatchObject({ code: "timed-out", cause: REFUSED });
});

test("min links are dialled at once and replaced when they are lost, without hammering a peer that drops them", async () => {
  await using world = new PoolWorld({ min: 2, idleTimeoutMs: 1_000 });
  world.wire.outcome = () => undefined;
  await turns(2);
  expect(world.stats).toMatchObject({ idle: 2, open: 2 });
  await world.clock.advanceSettled(100_000, () => turns(1));
  expect(world.stats).toMatchObject({ idle: 2, created: 2 });

  world.wire.all[0]?.gone();
  await turns(2);
  // Nobody ever had a use for it: the next is dialled after a rest.
  expect(world.stats).toMatchObject({ open: 1, evicted: { closed: 1 } });
  await world.clock.advanceSettled(1_000, () => turns(1));
  expect(world.stats).toMatchObject({ open: 2, created: 3 });

  await world.giveBack(await world.pool.acquire());
  world.wire.last.gone();
  await turns(2);
  expect(world.stats).toMatchObject({ open: 2, created: 4 });
});

test("a peer that ends every link at once is dialled ever more slowly", async () => {
  await using world = new PoolWorld({ min: 1 });
  world.wire.outcome = () => {
    setImmediate(() => world.wire.last.gone());
    return undefined;
  };
  await world.clock.advanceSettled(60_000, () => turns(3));
  expect(world.wire.dialled).toBeGreaterThan(20);
  expect(world.wire.dialled).toBeLessThan(35);
});

test("a dial that nobody waits for and that fails is an error of the pool, not of the program", async () => {
  await using world = new PoolWorld({ min: 1 });
  await turns(1);
  world.wire.dials.shift()?.fail(REFUSED);
  await turns(1);
  expect(world.told).toEqual(["error: connection-refused"]);
  expect(world.errors).toEqual([]);
});

test("interceptors see the dials of a pool, and its options go along", async () => {
  const seen: string[] = [];
  await using world = new PoolWorld(
    {},
    {
      interceptors: [
        {
          dial: (next) => async (call) => {
            seen.push(`${call.endpoint} ${call.metadata.get("who")}`);
            return next(call);
          },
        },
      ],
    },
  );
  const pool = world.network.pool("unsteady://there/else", { metadata: new Map([["who", "me"]]), timeoutMs: 50 });
  const lease = outcomeOf(pool.acquire());
  await turns(1);
  expect(seen).toEqual(["unsteady://there/else me"]);
  world.clock.advance(50);
  await turns(1);
  expect(lease.error).toMatchObject({ code: "timed-out", message: expect.stringContaining("connect to") });
});

test("P32 wrong options are named at the call", async () => {
  await using network = new Network({ protocols: [memory(), new UnsteadyWire()] });
  const pool = (options: object) => () => network.pool("memory://x", options);
  const wrong = expect.objectContaining({ code: "invalid-argument" });
  for (const options of [
    { max: 0 },
    { max: Infinity },
    { max: 1.5 },
    { min: -1 },
    { min: 33 },
    { maxWaiters: 0 },
    { acquireTimeoutMs: Infinity },
    { acquireTimeoutMs: 0 },
    { idleTimeoutMs: 0 },
    { maxLifetimeMs: -1 },
    { maxUses: 0 },
    { verifyAfterIdleMs: Number.NaN },
    { order: "fifo" },
    { maxx: 3 },
    { signal: new AbortController().signal },
    { reconnect: false },
  ]) {
    await expect((async () => pool(options)().acquire())()).rejects.toEqual(wrong);
  }
  expect(pool({ max: 0 })).toThrow("max is 0: give a positive integer");
  expect(pool({ min: 33 })).toThrow("min is 33: it is more than max, 32");
  expect(pool({ order: "fifo" })).toThrow('did you mean "lifo"?');
  const hostile = Object.defineProperty({}, "max", { enumerable: true, get: () => brokenPlugin() });
  expect(pool(hostile)).toThrow("getter threw");
  expect(network.inspect().pools).toHaveLength(1);
  for (const timeoutMs of [0, -1, Infinity])
    await expect(network.pool("memory://x").acquire({ timeoutMs })).rejects.toEqual(wrong);
});

test("a wire without links has no pool", async () => {
  const { links: _, ...exchangesOnly } = memory();
  await using network = new Network({ protocols: [exchangesOnly] });
  expect(() => network.pool("memory://x")).toThrow(/carries no links/);
});

test("what a plugin dials that cannot be opened fails the borrower, not the pool", async () => {
  const wire = new UnsteadyWire();
  await using world = new PoolWorld({}, { wire });
  const lease = outcomeOf(world.pool.acquire());
  await turns(1);
  wire.dials[0]?.with({ open: brokenPlugin, send: () => "sent" } as unknown as Link);
  await turns(1);
  expect(lease.error).toMatchObject({ code: "internal", message: "a broken plugin" });
  expect(world.stats).toMatchObject({ open: 0, created: 0, dialling: 0 });
});

function brokenPlugin(): never {
  throw new Error("a broken plugin");
}

test("a sink that is told of messages gets those of its own time only", async () => {
  await using world = new PoolWorld({ max: 1 });
  const lease = await world.lease();
  const first = new Told();
  const { link } = lease;
  lease.open(first);
  await turns(1);
  link.says("for the first");
  expect(first.messages).toEqual(["for the first"]);
  await world.giveBack(lease);
  expect(first.ends).toEqual([expect.objectContaining({ reason: "released" })]);

  const next = await world.pool.acquire();
  const second = new Told();
  next.open(second);
  await turns(1);
  link.says("for the second");
  expect(first.messages).toEqual(["for the first"]);
  expect(second.messages).toEqual(["for the second"]);
});
