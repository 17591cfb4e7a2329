import fc from "fast-check";
import { expect, test } from "vitest";
import { levelOf } from "../../src/quality/levels.ts";
import {
  type Obstacles,
  type QualityChange,
  QualityMeter,
  type QualityMeterOptions,
} from "../../src/quality/quality-meter.ts";

const WINDOW_MS = 5_000;
const CALM: Obstacles = { stalledMs: 0, silentMs: 0 };
const PROFILES = ["realtime", "rpc"] as const;

/** A meter and its time: something happens every second, and it is judged every half. */
class Metered {
  nowMs = 0;
  readonly changes: QualityChange[] = [];
  readonly meter: QualityMeter;

  constructor(options: Partial<QualityMeterOptions> = {}) {
    this.meter = new QualityMeter({ profile: "realtime", losesSingly: false, staleMs: Infinity, ...options }, 0);
  }

  get level(): string {
    return this.meter.level;
  }

  answers(count: number, roundTripMs: number): this {
    for (let second = 0; second < count; second++) {
      this.meter.answered(roundTripMs, this.nowMs);
      this.#aSecondLater(CALM);
    }
    return this;
  }

  misses(count: number): this {
    for (let second = 0; second < count; second++) {
      this.meter.missed(this.nowMs);
      this.#aSecondLater(CALM);
    }
    return this;
  }

  passes(seconds: number, obstacles: Partial<Obstacles> = {}): this {
    for (let second = 0; second < seconds; second++) this.#aSecondLater({ ...CALM, ...obstacles });
    return this;
  }

  #aSecondLater(obstacles: Obstacles): void {
    for (const half of [1, 2]) {
      const change = this.meter.judge(this.nowMs + half * 500, obstacles);
      if (change !== undefined) this.changes.push(change);
    }
    this.nowMs += 1_000;
  }
}

test("with fewer than three samples nothing is claimed, however long it lasts", () => {
  const metered = new Metered().answers(2, 5).passes(60);
  expect(metered.meter.read()).toMatchObject({ level: "unknown", score: undefined, worst: undefined, samples: 2 });
  expect(metered.meter.read().roundTripMs).toBe(5);
  expect(metered.changes).toEqual([]);
  metered.answers(1, 5).passes(5);
  expect(metered.changes).toEqual([{ from: "unknown", to: "excellent", score: 100 - 2.5 / 40, worst: "rtt" }]);
});

test("a level is known with the first window that has three samples, and not before it ends", () => {
  const metered = new Metered().answers(4, 700);
  expect(metered.level).toBe("unknown");
  metered.answers(1, 700);
  expect(metered.level).toBe("good");
});

test("worse is told in the window in which it shows", () => {
  const metered = new Metered().answers(10, 5);
  metered.answers(5, 3_000);
  expect(metered.changes.map(({ from, to }) => `${from} > ${to}`)).toEqual([
    "unknown > excellent",
    "excellent > critical",
  ]);
});

test("better is told after two windows, and no better than the worse of the two", () => {
  const metered = new Metered({ profile: "rpc", losesSingly: true });
  for (let each = 0; each < 3; each++) metered.meter.missed(0);
  metered.passes(5);
  expect(metered.meter.read()).toMatchObject({ level: "critical", score: 20, worst: "errors", errors: 1 });
  // So many satisfied that nothing of the failures is left: 20, 52, 71.2, 82.7, 89.6, 93.8 and 96.3 by 0.4 of what is missing.
  for (let each = 0; each < 1_000_000; each++) metered.meter.answered(1, metered.nowMs);
  const levels: string[] = [];
  for (let window = 0; window < 8; window++) {
    metered.passes(5);
    levels.push(`${metered.level} ${metered.meter.read().score?.toFixed(1)}`);
  }
  expect(levels).toEqual([
    "critical 52.0",
    "poor 71.2",
    "poor 82.7",
    "fair 89.6",
    "fair 93.8",
    "good 96.3",
    "good 97.8",
    "excellent 98.7",
  ]);
});

