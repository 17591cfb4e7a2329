import type { Command } from "../load/protocol.ts";
import { highestRate } from "../rate-search.ts";
import { type Bench, type Measured, type Scenario, sampleOf } from "./scenario.ts";

const channels = 100;
const perChannel = 10;
const ceilingMs = 100;

/** One stall of the machine is not the server's: a rate has failed when it failed twice. */
const attemptsPerRate = 2;
/** So that the first rate meets compiled code. */
const warmUpRate = 1000;

type Rate = Extract<Command, { name: "rate" }>;

function isHeld(measured: Measured, command: Rate): boolean {
  const total = Math.floor((command.perSecond * command.milliseconds) / 1000);
  const isWhole = measured.publications === total && measured.received === measured.expected;
  return isWhole && measured.disordered === 0 && measured.closed === 0 && measured.p99Us < ceilingMs * 1000;
}

async function connect({ generator }: Bench): Promise<void> {
  const clients = channels * perChannel;
  await generator.run({ name: "open", clients, channels, inFlight: 64, subscribe: true });
  await generator.run({ name: "publisher" });
}

/** Whether a rate holds, and what was measured when it did. */
async function tryRate(bench: Bench, perSecond: number, milliseconds: number): Promise<Measured | undefined> {
  for (let attempt = 0; attempt < attemptsPerRate; attempt++) {
    const measured = await offer(bench, perSecond, milliseconds);
    if (measured !== undefined) return measured;
  }
  return undefined;
}

/** Offers a rate; after one that cost connections or messages, starts over with new clients. */
async function offer(bench: Bench, perSecond: number, milliseconds: number): Promise<Measured | undefined> {
  const command = { name: "rate", perSecond, milliseconds, ceilingMs } as const;
  const measured = await bench.measure(command);
  if (measured.closed > 0 || measured.received !== measured.expected) {
    await bench.generator.run({ name: "close" });
    await connect(bench);
  }
  return isHeld(measured, command) ? measured : undefined;
}

export const manyChannels: Scenario = {
  name: "channels",
  title: `${channels} channels of ${perChannel} clients, most with p99 < ${ceilingMs} ms and nothing lost`,
  unit: "deliveries/s",
  better: "higher",
  bars: [{ against: "plain-ws", ratio: 5 }],
  async run(bench) {
    await connect(bench);
    await offer(bench, warmUpRate, bench.isQuick ? 200 : 1000);
    const search = { start: 4000, ceiling: 400_000, precision: bench.isQuick ? 0.25 : 0.05 };
    const stepMs = bench.isQuick ? 200 : 1000;
    let rate = await highestRate(search, async (perSecond) => (await tryRate(bench, perSecond, stepMs)) !== undefined);
    // A short step lets a queue grow unseen: the rate counts once it holds for longer.
    for (let attempt = 0; rate !== undefined && attempt < 8; attempt++) {
      const measured = await tryRate(bench, rate, bench.isQuick ? 500 : 4000);
      if (measured !== undefined) {
        const sample = sampleOf(measured, rate * perChannel, measured.received);
        return { ...sample, details: { publicationsPerSecond: rate } };
      }
      rate = Math.round(rate * 0.94);
    }
    throw new Error(`no rate held with p99 < ${ceilingMs} ms`);
  },
};
