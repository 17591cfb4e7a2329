import fc from "fast-check";
import { expect, test } from "vitest";
import { Rounds, type Watched } from "../../src/health/rounds.ts";
import { ManualClock } from "../../src/testing.ts";

function world(): { readonly clock: ManualClock; readonly rounds: Rounds } {
  const clock = new ManualClock();
  return { clock, rounds: new Rounds(clock) };
}

/** Writes down when its rounds were. */
function watched(): Watched & { readonly at: number[] } {
  const at: number[] = [];
  return { at, round: (awakeMs) => void at.push(awakeMs) };
}

test("one timer for all, twice a second, and none when nobody is watched", () => {
  const { clock, rounds } = world();
  const all = Array.from({ length: 1_000 }, watched);
  for (const one of all) rounds.add(one);
  expect(clock.pending).toBe(1);
  clock.advance(1_600);
  expect(clock.pending).toBe(1);
  for (const { at } of all) expect(at).toEqual([500, 1_000, 1_500]);
  for (const one of all) rounds.remove(one);
  expect(clock.pending).toBe(0);
  clock.advance(10_000);
  expect(all[0]?.at).toHaveLength(3);
});

test("time in which the process stood still is none, whoever asks first: somebody else or the timer", () => {
  const { clock, rounds } = world();
  rounds.add(watched());
  clock.advance(1_200);
  clock.stall(5_000);
  // The timer was due at 1,500, and is 4,700 late; the first 20 may happen to any.
  expect(rounds.awakeMs).toBe(1_520);
  expect(rounds.stalledMs).toBe(4_680);
  clock.advance(0);
  expect(rounds.awakeMs).toBe(1_520);
  clock.advance(500);
  expect(rounds.awakeMs).toBe(2_020);
});

test("a standstill within half a second of which no timer tells is time as any other", () => {
  const { clock, rounds } = world();
  rounds.add(watched());
  clock.stall(400);
  expect(rounds.stalledMs).toBe(0);
});

test("a watched one may leave, come back or bring others in the middle of a round", () => {
  const { clock, rounds } = world();
  const late = watched();
  const other = watched();
  const leaving: Watched = {
    round() {
      rounds.remove(leaving);
      rounds.remove(other);
      rounds.add(late);
    },
  };
  rounds.add(leaving);
  rounds.add(other);
  clock.advance(500);
  expect(other.at).toEqual([]);
  clock.advance(1_000);
  expect(late.at.slice(-2)).toEqual([1_000, 1_500]);
  expect(clock.pending).toBe(1);
});

test("the last one that leaves takes the timer along, and what was lost until then stays lost", () => {
  const { clock, rounds } = world();
  const one = watched();
  rounds.add(one);
  clock.stall(2_020);
  rounds.remove(one);
  // Due at 500, with the first 20 ms of being late as any other.
  expect(rounds.stalledMs).toBe(1_500);
  clock.stall(60_000);
  expect(rounds.stalledMs).toBe(1_500);
  rounds.add(one);
  clock.advance(500);
  expect(one.at).toEqual([2_020 + 60_000 - 1_500 + 500]);
});

test("awake time never goes back, and never passes faster than the clock", () => {
  const ms = fc.oneof(fc.nat(3_000), fc.integer({ min: 495, max: 525 }), fc.nat(30));
  const act = fc.record({ what: fc.constantFrom("advance", "stall", "add", "remove"), ms });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const { clock, rounds } = world();
      const one = watched();
      let [awakeMs, nowMs] = [rounds.awakeMs, clock.now()];
      for (const { what, ms } of acts) {
        if (what === "advance") clock.advance(ms);
        else if (what === "stall") clock.stall(ms);
        else if (what === "add") rounds.add(one);
        else rounds.remove(one);
        expect(rounds.awakeMs).toBeGreaterThanOrEqual(awakeMs);
        expect(rounds.awakeMs - awakeMs).toBeLessThanOrEqual(clock.now() - nowMs);
        [awakeMs, nowMs] = [rounds.awakeMs, clock.now()];
      }
    }),
    { numRuns: 2_000 },
  );
});
