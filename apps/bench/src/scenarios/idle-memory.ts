import { setTimeout as wait } from "node:timers/promises";
import { type Scenario, sampleOf } from "./scenario.ts";

/** So that code compiled on the first connections is in the baseline, not on the clients' bill. */
const warmUpClients = 200;

export const idleMemory: Scenario = {
  name: "memory",
  title: "memory per idle client, 5,000 clients with one subscription each",
  unit: "KB per client",
  better: "lower",
  bars: [{ against: "plain-ws", ratio: 1.5 }],
  async run({ server, generator, measure, isQuick }) {
    const settleMs = isQuick ? 100 : 500;
    const clients = isQuick ? 1000 : 5000;
    await generator.run({ name: "open", clients: warmUpClients, channels: 1, inFlight: 64, subscribe: true });
    await generator.run({ name: "close" });
    await wait(settleMs);
    const before = await server.memory();
    const measured = await measure({ name: "open", clients, channels: 1, inFlight: 64, subscribe: true });
    await wait(settleMs);
    const after = await server.memory();
    const perClient = (bytesAfter: number, bytesBefore: number): number => (bytesAfter - bytesBefore) / clients / 1000;
    const resident = perClient(after.residentBytes, before.residentBytes);
    return {
      ...sampleOf(measured, resident, clients),
      details: {
        residentKb: resident,
        heapKb: perClient(after.heapUsedBytes, before.heapUsedBytes),
        externalKb: perClient(after.externalBytes, before.externalBytes),
      },
    };
  },
};
