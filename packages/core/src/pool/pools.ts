import { MAX_DELAY_MS } from "../contract/clock.ts";
import type { PolywireError } from "../contract/error.ts";
import type { HostContext } from "../contract/protocol.ts";
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
  readonly #pools = new Set<Pool>();

  constructor(host: HostContext, failed: (error: PolywireError) => void) {
    this.#host = host;
    this.#failed = failed;
  }

  make(request: PoolRequest): Pool {
    const pool: Pool = new Pool(this.#host, {
      ...request,
      failed: this.#failed,
      closed: () => void this.#pools.delete(pool),
    });
    this.#pools.add(pool);
    pool.start();
    return pool;
  }

  inspect(): readonly PoolSnapshot[] {
    return [...this.#pools].map((pool) => pool.inspect());
  }

  /** Fulfilled when all are closed; what is lent then is cut off when the signal fires. */
  async closeAll(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#pools].map((pool) => pool.close({ timeoutMs: MAX_DELAY_MS, signal })));
  }
}
