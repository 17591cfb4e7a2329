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

test.each<[string, ConnectionOptions, roundTripMs: number]>([
  ["a conversation", { health: QUICK, quality: { sampleIntervalMs: 500 } }, 40],
  ["a conversation over a slow wire", { health: QUICK, quality: { sampleIntervalMs: 500 } }, 600],
  ["requests", { health: QUICK, quality: { profile: "rpc", sampleIntervalMs: 500 } }, 40],
  ["checks alone", { health: QUICK }, 40],
  ["checks by payload", { health: { ...QUICK, check: { send: "?", expect: "?" } } }, 40],
  ["checks by dial", { health: { ...QUICK, check: "dial" } }, 40],
  ["silence that matters", { health: QUICK, quality: { staleMs: 5_000 } }, 40],
])(
  "F19: standing still changes neither health nor quality, and cuts nobody: %s",
  async (_what, options, roundTripMs) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            beforeMs: fc.integer({ min: 6_000, max: 9_000 }),
            stillMs: fc.integer({ min: 520, max: 20_000 }),
          }),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        async (stalls) => {
          await using world = new FaultWorld();
          world.wire.conditions.roundTripMs = roundTripMs;
          const told = (await world.connect(options)).ignoreQuality();
          const changes: string[] = [];
          await world.pass(30_000);
          told.connection.on("health", ({ to, cause }) => void changes.push(`${to}: ${cause}`));
          // Listening has it sampled; the level is known by then, or by the checks.
          const { level } = told.connection.quality;
          for (const { beforeMs, stillMs } of stalls) {
            await world.pass(beforeMs);
            await standStill(world, stillMs);
            expect(told.connection.quality.level).toBe(level);
          }
          await world.pass(10_000);
          expect(told.connection.quality).toMatchObject({ level, loss: 0, errors: 0 });
          if (
            options.health !== undefined &&
            told.connection.quality.roundTripMs !== undefined &&
            level !== "unknown"
          ) {
            const expectedMs = (options.health as { check?: unknown }).check === "dial" ? 0 : roundTripMs;
            expect(Math.abs(told.connection.quality.roundTripMs - expectedMs)).toBeLessThan(60);
          }
          expect(changes).toEqual([]);
          expect(told.connection.health.failures).toBe(0);
          expect(told.disconnects).toEqual([]);
          expect(told.connection.generation).toBe(1);
        },
      ),
      { numRuns: 60 },
    );
  },
);

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
