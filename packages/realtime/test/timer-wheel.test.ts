import type { PolywireError } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TimerWheel, type WheelEntry, type WheelPlace } from "../src/timer-wheel.ts";
import { FakeClock } from "./fake-clock.ts";

const TICK_MS = 500;
const DAY_MS = 86_400_000;

class Entry implements WheelEntry {
  wheelPlace: WheelPlace | undefined = undefined;
  readonly firedAtMs: number[] = [];
  onDue: () => void = () => {};
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  due(): void {
    this.firedAtMs.push(this.#clock.now());
    this.onDue();
  }
}

function setUp(): { clock: FakeClock; wheel: TimerWheel; entry: () => Entry } {
  const clock = new FakeClock();
  return { clock, wheel: new TimerWheel(clock, { tickMs: TICK_MS }), entry: () => new Entry(clock) };
}

describe("timer wheel", () => {
  it("calls back once, never early, at most one tick late", async () => {
    const { clock, wheel, entry } = setUp();
    await clock.pass(123);
    const one = entry();
    wheel.schedule(one, 1_000);
    await clock.pass(999);
    expect(one.firedAtMs).toEqual([]);
    await clock.pass(TICK_MS + 1);
    expect(one.firedAtMs).toEqual([1_500]);
    await clock.pass(DAY_MS);
    expect(one.firedAtMs).toEqual([1_500]);
  });

  it("has one timer for everything, and none when nothing is scheduled", async () => {
    const { clock, wheel, entry } = setUp();
    expect(clock.pending).toBe(0);
    const entries = Array.from({ length: 1_000 }, (_, index) => {
      const one = entry();
      wheel.schedule(one, index * 37);
      return one;
    });
    expect(clock.pending).toBe(1);
    expect(wheel.size).toBe(1_000);
    await clock.pass(20_000);
    expect(clock.pending).toBe(1);
    for (const one of entries) wheel.cancel(one);
    expect(clock.pending).toBe(0);
    expect(wheel.size).toBe(0);
  });

  it("wakes up rarely for what is far away", async () => {
    const { clock, wheel, entry } = setUp();
    let timers = 0;
    const setTimer = clock.setTimer.bind(clock);
    clock.setTimer = (callback, delayMs) => {
      timers++;
      return setTimer(callback, delayMs);
    };
    const one = entry();
    wheel.schedule(one, DAY_MS);
    await clock.pass(DAY_MS + TICK_MS);
    expect(one.firedAtMs).toEqual([DAY_MS]);
    expect(timers).toBeLessThan(5);
  });

  it("moves an entry that is scheduled again, to sooner and to later", async () => {
    const { clock, wheel, entry } = setUp();
    const sooner = entry();
    const later = entry();
    wheel.schedule(sooner, 60_000);
    wheel.schedule(later, 1_000);
    wheel.schedule(sooner, 1_000);
    wheel.schedule(later, 60_000);
    expect(wheel.size).toBe(2);
    await clock.pass(60_000);
    expect([sooner.firedAtMs, later.firedAtMs]).toEqual([[1_000], [60_000]]);
  });

  it("lets an entry schedule itself, cancel others and close the wheel while it is called back", async () => {
    const { clock, wheel, entry } = setUp();
    const again = entry();
    const victim = entry();
    again.onDue = () => {
      wheel.cancel(victim);
      if (again.firedAtMs.length < 3) wheel.schedule(again, 0);
    };
    wheel.schedule(again, 1_000);
    wheel.schedule(victim, 1_000);
    await clock.pass(10_000);
    expect(again.firedAtMs).toEqual([1_000, 1_500, 2_000]);
    expect(victim.firedAtMs).toEqual([]);
    const closing = entry();
    closing.onDue = () => wheel.close();
    wheel.schedule(closing, 1_000);
    wheel.schedule(victim, 1_000);
    await clock.pass(10_000);
    expect(victim.firedAtMs).toEqual([]);
    expect(clock.pending).toBe(0);
    wheel.schedule(victim, 1_000);
    await clock.pass(10_000);
    expect(victim.firedAtMs).toEqual([]);
  });

  it("calls the others when one throws, and reports what it threw", async () => {
    const clock = new FakeClock();
    const reported: PolywireError[] = [];
    const wheel = new TimerWheel(clock, { report: (error) => void reported.push(error) });
    const bad = new Entry(clock);
    bad.onDue = () => {
      throw new Error("bug");
    };
    const good = new Entry(clock);
    wheel.schedule(bad, 1_000);
    wheel.schedule(good, 1_000);
    await clock.pass(2_000);
    expect(good.firedAtMs).toEqual([1_000]);
    expect(reported.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      "internal: timer wheel: an entry threw: bug",
    ]);
  });

  it("throws on what an entry threw when nobody wants the report, and goes on", async () => {
    const { clock, wheel, entry } = setUp();
    const bad = entry();
    bad.onDue = () => {
      throw new Error("bug");
    };
    const good = entry();
    const later = entry();
    wheel.schedule(bad, 1_000);
    wheel.schedule(good, 1_000);
    wheel.schedule(later, 2_000);
    await expect(clock.pass(1_000)).rejects.toThrow("bug");
    await clock.pass(1_000);
    expect([good.firedAtMs, later.firedAtMs]).toEqual([[1_000], [2_000]]);
  });

  it("tells those it calls late that the event loop stood still", async () => {
    const { clock, wheel, entry } = setUp();
    const one = entry();
    const stalls: number[] = [];
    one.onDue = () => void stalls.push(wheel.stallMs);
    wheel.schedule(one, 1_000);
    await clock.pass(1_000);
    wheel.schedule(one, 1_000);
    await clock.standStill(21_000);
    expect(stalls).toEqual([0, 20_000]);
    expect(wheel.stallMs).toBe(0);
    expect(wheel.lastStall).toEqual({ atMs: 22_000, durationMs: 20_000 });
    wheel.schedule(one, 1_000);
    await clock.pass(1_000 + TICK_MS);
    expect(stalls).toEqual([0, 20_000, 0]);
  });

  it("is not misled by a timer that comes early", async () => {
    const clock = new FakeClock();
    const setTimer = clock.setTimer.bind(clock);
    clock.setTimer = (callback, delayMs) => setTimer(callback, Math.max(0.1, delayMs - 2));
    const wheel = new TimerWheel(clock);
    const one = new Entry(clock);
    wheel.schedule(one, 1_000);
    await clock.pass(2_000);
    expect(one.firedAtMs.length).toBe(1);
    expect(one.firedAtMs[0]).toBeGreaterThanOrEqual(1_000);
    expect(one.firedAtMs[0]).toBeLessThan(1_000 + TICK_MS);
  });

  it("keeps in mind what comes down from a level above before the next entry is due", async () => {
    const { clock, wheel, entry } = setUp();
    await clock.pass(50_000);
    const [first, second] = [entry(), entry()];
    wheel.schedule(first, 125_000);
    wheel.schedule(second, 150_000);
    await clock.pass(DAY_MS);
    expect([first.firedAtMs, second.firedAtMs]).toEqual([[175_000], [200_000]]);
  });

  it("takes entries between the end of a stall and its own late tick", async () => {
    const { clock, wheel, entry } = setUp();
    const [first, second] = [entry(), entry()];
    wheel.schedule(first, 1_000);
    clock.setTimer(() => wheel.schedule(second, 1_000), 500);
    await clock.standStill(200_000);
    expect([first.firedAtMs, second.firedAtMs]).toEqual([[200_000], []]);
    await clock.pass(1_000 + TICK_MS);
    expect(second.firedAtMs).toEqual([201_000]);
  });

  it("refuses delays that are no time, and ticks that are none", () => {
    const { wheel, entry, clock } = setUp();
    for (const delayMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => wheel.schedule(entry(), delayMs)).toThrow("delayMs is");
    }
    for (const tickMs of [0, -1, Number.NaN, 3_600_000]) {
      expect(() => new TimerWheel(clock, { tickMs })).toThrow("tickMs is");
    }
  });

