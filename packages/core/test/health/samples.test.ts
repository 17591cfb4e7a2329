import { expect, test } from "vitest";
import { Rounds } from "../../src/health/rounds.ts";
import { Samples } from "../../src/health/samples.ts";
import { PolywireError } from "../../src/index.ts";
import { QualityMeter } from "../../src/quality/quality-meter.ts";
import { ManualClock } from "../../src/testing.ts";
import { turns } from "../opened-network.ts";

type Answer = (roundTripMs: number | undefined) => void;

/** A link that is sampled every second; the test answers. */
class Sampled {
  readonly clock: ManualClock = new ManualClock();
  readonly rounds: Rounds = new Rounds(this.clock);
  readonly meter: QualityMeter = new QualityMeter({ profile: "realtime", losesSingly: false, staleMs: Infinity }, 0);
  readonly pings: Answer[] = [];
  sampled = 0;
  /** What a ping throws. */
  refusal: PolywireError | undefined = undefined;
  readonly samples: Samples = new Samples(this.rounds, this.meter, {
    ping: (answered) => {
      if (this.refusal !== undefined) throw this.refusal;
      this.pings.push(answered);
    },
    sampled: () => void this.sampled++,
  });

  constructor() {
    this.rounds.add({ round: (awakeMs) => this.samples.round(awakeMs, 1_000) });
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advanceSettled(ms, () => turns(1));
    await turns(1);
  }

  get figures(): { samples: number; loss: number; roundTripMs: number | undefined } {
    const { samples, loss, roundTripMs } = this.meter.read();
    return { samples, loss, roundTripMs };
  }
}

test("a ping every interval; what it takes is timed here, whatever the wire says", async () => {
  const sampled = new Sampled();
  await sampled.pass(500);
  await sampled.pass(40);
  sampled.pings[0]?.(Number.NaN);
  expect(sampled.figures).toEqual({ samples: 1, loss: 0, roundTripMs: 40 });
  await sampled.pass(5_000);
  expect(sampled.pings).toHaveLength(6);
  expect(sampled.sampled).toBe(1);
});

test("an answer that is not there when its time is over is missed once; when it comes it says how far the peer is", async () => {
  const sampled = new Sampled();
  await sampled.pass(1_600);
  expect(sampled.figures).toEqual({ samples: 1, loss: 1, roundTripMs: undefined });
  sampled.pings[0]?.(1_100);
  expect(sampled.figures).toEqual({ samples: 1, loss: 1, roundTripMs: 1_100 });
  sampled.pings[0]?.(1_100);
  expect(sampled.figures.samples).toBe(1);
});

test("a wire that gives a ping up, before or after its time is over, makes one miss", async () => {
  const sampled = new Sampled();
  await sampled.pass(700);
  sampled.pings[0]?.(undefined);
  expect(sampled.figures).toEqual({ samples: 1, loss: 1, roundTripMs: undefined });
  await sampled.pass(1_000 + 1_100);
  expect(sampled.figures.samples).toBe(2);
  sampled.pings[1]?.(undefined);
  expect(sampled.figures.samples).toBe(2);
});

test("pings without an answer are bounded: past sixteen no further one goes out", async () => {
  const sampled = new Sampled();
  await sampled.pass(60_000);
  expect(sampled.pings).toHaveLength(16);
  expect(sampled.figures.samples).toBe(16);
  sampled.pings[0]?.(1);
  await sampled.pass(1_000);
  expect(sampled.pings).toHaveLength(17);
});

test("a ping that the wire refuses is no sample", async () => {
  const sampled = new Sampled();
  sampled.refusal = new PolywireError("limit-reached", "64 pings wait");
  await sampled.pass(10_000);
  expect(sampled.figures).toEqual({ samples: 0, loss: 0, roundTripMs: undefined });
});

test("what is forgotten is neither answered nor missed", async () => {
  const sampled = new Sampled();
  await sampled.pass(600);
  sampled.samples.forget();
  sampled.pings[0]?.(50);
  await sampled.pass(300);
  expect(sampled.figures).toEqual({ samples: 0, loss: 0, roundTripMs: undefined });
});

test("an answer over a standstill proves that the peer lives, and measures nothing", async () => {
  const sampled = new Sampled();
  await sampled.pass(500);
  sampled.pings[0]?.(0);
  await sampled.pass(1_000);
  sampled.clock.stall(5_000);
  sampled.pings[1]?.(5_000);
  expect(sampled.figures).toEqual({ samples: 1, loss: 0, roundTripMs: 0 });
  expect(sampled.sampled).toBe(2);
});
