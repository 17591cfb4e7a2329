import fc from "fast-check";
import { expect, test } from "vitest";
import { Checkup, type CheckupOwner } from "../../src/health/checkup.ts";
import { completeLinkVitals, type HealthOptions } from "../../src/health/options.ts";
import { Rounds } from "../../src/health/rounds.ts";
import { PolywireError } from "../../src/index.ts";
import { ManualClock } from "../../src/testing.ts";
import { turns } from "../opened-network.ts";

/** A peer that is asked, and whose answers the test gives. */
class Asked implements CheckupOwner {
  readonly clock = new ManualClock();
  readonly rounds = new Rounds(this.clock);
  readonly askedAtMs: number[] = [];
  readonly outcomes: { readonly tookMs: number; readonly error: string | undefined }[] = [];
  readonly signals: AbortSignal[] = [];
  canCheck = true;
  patienceMs = Infinity;
  /** What the peer does when it is asked. */
  reply: () => void | Promise<void> = () => {};
  readonly checkup: Checkup;

  constructor(options: HealthOptions, random: () => number = () => 0.5) {
    const { health } = completeLinkVitals({ health: options });
    if (health === undefined) throw new Error("no health options");
    this.checkup = new Checkup({ rounds: this.rounds, random }, health, this);
    this.rounds.add(this.checkup);
    this.checkup.start();
  }

  check(signal: AbortSignal): void | Promise<void> {
    this.askedAtMs.push(this.clock.now());
    this.signals.push(signal);
    return this.reply();
  }

  checked(tookMs: number, error: PolywireError | undefined): void {
    this.outcomes.push({ tookMs, error: error?.code });
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advanceSettled(ms, () => turns(1));
    await turns(1);
  }

  /** From one question to the next. */
  get gapsMs(): readonly number[] {
    return this.askedAtMs.slice(1).map((atMs, index) => atMs - (this.askedAtMs[index] ?? 0));
  }
}

const NO = (): void => {
  throw new Error("not well");
};
const NEVER = (): Promise<void> => new Promise(() => {});

test.each([
  [0, 500],
  [0.5, 30_000],
  [0.999, 60_000],
])("the first check comes within one interval, by chance: %d", async (chance, atMs) => {
  const asked = new Asked({}, () => chance);
  await asked.pass(60_500);
  expect(asked.askedAtMs[0]).toBe(atMs);
});

test("from one check to the next it is the interval, give or take 15 %, to the half second of a round", async () => {
  for (const [chance, gapMs] of [
    [0, 51_000],
    [0.5, 60_000],
    [0.9999999, 69_000],
  ] as const) {
    const asked = new Asked({ intervalMs: 60_000 }, () => chance);
    await asked.pass(300_000);
    expect(new Set(asked.gapsMs)).toEqual(new Set([gapMs]));
  }
});