test("a window that is no better begins the count anew", () => {
  const metered = new Metered().answers(10, 5);
  metered.misses(1);
  expect(metered.level).toBe("poor");
  metered.answers(1, 5);
  // Up to the window's end, one window that is better, then another miss.
  metered.answers(7, 5);
  expect(metered.level).toBe("poor");
  metered.misses(1);
  metered.answers(6, 5);
  expect(metered.level).toBe("poor");
  metered.answers(10, 5);
  expect(metered.level).not.toBe("poor");
});

test.each<[string, Partial<Obstacles>, string, string]>([
  ["a second of standstill is none yet", { stalledMs: 1_000 }, "excellent", "rtt"],
  ["more than a second of standstill is fair at the best", { stalledMs: 1_001 }, "fair", "stall"],
  ["silence up to the limit is none yet", { silentMs: 59_999 }, "excellent", "rtt"],
  ["silence at the limit is critical", { silentMs: 60_000 }, "critical", "silence"],
  ["of two obstacles the worse counts", { stalledMs: 9_000, silentMs: 60_000 }, "critical", "silence"],
])("%s", (_what, obstacles, level, worst) => {
  const metered = new Metered({ staleMs: 60_000 }).answers(10, 5);
  metered.passes(1, obstacles);
  expect(metered.meter.read()).toMatchObject({ level, worst });
});

test("what caps the level is forgotten two windows after it is over", () => {
  const metered = new Metered().answers(10, 5).passes(1, { stalledMs: 2_000 });
  metered.answers(4 + 4, 5);
  expect(metered.changes.map(({ to, worst }) => `${to} for ${worst}`)).toEqual(["excellent for rtt", "fair for stall"]);
  expect(metered.meter.read().worst).toBe("stall");
  metered.answers(1, 5);
  expect(metered.changes.slice(2)).toEqual([expect.objectContaining({ from: "fair", to: "excellent", worst: "rtt" })]);
});

test("a cap does not improve what is worse by itself", () => {
  const metered = new Metered().answers(10, 3_000).passes(1, { stalledMs: 9_000 });
  expect(metered.meter.read()).toMatchObject({ level: "critical", worst: "rtt" });
});

test("one ping without an answer is poor at once, two in a row are critical, also before anything else is known", () => {
  const metered = new Metered();
  metered.misses(1);
  expect(metered.changes).toEqual([{ from: "unknown", to: "poor", score: undefined, worst: "loss" }]);
  metered.misses(1);
  expect(metered.changes[1]).toEqual({ from: "poor", to: "critical", score: undefined, worst: "loss" });
});

test("an answer between them makes two misses single ones", () => {
  const metered = new Metered().answers(20, 5).misses(1).answers(1, 5).misses(1);
  expect(metered.level).toBe("poor");
});

test("an answer that comes late proves that the peer lives, and how far away it is; the miss stays counted", () => {
  const metered = new Metered().answers(20, 5);
  metered.meter.missed(metered.nowMs);
  metered.meter.answeredLate(2_000);
  metered.passes(1);
  expect(metered.level).toBe("excellent");
  expect(metered.meter.read().roundTripMs).toBe(5 + 1_995 / 8);
  expect(metered.meter.read().loss).toBeGreaterThan(0.05);
});

test("a sign of life that measures nothing makes two misses single ones all the same", () => {
  const metered = new Metered().answers(20, 5).misses(1);
  metered.meter.heard();
  metered.misses(1);
  expect(metered.level).toBe("poor");
  expect(metered.meter.read().samples).toBe(22);
});

test("where messages are lost as a matter of course only three in a row are more than their share", () => {
  const metered = new Metered({ losesSingly: true }).answers(20, 5);
  metered.misses(2);
  expect(metered.level).toBe("excellent");
  metered.misses(1);
  expect(metered.meter.read()).toMatchObject({ level: "critical", worst: "loss" });
});

test("requests that fail are a share, not misses in a row", () => {
  const metered = new Metered({ profile: "rpc" }).answers(30, 5);
  metered.misses(4);
  expect(metered.level).toBe("excellent");
  metered.answers(1, 5);
  expect(metered.meter.read()).toMatchObject({ level: "fair", worst: "errors", loss: 0 });
});

