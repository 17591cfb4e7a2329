import { type Scenario, sampleOf } from "./scenario.ts";

/** Clients that come and go before anything is measured: it takes that many until the server runs compiled code. */
const warmUps = 3;
const warmUpClients = 8000;

export const connects: Scenario = {
  name: "connects",
  title: "connects per second, 64 at a time, connect reply included",
  unit: "connects/s",
  better: "higher",
  bars: [{ against: "plain-ws", ratio: 0.8 }],
  async run({ generator, measure, isQuick }) {
    const clients = isQuick ? 1000 : 10_000;
    for (let round = 0; round < (isQuick ? 1 : warmUps); round++) {
      const warmUp = { clients: isQuick ? 500 : warmUpClients, channels: 1, inFlight: 64, subscribe: false };
      await generator.run({ name: "open", ...warmUp });
      await generator.run({ name: "close" });
    }
    const measured = await measure({ name: "open", clients, channels: 1, inFlight: 64, subscribe: false });
    const sample = sampleOf(measured, clients / measured.seconds, clients);
    return { ...sample, p50Ms: measured.p50Us / 1000, p99Ms: measured.p99Us / 1000 };
  },
};