  it("calls back everything in time, whatever is scheduled, moved, cancelled and stalled", async () => {
    const delay = fc.oneof(
      fc.integer({ min: 0, max: 3_000 }),
      fc.integer({ min: 100_000, max: 300_000 }),
      fc.integer({ min: 8_000_000, max: 8_400_000 }),
      fc.integer({ min: 0, max: DAY_MS }),
      fc.integer({ min: 0, max: 30 * DAY_MS }),
      fc.double({ min: 0, max: 10_000, noNaN: true }),
    );
    const id = fc.nat({ max: 7 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant("schedule" as const), id, ms: delay }),
      fc.record({ kind: fc.constant("repeat" as const), id, ms: delay }),
      fc.record({ kind: fc.constant("cancel" as const), id, ms: fc.constant(0) }),
      fc.record({ kind: fc.constant("advance" as const), id, ms: delay }),
      fc.record({ kind: fc.constant("stall" as const), id, ms: delay }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.array(step, { maxLength: 40 }),
        async (originMs, steps) => {
          const clock = new FakeClock();
          await clock.pass(originMs);
          const wheel = new TimerWheel(clock, { tickMs: TICK_MS });
          let stalledUntilMs = Number.NEGATIVE_INFINITY;
          const dueMs = new Map<number, number>();
          const entries = Array.from({ length: 8 }, (_, index) => {
            const entry = new Entry(clock);
            entry.onDue = () => {
              const wantedMs = dueMs.get(index);
              dueMs.delete(index);
              if (wantedMs === undefined) throw new Error(`entry ${index} was not scheduled`);
              const lateMs = clock.now() - wantedMs;
              if (lateMs < -1e-6) throw new Error(`entry ${index} came ${-lateMs} ms early`);
              if (lateMs > TICK_MS + 1 && clock.now() !== stalledUntilMs)
                throw new Error(`entry ${index} came ${lateMs} ms late`);
            };
            return entry;
          });
          const schedule = (index: number, ms: number): void => {
            wheel.schedule(entries[index] as Entry, ms);
            dueMs.set(index, clock.now() + ms);
          };
          for (const { kind, id: index, ms } of steps) {
            const entry = entries[index] as Entry;
            if (kind === "schedule") schedule(index, ms);
            else if (kind === "repeat") {
              const check = entry.onDue;
              entry.onDue = () => {
                check();
                entry.onDue = check;
                schedule(index, ms);
              };
            } else if (kind === "cancel") {
              wheel.cancel(entry);
              dueMs.delete(index);
            } else if (kind === "advance") await clock.pass(ms);
            else {
              stalledUntilMs = clock.now() + ms;
              await clock.standStill(ms);
            }
            for (const [late, wantedMs] of dueMs) {
              if (wantedMs + TICK_MS + 1 < clock.now()) throw new Error(`entry ${late} never came`);
            }
            expect(wheel.size).toBe(dueMs.size);
            expect(clock.pending).toBe(dueMs.size === 0 ? 0 : 1);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