test("Apdex: T is four times the fastest request and 50 ms at the least, up to 4 T is tolerable", () => {
  const scoreOf = (roundTripMs: number, fastestMs: number): number | undefined => {
    const metered = new Metered({ profile: "rpc" });
    metered.meter.answered(fastestMs, 0);
    // So many that the first, fast one counts for nothing.
    for (let each = 0; each < 1_000_000; each++) metered.meter.answered(roundTripMs, 0);
    return Math.round(metered.passes(5).meter.read().score ?? 0);
  };
  expect([50, 50.1, 200, 200.1].map((roundTripMs) => scoreOf(roundTripMs, 1))).toEqual([100, 50, 50, 20]);
  expect([400, 400.1, 1_600, 1_600.1].map((roundTripMs) => scoreOf(roundTripMs, 100))).toEqual([100, 50, 50, 20]);
});

test("one lost check after an hour of good ones, a minute apart, is poor and not critical", () => {
  const metered = new Metered();
  for (let minute = 0; minute < 60; minute++) {
    metered.meter.answered(5, metered.nowMs);
    metered.passes(60);
  }
  expect(metered.level).toBe("excellent");
  metered.meter.missed(metered.nowMs);
  metered.passes(5);
  metered.meter.answered(5, metered.nowMs);
  metered.passes(60);
  expect(metered.changes.map(({ to }) => to)).not.toContain("critical");
  for (let minute = 0; minute < 10; minute++) {
    metered.meter.answered(5, metered.nowMs);
    metered.passes(60);
  }
  expect(metered.level).toBe("excellent");
});

test("whatever is measured: the score is a number from 20 to 100, changes follow one another, and worse is told at once", () => {
  const happening = fc.oneof(
    { weight: 8, arbitrary: fc.record({ what: fc.constant("answered" as const), ms: fc.nat(5_000) }) },
    fc.record({ what: fc.constantFrom("missed" as const, "late" as const, "passed" as const), ms: fc.nat(5_000) }),
    fc.record({ what: fc.constantFrom("stalled" as const, "silent" as const), ms: fc.nat(90_000) }),
  );
  const options = fc.record({
    profile: fc.constantFrom(...PROFILES),
    losesSingly: fc.boolean(),
    staleMs: fc.constantFrom(60_000, Infinity),
  });
  fc.assert(
    fc.property(options, fc.array(happening, { maxLength: 80 }), (given, happenings) => {
      const { meter, ...metered } = new Metered(given);
      let [nowMs, previous, sinceMs] = [metered.nowMs, "unknown", 0];
      for (const { what, ms } of happenings) {
        nowMs += 700;
        if (what === "answered") meter.answered(ms, nowMs);
        else if (what === "missed") meter.missed(nowMs);
        else if (what === "late") meter.answeredLate(ms);
        const obstacles = { stalledMs: what === "stalled" ? ms : 0, silentMs: what === "silent" ? ms : 0 };
        const change = meter.judge(nowMs, obstacles);
        const { score, level, worst, loss, errors } = meter.read();
        if (change !== undefined) {
          expect(change.from).toBe(previous);
          expect(change.to).not.toBe(previous);
          previous = change.to;
          const isBetter = meterOrder(change.to) < meterOrder(change.from) && change.from !== "unknown";
          if (isBetter) expect(nowMs - sinceMs).toBeGreaterThanOrEqual(WINDOW_MS);
          sinceMs = nowMs;
        }
        expect(level).toBe(previous);
        expect(worst === undefined).toBe(level === "unknown");
        if (score !== undefined) {
          expect(score).toBeGreaterThanOrEqual(20);
          expect(score).toBeLessThanOrEqual(100);
          // Never better than the score says.
          expect(meterOrder(level)).toBeGreaterThanOrEqual(meterOrder(levelOf(given.profile, score)));
        }
        for (const share of [loss, errors]) expect(share >= 0 && share <= 1 + 1e-12).toBe(true);
      }
    }),
    { numRuns: 3_000 },
  );
});

function meterOrder(level: string): number {
  return ["unknown", "excellent", "good", "fair", "poor", "critical"].indexOf(level);
}