test("whatever chance says the checks stay within 15 % of the interval and do not fall into step", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      fc.integer({ min: 2_000, max: 120_000 }),
      async (seed, intervalMs) => {
        let state = seed;
        const asked = new Asked({ intervalMs }, () => {
          state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
          return state / 0x8000_0000;
        });
        await asked.pass(intervalMs * 8);
        expect(asked.askedAtMs[0]).toBeLessThanOrEqual(intervalMs + 500);
        for (const gapMs of asked.gapsMs) {
          expect(gapMs).toBeGreaterThanOrEqual(intervalMs * 0.85);
          expect(gapMs).toBeLessThanOrEqual(intervalMs * 1.15 + 500);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("a failure is followed sooner, until it is known what to make of it, and until it is well again", async () => {
  const asked = new Asked(
    { intervalMs: 60_000, failingIntervalMs: 5_000, unhealthyAfter: 3, healthyAfter: 2 },
    () => 0.5,
  );
  await asked.pass(30_000);
  asked.reply = NO;
  await asked.pass(60_000 + 5_000 + 5_000);
  expect(asked.checkup.record.checked).toBe("unhealthy");
  await asked.pass(5_000);
  asked.reply = () => {};
  await asked.pass(5_000 + 5_000 + 60_000);
  expect(asked.gapsMs).toEqual([60_000, 5_000, 5_000, 5_000, 5_000, 5_000, 60_000]);
  expect(asked.checkup.record.checked).toBe("healthy");
});

test("failing checks are no slower than good ones, whatever the options say", async () => {
  const asked = new Asked({ intervalMs: 2_000, failingIntervalMs: 30_000 });
  asked.reply = NO;
  await asked.pass(10_000);
  expect(new Set(asked.gapsMs)).toEqual(new Set([2_000]));
});

test("P37: a check that throws, one that rejects and one that rejects with nothing are failures", async () => {
  for (const reply of [NO, () => Promise.reject(new Error("later")), () => Promise.reject(undefined)]) {
    const asked = new Asked({ intervalMs: 2_000 });
    asked.reply = reply as () => Promise<void>;
    await asked.pass(1_000);
    expect(asked.outcomes).toEqual([{ tookMs: 0, error: "not-available" }]);
    expect(asked.checkup.record.error).toMatchObject({ code: "not-available" });
  }
});

test("P37: a check that never settles is given up in time, its signal fires, and what comes of it later is of no interest", async () => {
  const asked = new Asked({ intervalMs: 10_000, timeoutMs: 3_000 });
  let settle: () => void = () => {};
  asked.reply = () =>
    new Promise((resolve) => {
      settle = resolve;
    });
  await asked.pass(5_000);
  expect(asked.askedAtMs).toEqual([5_000]);
  await asked.pass(2_500);
  expect(asked.outcomes).toEqual([]);
  await asked.pass(500);
  expect(asked.outcomes).toEqual([{ tookMs: 3_000, error: "timed-out" }]);
  expect(asked.signals[0]?.reason).toMatchObject({
    code: "timed-out",
    message: "no answer to a health check within 3000 ms",
  });
  settle();
  await turns(2);
  expect(asked.outcomes).toHaveLength(1);
  expect(asked.checkup.record.failures).toBe(1);
});

test("the wait for an answer is the shorter one of the option and what makes sense for the peer", async () => {
  for (const [timeoutMs, patienceMs, tookMs] of [
    [5_000, 1_000, 1_000],
    [2_000, 30_000, 2_000],
  ] as const) {
    const asked = new Asked({ intervalMs: 10_000, timeoutMs });
    asked.patienceMs = patienceMs;
    asked.reply = NEVER;
    await asked.pass(5_000 + tookMs);
    expect(asked.outcomes).toEqual([{ tookMs, error: "timed-out" }]);
  }
});

test("one check at a time, and none while the peer cannot be asked; then at once", async () => {
  const asked = new Asked({ intervalMs: 1_000, timeoutMs: 4_000 });
  asked.canCheck = false;
  await asked.pass(10_000);
  expect(asked.askedAtMs).toEqual([]);
  asked.canCheck = true;
  asked.reply = NEVER;
  await asked.pass(500);
  expect(asked.askedAtMs).toEqual([10_500]);
  await asked.pass(3_500);
  expect(asked.askedAtMs).toHaveLength(1);
});

test("a check that was under way when the link went is no verdict on the next link", async () => {
  const asked = new Asked({ intervalMs: 2_000 });
  asked.reply = NEVER;
  await asked.pass(1_000);
  asked.checkup.stop();
  expect(asked.signals[0]?.reason).toMatchObject({ code: "aborted" });
  asked.reply = () => {};
  asked.checkup.start();
  await asked.pass(1_500);
  expect(asked.outcomes).toEqual([{ tookMs: 0, error: undefined }]);
});

test("a check that cannot be answered for our sake is forgotten, and made again", async () => {
  const asked = new Asked({ intervalMs: 60_000 });
  asked.reply = NEVER;
  await asked.pass(30_000);
  asked.checkup.forget();
  asked.reply = () => {};
  await asked.pass(500);
  expect(asked.outcomes).toEqual([{ tookMs: 0, error: undefined }]);
});

test("F19: a deadline that passed because this process stood still is no verdict, and the check is made again", async () => {
  const asked = new Asked({ intervalMs: 60_000 });
  let giveUp: (error: Error) => void = () => {};
  asked.reply = () =>
    new Promise((_resolve, reject) => {
      giveUp = reject;
    });
  await asked.pass(30_000);
  asked.clock.stall(8_000);
  // The wire's own deadline, on the clock that went on.
  giveUp(new PolywireError("timed-out", "no answer to a ping"));
  await turns(1);
  asked.reply = () => {};
  await asked.pass(1_000);
  expect(asked.outcomes).toEqual([{ tookMs: 0, error: undefined }]);
});

test("a deadline that passed in spite of being awake most of the time is a failure", async () => {
  const asked = new Asked({ intervalMs: 60_000 });
  asked.reply = NEVER;
  await asked.pass(30_000);
  asked.clock.stall(700);
  await asked.pass(5_000);
  expect(asked.outcomes.map(({ error }) => error)).toEqual(["timed-out"]);
});
