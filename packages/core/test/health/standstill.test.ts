import fc from "fast-check";
import { expect, test } from "vitest";
import type { ConnectionOptions } from "../../src/index.ts";
import { FaultWorld } from "../fault-world.ts";
import { turns } from "../opened-network.ts";

const QUICK = { intervalMs: 3_000, failingIntervalMs: 1_000, unhealthyAfter: 1 };

/** The process stands still; then its timers are called, and then what has arrived is read. */
async function standStill(world: FaultWorld, forMs: number): Promise<void> {
  world.clock.stall(forMs);
  world.clock.advance(0);
  await turns(2);
}

const stalls = fc.array(
  fc.record({ beforeMs: fc.integer({ min: 6_000, max: 9_000 }), stillMs: fc.integer({ min: 520, max: 20_000 }) }),
  { minLength: 1, maxLength: 4 },
);

/** What is measured of a round trip of 40 ms, or of 600. */
test.each<[string, ConnectionOptions, roundTripMs: number, measuredMs: number]>([
  ["a conversation", { health: QUICK, quality: { sampleIntervalMs: 500 } }, 40, 40],
  ["a conversation over a slow wire", { health: QUICK, quality: { sampleIntervalMs: 500 } }, 600, 600],
  ["requests", { health: QUICK, quality: { profile: "rpc", sampleIntervalMs: 500 } }, 40, 40],
  ["checks alone", { health: QUICK }, 40, 40],
  ["checks by payload", { health: { ...QUICK, check: { send: "?", expect: "?" } } }, 40, 40],
  ["checks by dial, which takes no time here", { health: { ...QUICK, check: "dial" } }, 40, 0],
  ["silence that matters", { health: QUICK, quality: { staleMs: 5_000 } }, 40, 40],
])(
  "F19: standing still changes neither health nor quality, and cuts nobody: %s",
  async (_what, options, ...[roundTripMs, measuredMs]) => {
    await fc.assert(
      fc.asyncProperty(stalls, async (all) => {
        await using world = new FaultWorld();
        world.wire.conditions.roundTripMs = roundTripMs;
        const told = (await world.connect(options)).ignoreQuality();
        await world.pass(30_000);
        const { level } = told.connection.quality;
        expect(level).toBe("excellent");
        for (const { beforeMs, stillMs } of all) {
          await world.pass(beforeMs);
          await standStill(world, stillMs);
          expect(told.connection.quality.level).toBe(level);
        }
        await world.pass(10_000);
        expect(told.connection.quality).toMatchObject({ level, loss: 0, errors: 0 });
        // What a standstill of less than a tick adds is not noticed.
        expect(Math.abs((told.connection.quality.roundTripMs ?? Infinity) - measuredMs)).toBeLessThan(60);
        expect(told.health).toEqual([]);
        expect(told.connection.health).toMatchObject({ status: "healthy", failures: 0 });
        expect(told.disconnects).toEqual([]);
        expect(told.connection.generation).toBe(1);
      }),
      { numRuns: 60 },
    );
  },
);

test("F19: a ping of the program's own over a standstill is answered, and measures nothing", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: false })).ignoreQuality();
  const answer = told.connection.ping();
  await standStill(world, 5_000);
  expect(await answer).toBe(5_000);
  expect(told.connection.quality.samples).toBe(0);
  const next = told.connection.ping();
  await world.pass(5);
  expect(await next).toBe(5);
  expect(told.connection.quality).toMatchObject({ samples: 1, roundTripMs: 5 });
});

test("a peer that is gone is noticed in spite of a process that stands still every other second", async () => {
  await using world = new FaultWorld();
  const told = (await world.connect({ health: QUICK })).ignoreQuality();
  await world.pass(10_000);
  world.wire.conditions.isBlackHole = true;
  for (let round = 0; round < 10 && told.disconnects.length === 0; round++) {
    await world.pass(1_000);
    await standStill(world, 1_000);
  }
  expect(told.disconnects).toHaveLength(1);
});
