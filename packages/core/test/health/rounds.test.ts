import fc from "fast-check";
import { expect, test } from "vitest";
import { Rounds, type Watched } from "../../src/health/rounds.ts";
import { ManualClock } from "../../src/testing.ts";
import { turns } from "../opened-network.ts";

function world(): { readonly clock: ManualClock; readonly rounds: Rounds } {
  const clock = new ManualClock();
  return { clock, rounds: new Rounds(clock) };
}

/** Writes down when its rounds were. */
function watched(): Watched & { readonly at: number[] } {
  const at: number[] = [];
  return { at, round: (awakeMs) => void at.push(awakeMs) };
}

test("one timer for all, a round twice a second, and none when nobody is watched", async () => {
  const { clock, rounds } = world();
  const all = Array.from({ length: 1_000 }, watched);
  for (const one of all) rounds.add(one);
  expect(clock.pending).toBe(1);
  await clock.advanceSettled(1_600, () => turns(1));
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
  clock.advance(1_240);
  clock.stall(5_000);
  // A tick was due at 1,300, and is 4,940 late; the first 20 may happen to any.
  expect(rounds.awakeMs).toBe(1_320);
  expect(rounds.stalledMs).toBe(4_920);
  clock.advance(0);
  expect(rounds.awakeMs).toBe(1_320);
  clock.advance(500);
  expect(rounds.awakeMs).toBe(1_820);
});

test("a standstill of which no tick tells is time as any other", () => {
  const { clock, rounds } = world();
  rounds.add(watched());
  clock.stall(120);
  expect(rounds.stalledMs).toBe(0);
});

test("a watched one may leave, come back or bring others in the middle of a round", async () => {
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
  await clock.advanceSettled(500, () => turns(1));
  expect(other.at).toEqual([]);
  await clock.advanceSettled(1_000, () => turns(1));
  expect(late.at.slice(-2)).toEqual([1_000, 1_500]);
  expect(clock.pending).toBe(1);
});

test("the last one that leaves takes the timer along, and what was lost until then stays lost", async () => {
  const { clock, rounds } = world();
  const one = watched();
  rounds.add(one);
  clock.stall(2_020);
  rounds.remove(one);
  // Due at 100, with the first 20 ms of being late as any other.
  expect(rounds.stalledMs).toBe(1_900);
  clock.stall(60_000);
  expect(rounds.stalledMs).toBe(1_900);
  rounds.add(one);
  await clock.advanceSettled(500, () => turns(1));
  expect(one.at).toEqual([2_020 + 60_000 - 1_900 + 500]);
});

test("a round comes after the sockets were read, and a standstill of many rounds brings one", async () => {
  const { clock, rounds } = world();
  const story: string[] = [];
  rounds.add({ round: () => void story.push("round") });
  clock.advance(450);
  clock.stall(5_000);
  // What arrived meanwhile is read in the turn in which the timers are called.
  clock.endOfTurn(() => void story.push("answer"));
  clock.advance(0);
  await turns(1);
  expect(story).toEqual(["answer", "round"]);
});

test("awake time never goes back, and never passes faster than the clock", () => {
  const ms = fc.oneof(fc.nat(3_000), fc.integer({ min: 95, max: 125 }), fc.nat(30));
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
