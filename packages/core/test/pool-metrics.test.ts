import { expect, test } from "vitest";
import type { HistogramFigures } from "../src/index.ts";
import { turns } from "./opened-network.ts";
import { outcomeOf, PoolWorld } from "./pooled-wire.ts";

/** `attributes → value` of one family; of a histogram `[count, sum]`. */
function figures({ network }: PoolWorld, name: string): Record<string, number | [number, number]> {
  const family = network.metrics().find((each) => each.name === `polywire.pool.link.${name}`);
  const summed = ({ count, sum }: HistogramFigures): [number, number] => [count, Math.round(sum * 1_000) / 1_000];
  return Object.fromEntries(
    (family?.points ?? []).map((point) => [
      Object.values(point.attributes).join(" "),
      "value" in point ? point.value : summed(point.histogram),
    ]),
  );
}

test("links by what they do, those who wait, and the limits", async () => {
  await using world = new PoolWorld({ max: 3, min: 1 });
  world.wire.dials.shift()?.succeed();
  await turns(1);
  const [first] = await world.leases(2);
  const waiting = [world.pool.acquire(), world.pool.acquire()];
  await turns(1);
  expect(figures(world, "count")).toEqual({
    "unsteady used": 2,
    "unsteady idle": 0,
    "unsteady dialling": 1,
    "unsteady closing": 0,
  });
  expect(figures(world, "pending_requests")).toEqual({ unsteady: 2 });
  expect([figures(world, "max"), figures(world, "idle.min")]).toEqual([{ unsteady: 3 }, { unsteady: 1 }]);
  if (first !== undefined) await world.giveBack(first);
  world.wire.dials.shift()?.succeed();
  const served = await Promise.all(waiting);
  expect(figures(world, "pending_requests")).toEqual({ unsteady: 0 });
  for (const lease of served) lease.release();
});

test("how long it took to dial, to wait and to use; a link that was idle is waited for not at all", async () => {
  await using world = new PoolWorld({ max: 1 });
  const acquired = world.pool.acquire();
  await turns(1);
  world.clock.advance(200);
  world.wire.dials.shift()?.succeed();
  const first = await acquired;
  const second = world.pool.acquire();
  world.clock.advance(1_000);
  await world.giveBack(first);
  const lease = await second;
  world.clock.advance(500);
  await world.giveBack(lease as typeof first);
  const third = await world.pool.acquire();
  expect(figures(world, "create_time")).toEqual({ unsteady: [1, 0.2] });
  expect(figures(world, "wait_time")).toEqual({ unsteady: [3, 1.2] });
  expect(figures(world, "use_time")).toEqual({ unsteady: [2, 1.5] });
  // One that was lost is in use until its borrower lets go of it.
  world.clock.advance(100);
  third.close();
  await turns(2);
  world.clock.advance(100);
  third.release();
  expect(figures(world, "use_time")).toEqual({ unsteady: [3, 1.7] });
});

test("who waited for too long is counted, and why links left; nothing falls when a pool is closed", async () => {
  await using world = new PoolWorld({ max: 1, acquireTimeoutMs: 100 });
  const lease = await world.lease();
  const late = outcomeOf(world.pool.acquire());
  world.clock.advance(100);
  await turns(1);
  expect(late).toMatchObject({ error: { code: "timed-out" } });
  lease.close();
  await turns(2);
  await world.pool.close();
  expect(figures(world, "timeouts")).toEqual({ unsteady: 1 });
  expect(figures(world, "evicted")).toEqual({ "unsteady closed": 1 });
  expect(figures(world, "wait_time")).toEqual({ unsteady: [1, 0] });
  expect([figures(world, "max"), figures(world, "count")]).toEqual([
    { unsteady: 0 },
    { "unsteady used": 0, "unsteady idle": 0, "unsteady dialling": 0, "unsteady closing": 0 },
  ]);
});

test("several pools of one protocol are told together", async () => {
  await using world = new PoolWorld({ max: 1 });
  const other = world.network.pool("unsteady://elsewhere", { max: 4 });
  const lease = await world.lease();
  const borrowed = other.acquire();
  await turns(1);
  world.wire.dials.shift()?.succeed();
  const theirs = await borrowed;
  expect(figures(world, "max")).toEqual({ unsteady: 5 });
  expect(figures(world, "count")).toMatchObject({ "unsteady used": 2 });
  lease.release();
  theirs.release();
});
