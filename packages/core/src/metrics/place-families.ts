import type { Endpoint } from "../contract/endpoint.ts";
import type { MetricFamily, MetricPoint } from "./family.ts";
import { Tally } from "./tally.ts";

interface Placed {
  readonly endpoint: Endpoint;
}

export interface Places {
  readonly listeners: Iterable<Placed>;
  readonly exchangers: Iterable<Placed>;
  readonly protocolOf: (placed: Placed) => string;
}

/** What a network holds besides its connections. */
export function placeFamilies({ listeners, exchangers, protocolOf }: Places): MetricFamily[] {
  return [
    {
      name: "polywire.listener.count",
      description: "Addresses that are listened at.",
      unit: "{listener}",
      kind: "gauge",
      points: byProtocol(listeners, protocolOf),
    },
    {
      name: "polywire.exchanger.count",
      description: "Endpoints that are open for requests.",
      unit: "{exchanger}",
      kind: "gauge",
      points: byProtocol(exchangers, protocolOf),
    },
  ];
}

function byProtocol(all: Iterable<Placed>, protocolOf: Places["protocolOf"]): MetricPoint[] {
  const tally = new Tally();
  for (const placed of all) tally.add(protocolOf(placed));
  return tally.points((protocol) => ({ "network.protocol.name": protocol }));
}
