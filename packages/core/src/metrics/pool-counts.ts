import type { EvictionReason, PoolStats } from "../pool/figures.ts";
import type { MetricAttributes, MetricFamily, MetricPoint } from "./family.ts";
import { Histogram } from "./histogram.ts";
import { Tally } from "./tally.ts";

/** What the pools of one protocol have done together, those that are closed included. */
export class PoolTotals {
  readonly createTimes: Histogram = new Histogram();
  readonly waitTimes: Histogram = new Histogram();
  readonly useTimes: Histogram = new Histogram();
  timeouts = 0;
  readonly evictions: Tally = new Tally();

  /** A dial has made a link. */
  created(durationMs: number): void {
    this.createTimes.record(durationMs / 1_000);
  }

  /** A borrower has got a link. */
  served(waitMs: number): void {
    this.waitTimes.record(waitMs / 1_000);
  }

  /** A borrower has given a link back. */
  used(durationMs: number): void {
    this.useTimes.record(durationMs / 1_000);
  }

  evicted(reason: EvictionReason): void {
    this.evictions.add(reason);
  }
}

/** What is read of a pool when somebody asks. */
export interface CountedPool {
  readonly protocol: string;
  readonly max: number;
  readonly min: number;
  stats(): Pick<PoolStats, "idle" | "leased" | "dialling" | "closing" | "waiting">;
}

/** What the living pools of one protocol are now. */
interface PoolsNow {
  readonly states: { used: number; idle: number; dialling: number; closing: number };
  max: number;
  min: number;
  waiting: number;
}

/** What the pools of a network have done and are, by protocol: OpenTelemetry's figures for pools of database connections, for links. */
export class PoolCounts {
  readonly #totals = new Map<string, PoolTotals>();

  of(protocol: string): PoolTotals {
    let totals = this.#totals.get(protocol);
    if (totals === undefined) {
      totals = new PoolTotals();
      this.#totals.set(protocol, totals);
    }
    return totals;
  }

  families(pools: Iterable<CountedPool>): MetricFamily[] {
    const now = this.#now(pools);
    const gauge = (read: (pools: PoolsNow) => number): MetricPoint[] =>
      Array.from(now, ([protocol, each]) => ({ attributes: protocolAttributes(protocol), value: read(each) }));
    const histogram = (read: (totals: PoolTotals) => Histogram): MetricPoint[] =>
      Array.from(this.#totals, ([protocol, totals]) => ({
        attributes: protocolAttributes(protocol),
        histogram: read(totals).figures(),
      }));
    return [
      {
        name: "polywire.pool.link.count",
        description: "Links of pools, by what they do now.",
        unit: "{link}",
        kind: "gauge",
        points: Array.from(now, ([protocol, { states }]) =>
          Object.entries(states).map(([state, value]) => ({
            attributes: { ...protocolAttributes(protocol), "polywire.pool.link.state": state },
            value,
          })),
        ).flat(),
      },
      {
        name: "polywire.pool.link.max",
        description: "Links that pools may have at most.",
        unit: "{link}",
        kind: "gauge",
        points: gauge(({ max }) => max),
      },
      {
        name: "polywire.pool.link.idle.min",
        description: "Links that pools keep.",
        unit: "{link}",
        kind: "gauge",
        points: gauge(({ min }) => min),
      },
      {
        name: "polywire.pool.link.pending_requests",
        description: "Borrowers that wait for a link.",
        unit: "{request}",
        kind: "gauge",
        points: gauge(({ waiting }) => waiting),
      },
      {
        name: "polywire.pool.link.timeouts",
        description: "Borrowers that waited for a link for too long.",
        unit: "{timeout}",
        kind: "counter",
        points: Array.from(this.#totals, ([protocol, { timeouts }]) => ({
          attributes: protocolAttributes(protocol),
          value: timeouts,
        })),
      },
      {
        name: "polywire.pool.link.create_time",
        description: "How long it took to dial a link of a pool.",
        unit: "s",
        kind: "histogram",
        points: histogram(({ createTimes }) => createTimes),
      },
      {
        name: "polywire.pool.link.wait_time",
        description: "How long borrowers waited for a link that they got.",
        unit: "s",
        kind: "histogram",
        points: histogram(({ waitTimes }) => waitTimes),
      },
      {
        name: "polywire.pool.link.use_time",
        description: "From lending a link to its return.",
        unit: "s",
        kind: "histogram",
        points: histogram(({ useTimes }) => useTimes),
      },
      {
        name: "polywire.pool.link.evicted",
        description: "Links that left their pool, by the reason.",
        unit: "{link}",
        kind: "counter",
        points: Array.from(this.#totals, ([protocol, { evictions }]) =>
          evictions.points((reason) => ({ ...protocolAttributes(protocol), "polywire.pool.eviction.reason": reason })),
        ).flat(),
      },
    ];
  }

  /** Protocols whose pools are all closed are told as nothing, not left out. */
  #now(pools: Iterable<CountedPool>): Map<string, PoolsNow> {
    const now = new Map<string, PoolsNow>();
    for (const protocol of this.#totals.keys()) {
      now.set(protocol, { states: { used: 0, idle: 0, dialling: 0, closing: 0 }, max: 0, min: 0, waiting: 0 });
    }
    for (const pool of pools) {
      const each = now.get(pool.protocol);
      if (each === undefined) continue;
      const { idle, leased, dialling, closing, waiting } = pool.stats();
      each.states.used += leased;
      each.states.idle += idle;
      each.states.dialling += dialling;
      each.states.closing += closing;
      each.max += pool.max;
      each.min += pool.min;
      each.waiting += waiting;
    }
    return now;
  }
}

function protocolAttributes(protocol: string): MetricAttributes {
  return { "network.protocol.name": protocol };
}
