import fc from "fast-check";
import { expect, it } from "vitest";
import { CHANNEL, TTL_MS, World } from "./recovery-world.ts";

const RUNS = 1_000;

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("lose" as const), count: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("cut" as const), client: fc.nat({ max: 2 }) }) },
    { weight: 7, arbitrary: fc.record({ kind: fc.constant("connect" as const), client: fc.nat({ max: 2 }) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "trim" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "expire" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "wait" as const }) },
  ),
  { minLength: 5, maxLength: 30 },
);

it(`never tells a client that nothing was missed when something was: ${RUNS} random lives`, {
  timeout: 120_000,
}, async () => {
  let recovered = 0;
  let unrecovered = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), async (life, seed) => {
      const world = new World(seed);
      for (const step of life) {
        switch (step.kind) {
          case "publish":
          case "lose":
            await world.publish(step.count, step.kind === "lose");
            break;
          case "cut":
            world.followers[step.client]?.cut();
            break;
          case "connect":
            await world.followers[step.client]?.connect(world.test);
            break;
          case "trim":
            await world.test.wait(world.test.hub.removeHistory(CHANNEL));
            world.model.kept = [];
            break;
          case "expire":
            await world.test.advance(TTL_MS + 1_000);
            world.model.kept = [];
            break;
          case "restart":
            await world.restart();
            break;
          case "wait":
            await world.test.advance(120_000);
            break;
        }
        for (const follower of world.followers) await follower.follow(world.test);
      }
      // Without any further traffic everybody who is connected gets what there is.
      await world.test.advance(120_000);
      for (const follower of world.followers) {
        await follower.follow(world.test);
        follower.expectToHaveAll();
        recovered += follower.recovered;
        unrecovered += follower.unrecovered;
      }
      await world.test[Symbol.asyncDispose]();
      expect(world.clock.pending).toBe(0);
    }),
    { numRuns: RUNS },
  );
  // Both answers were given often enough to mean something.
  expect(recovered).toBeGreaterThan(200);
  expect(unrecovered).toBeGreaterThan(200);
});
