import { type Scenario, sampleOf } from "./scenario.ts";

const subscribers = 1000;

export const fanOut: Scenario = {
  name: "fan-out",
  title: `fan-out to ${subscribers.toLocaleString("en")}, one 128 B publication in flight`,
  unit: "deliveries/s",
  better: "higher",
  bars: [
    { against: "plain-ws", ratio: 1 },
    { against: "socket-io", ratio: 1.35 },
  ],
  async run({ generator, measure, isQuick }) {
    await generator.run({ name: "open", clients: subscribers, channels: 1, inFlight: 64, subscribe: true });
    await generator.run({ name: "publisher" });
    await generator.run({ name: "fanout", milliseconds: isQuick ? 200 : 1000 });
    const measured = await measure({ name: "fanout", milliseconds: isQuick ? 700 : 4000 });
    if (measured.received !== measured.expected || measured.disordered > 0 || measured.closed > 0) {
      throw new Error(
        `${measured.received} of ${measured.expected} deliveries, ${measured.disordered} out of order, ${measured.closed} clients closed`,
      );
    }
    return sampleOf(measured, measured.received / measured.seconds, measured.received);
  },
};
