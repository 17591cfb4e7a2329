import {
  type AcquireOptions,
  type CloseInfo,
  type Lease,
  Network,
  type NetworkOptions,
  type Payload,
  PolywireError,
  type Pool,
  type PoolOptions,
  type PoolStats,
  type Sink,
} from "../src/index.ts";
import { ManualClock } from "../src/testing.ts";
import { turns } from "./opened-network.ts";
import { type UnsteadyLink, UnsteadyWire } from "./unsteady-wire.ts";

export const REFUSED: PolywireError = new PolywireError("connection-refused", "nobody listens");

/** A pool over a wire whose dials the test decides on, and what it tells. */
export class PoolWorld implements AsyncDisposable {
  readonly clock: ManualClock = new ManualClock();
  readonly wire: UnsteadyWire;
  readonly network: Network<readonly [UnsteadyWire]>;
  readonly pool: Pool<UnsteadyLink>;
  /** Of the network: what the program did wrong. */
  readonly errors: PolywireError[] = [];
  readonly told: string[] = [];

  constructor(
    options: PoolOptions = {},
    {
      wire = new UnsteadyWire(),
      ...network
    }: { wire?: UnsteadyWire } & Partial<NetworkOptions<readonly [UnsteadyWire]>> = {},
  ) {
    this.wire = wire;
    this.network = new Network({ protocols: [wire], clock: this.clock, random: () => 0.5, ...network });
    this.network.on("error", (error) => void this.errors.push(error));
    this.pool = this.network.pool("unsteady://there", options);
    this.pool.on("evicted", ({ reason }) => void this.told.push(`evicted: ${reason}`));
    this.pool.on("timedOut", () => void this.told.push("timed out"));
    this.pool.on("error", ({ code }) => void this.told.push(`error: ${code}`));
  }

  get stats(): PoolStats {
    return this.pool.stats();
  }

  /** A lease, over a link that is dialled for it if none is idle. */
  async lease(options?: AcquireOptions): Promise<Lease<UnsteadyLink>> {
    const lease = this.pool.acquire(options);
    await turns(1);
    this.wire.dials.shift()?.succeed();
    return lease;
  }

  /** So many at once. */
  async leases(count: number): Promise<readonly Lease<UnsteadyLink>[]> {
    return Promise.all(Array.from({ length: count }, () => this.lease()));
  }

  /** Gives back, and lets the turn pass after which the next may have it. */
  async giveBack(...leases: readonly Lease<UnsteadyLink>[]): Promise<void> {
    for (const lease of leases) lease.release();
    await turns(2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.network.close({ timeoutMs: 10 });
    await turns(2);
    this.clock.advance(10);
    await closed;
  }
}

/** A sink that writes down what it is told. */
export class Told implements Sink {
  readonly messages: Payload[] = [];
  readonly ends: CloseInfo[] = [];
  drains = 0;
  onMessage: () => void = () => {};

  message(payload: Payload): void {
    if (this.ends.length > 0) throw new Error("a message after closed");
    this.messages.push(payload);
    this.onMessage();
  }

  drain(): void {
    this.drains++;
  }

  closed(info: CloseInfo): void {
    this.ends.push(info);
  }
}

/** What a promise came to: its value, or the code of its error, or nothing yet. */
export function outcomeOf(work: Promise<unknown>): { value?: unknown; error?: PolywireError } {
  const outcome: { value?: unknown; error?: PolywireError } = {};
  work.then(
    (value) => {
      outcome.value = value;
    },
    (error: PolywireError) => {
      outcome.error = error;
    },
  );
  return outcome;
}
