import type { MetricFamily, MetricPoint } from "@polywire/core";
import type { CentrifugeStats } from "@polywire/dialect-centrifuge";
import type { UdpDrops } from "@polywire/udp";
import type { LimitsConfig } from "./config/schema.ts";
import type { SocketBudget } from "./socket-budget.ts";

/** What a server has to tell besides its network and hub. */
export interface ServerFigures {
  readonly version: string;
  readonly isReady: boolean;
  readonly limits: LimitsConfig;
  /** By audience. */
  readonly sockets: ReadonlyMap<string, SocketBudget>;
  /** Of each way of speaking. */
  readonly dialects: readonly CentrifugeStats[];
  readonly udpDrops: readonly Readonly<UdpDrops>[];
  /** When the certificate of an address ends, in milliseconds since 1970, by the address. */
  readonly certificateEnds: ReadonlyMap<string, number>;
}

export function serverFamilies(figures: ServerFigures): MetricFamily[] {
  const { version, isReady, limits } = figures;
  return [
    gauge({ name: "build.info", description: "1, with what runs.", unit: "{build}" }, [
      { attributes: { "polywire.version": version, "process.runtime.version": process.versions.node }, value: 1 },
    ]),
    gauge(
      {
        name: "server.ready",
        description: "1 while clients are welcome, 0 while the server starts or stops.",
        unit: "{state}",
      },
      [{ attributes: {}, value: isReady ? 1 : 0 }],
    ),
    gauge({ name: "server.client.max", description: "Most clients at once.", unit: "{client}" }, [
      { attributes: {}, value: limits.clients },
    ]),
    gauge({ name: "server.client.buffer.max", description: "What may wait for one client.", unit: "By" }, [
      { attributes: {}, value: limits.queueBytes },
    ]),
    ...socketFamilies(figures.sockets),
    ...dialectFamilies(figures.dialects),
    counter(
      { name: "server.udp.drops", description: "Datagrams that were dropped, and why.", unit: "{datagram}" },
      dropPoints(figures.udpDrops),
    ),
    gauge(
      {
        name: "server.certificate.end",
        description: "When the certificate of an address ends, in seconds since 1970.",
        unit: "s",
      },
      Array.from(figures.certificateEnds, ([address, endMs]) => ({
        attributes: { "polywire.listener": address },
        value: endMs / 1_000,
      })),
    ),
  ];
}

function socketFamilies(sockets: ServerFigures["sockets"]): MetricFamily[] {
  const pointsOf = (figure: "open" | "limit" | "refused"): MetricPoint[] =>
    Array.from(sockets, ([audience, budget]) => ({
      attributes: { "polywire.audience": audience },
      value: budget.inspect()[figure],
    }));
  return [
    gauge({ name: "server.socket.count", description: "Sockets that are open.", unit: "{socket}" }, pointsOf("open")),
    gauge(
      {
        name: "server.socket.max",
        description: "Most sockets, for the files that the process may open.",
        unit: "{socket}",
      },
      pointsOf("limit"),
    ),
    counter(
      {
        name: "server.socket.refused",
        description: "Sockets closed at once, for there were too many.",
        unit: "{socket}",
      },
      pointsOf("refused"),
    ),
  ];
}

function dialectFamilies(dialects: ServerFigures["dialects"]): MetricFamily[] {
  const sum = (figure: (stats: CentrifugeStats) => number): number =>
    dialects.reduce((total, stats) => total + figure(stats), 0);
  const results = {
    taken: sum(({ datagrams }) => datagrams.taken),
    refused: sum(({ datagrams }) => datagrams.refused),
    dropped: sum(({ datagrams }) => datagrams.dropped),
  };
  return [
    gauge(
      {
        name: "server.client.emulated",
        description: "Clients that are told over HTTP and send their commands in requests.",
        unit: "{client}",
      },
      [{ attributes: {}, value: sum(({ emulated }) => emulated) }],
    ),
    gauge(
      {
        name: "server.datagram.active",
        description: "Datagrams of sensors whose commands are under way.",
        unit: "{datagram}",
      },
      [{ attributes: {}, value: sum(({ datagrams }) => datagrams.inFlight) }],
    ),
    counter(
      {
        name: "server.datagrams",
        description: "Datagrams of sensors: taken, refused, and dropped because too many others were under way.",
        unit: "{datagram}",
      },
      Object.entries(results).map(([result, value]) => ({ attributes: { "polywire.datagram.result": result }, value })),
    ),
  ];
}

function dropPoints(all: ServerFigures["udpDrops"]): MetricPoint[] {
  const totals = new Map<string, number>();
  for (const drops of all) {
    for (const [reason, count] of Object.entries(drops)) totals.set(reason, (totals.get(reason) ?? 0) + count);
  }
  return Array.from(totals, ([reason, value]) => ({ attributes: { "polywire.drop.reason": reason }, value }));
}

type Meaning = Pick<MetricFamily, "name" | "description" | "unit">;

function gauge({ name, ...meaning }: Meaning, points: readonly MetricPoint[]): MetricFamily {
  return { name: `polywire.${name}`, ...meaning, kind: "gauge", points };
}

function counter({ name, ...meaning }: Meaning, points: readonly MetricPoint[]): MetricFamily {
  return { name: `polywire.${name}`, ...meaning, kind: "counter", points };
}
