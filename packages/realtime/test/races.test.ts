import { expect, it } from "vitest";
import { RaceWorld } from "./race-world.ts";

const INTERLEAVINGS = 10_000;
const ACTIONS = 24;

async function race(seed: number, lostPercent: number): Promise<RaceWorld> {
  const world = new RaceWorld(seed, lostPercent);
  for (let count = 0; count < ACTIONS; count++) {
    world.act();
    world.stepSome();
  }
  world.drain();
  return world;
}

it(`publish and subscribe race: no gap, no repeat, in order, nothing left behind (${INTERLEAVINGS} interleavings)`, {
  timeout: 180_000,
}, async () => {
  let deliveries = 0;
  let recovered = 0;
  for (let seed = 0; seed < INTERLEAVINGS; seed++) {
    try {
      const world = await race(seed, 0);
      await world.expectAgreement();
      const stats = world.hub.stats();
      expect(stats.insufficientStates).toBe(0);
      deliveries += stats.deliveriesQueued;
      recovered += stats.recovered;
    } catch (cause) {
      throw new Error(`interleaving ${seed} went wrong: ${(cause as Error).message}`, { cause });
    }
  }
  expect(deliveries).toBeGreaterThan(10_000);
  expect(recovered).toBeGreaterThan(1_000);
});

it("the same with one publication in ten lost on its way: whoever lacks one is told to come back, and then has all", {
  timeout: 120_000,
}, async () => {
  let insufficient = 0;
  for (let seed = 0; seed < 500; seed++) {
    try {
      const world = await race(seed, 10);
      // Without traffic the periodic check finds who lacks something.
      await world.passTime(120_000);
      world.bringBack();
      await world.expectAgreement();
      insufficient += world.hub.stats().insufficientStates;
    } catch (cause) {
      throw new Error(`interleaving ${seed} went wrong: ${(cause as Error).message}`, { cause });
    }
  }
  expect(insufficient).toBeGreaterThan(100);
});
