import { MAX_DELAY_MS } from "../contract/clock.ts";
import type { PolywireError } from "../contract/error.ts";
import type { HostContext } from "../contract/protocol.ts";
import type { MetricFamily } from "../metrics/family.ts";
import { PoolCounts } from "../metrics/pool-counts.ts";
import type { DialLink } from "./dials.ts";
import type { PoolSnapshot } from "./figures.ts";
import type { CompletePoolOptions } from "./options.ts";
import { Pool } from "./pool.ts";

export interface PoolRequest {
  readonly protocol: string;
  readonly endpoint: Pool["endpoint"];
  readonly options: CompletePoolOptions;
  readonly dial: DialLink;
}

/** The pools of one network. */
export class Pools {
  readonly #host: HostContext;
  readonly #failed: (error: PolywireError) => void;
  readonly #pools = new Map<Pool, CompletePoolOptions>();
  readonly #counts = new PoolCounts();

  constructor(host: HostContext, failed: (error: PolywireError) => void) {
    this.#host = host;
    this.#failed = failed;
  }

  make(request: PoolRequest): Pool {
    const pool: Pool = new Pool(this.#host, {
      ...request,
      totals: this.#counts.of(request.protocol),
      failed: this.#failed,
      closed: () => void this.#pools.delete(pool),
    });
    this.#pools.set(pool, request.options);
    pool.start();
    return pool;
  }

  inspect(): readonly PoolSnapshot[] {
    return Array.from(this.#pools.keys(), (pool) => pool.inspect());
  }

  metrics(): readonly MetricFamily[] {
    const pools = Array.from(this.#pools, ([pool, { max, min }]) => ({
      protocol: pool.protocol,
      max,
      min,
      stats: () => pool.stats(),
    }));
    return this.#counts.families(pools);
  }

  /** Fulfilled when all are closed; what is lent then is cut off when the signal fires. */
  async closeAll(signal: AbortSignal): Promise<void> {
    await Promise.all(Array.from(this.#pools.keys(), (pool) => pool.close({ timeoutMs: MAX_DELAY_MS, signal })));
  }
}
