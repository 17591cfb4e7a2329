import type { MetricFamily } from "@polywire/core";

/** What a memory broker holds, what it has room for, and what it had to let go. */
export interface MemoryFigures {
  readonly streams: number;
  readonly maxStreams: number;
  readonly publications: number;
  readonly publicationBytes: number;
  readonly maxPublicationBytes: number;
  readonly publicationsEvicted: number;
  readonly streamsEvicted: number;
  readonly leases: number;
  readonly maxLeases: number;
  readonly idempotencyKeys: number;
  readonly waitingCalls: number;
  readonly waitingBytes: number;
  readonly maxWaitingBytes: number;
}

export function memoryFamilies(figures: MemoryFigures): MetricFamily[] {
  const family = (
    {
      name,
      description,
      unit,
      kind = "gauge",
    }: Pick<MetricFamily, "name" | "description" | "unit"> & Partial<MetricFamily>,
    value: number,
  ): MetricFamily => ({
    name: `polywire.broker.${name}`,
    description,
    unit,
    kind,
    points: [{ attributes: {}, value }],
  });
  return [
    family(
      { name: "stream.count", description: "Streams, with publications or without.", unit: "{stream}" },
      figures.streams,
    ),
    family({ name: "stream.max", description: "Most streams there may be.", unit: "{stream}" }, figures.maxStreams),
    family(
      { name: "history.count", description: "Publications kept, of all channels.", unit: "{publication}" },
      figures.publications,
    ),
    family({ name: "history.size", description: "What they take.", unit: "By" }, figures.publicationBytes),
    family({ name: "history.max", description: "What they may take.", unit: "By" }, figures.maxPublicationBytes),
    {
      name: "polywire.broker.evictions",
      description:
        "What was forgotten before its time because there was no room: clients that come back for it are told so.",
      unit: "{eviction}",
      kind: "counter",
      points: Object.entries({ publication: figures.publicationsEvicted, stream: figures.streamsEvicted }).map(
        ([kind, value]) => ({ attributes: { "polywire.eviction.kind": kind }, value }),
      ),
    },
    family({ name: "presence.count", description: "Entries of presence.", unit: "{entry}" }, figures.leases),
    family(
      { name: "presence.max", description: "Most entries of presence; more are refused.", unit: "{entry}" },
      figures.maxLeases,
    ),
    family(
      { name: "idempotency_key.count", description: "Keys of publishes that are remembered.", unit: "{key}" },
      figures.idempotencyKeys,
    ),
    family(
      { name: "call.waiting", description: "Calls that wait for their turn.", unit: "{call}" },
      figures.waitingCalls,
    ),
    family(
      { name: "publish.waiting", description: "Publishes that wait for their turn.", unit: "By" },
      figures.waitingBytes,
    ),
    family(
      { name: "publish.waiting.max", description: "What may wait; more is refused.", unit: "By" },
      figures.maxWaitingBytes,
    ),
  ];
}
