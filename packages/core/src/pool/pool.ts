import { Events, type ListenOptions } from "../connection/events.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link } from "../contract/link.ts";
import type { HostContext } from "../contract/protocol.ts";
import type { PoolTotals } from "../metrics/pool-counts.ts";
import { checkTimeout } from "../wire/cancellation.ts";
import type { DialLink } from "./dials.ts";
import type { PoolEvents, PoolSnapshot, PoolState, PoolStats } from "./figures.ts";
import { holdingOf, Lease } from "./lease.ts";
import type { CompletePoolOptions } from "./options.ts";
import { Stock } from "./stock.ts";
import { abortError, Waiters } from "./waiters.ts";

const DEFAULT_CLOSE_TIMEOUT_MS = 30_000;

export interface AcquireOptions {
  readonly signal?: AbortSignal;
  /** Instead of the pool's `acquireTimeoutMs`. The deadline is set once and never moves. */
  readonly timeoutMs?: number;
}

export interface ClosePoolOptions {
  /** Borrowed links are cut off after this time in milliseconds. 30,000. */
  readonly timeoutMs?: number;
  /** Cuts them off at once when it fires. */
  readonly signal?: AbortSignal;
}

export interface PoolParts {
  /** The protocol's name. */
  readonly protocol: string;
  readonly endpoint: Endpoint;
  readonly options: CompletePoolOptions;
  readonly dial: DialLink;
  /** Where what happens is counted. */
  readonly totals: PoolTotals;
  /** Hears of what the program did wrong. */
  readonly failed: (error: PolywireError) => void;
  /** Closed, and every link is gone. */
  readonly closed: () => void;
}

/**
 * Links to one endpoint that are used by one borrower after the other. At most `max` exist at any time; who comes while all
 * are lent waits, first come first served. Idle links are read: whatever comes, or an end, evicts them.
 *
 * A dial that fails is told to who waits the longest. The next dials wait a little then, and go one at a time until one
 * succeeds. On a wire whose links share a connection (`traits.multiplexed`) `max` counts links, not connections.
 */
export class Pool<L extends Link = Link> implements AsyncDisposable {
  readonly protocol: string;
  readonly endpoint: Endpoint;
  readonly #host: HostContext;
  readonly #parts: PoolParts;
  readonly #events: Events<PoolEvents>;
  readonly #stock: Stock;
  readonly #waiters: Waiters;
  readonly #closed = Promise.withResolvers<void>();
  #state: PoolState = "open";
  #timedOut = 0;

  constructor(host: HostContext, parts: PoolParts) {
    const { protocol, endpoint, options, dial, totals, failed } = parts;
    this.protocol = protocol;
    this.endpoint = endpoint;
    this.#host = host;
    this.#parts = parts;
    this.#events = new Events(failed);
    const waiters = new Waiters(host.clock, {
      timeoutError: (timeoutMs) => this.#timeoutError(timeoutMs),
      timedOut: (error) => this.#waitTimedOut(error),
      left: () => this.#stock.waiterLeft(),
      served: (waitMs) => totals.served(waitMs),
    });
    this.#waiters = waiters;
    this.#stock = new Stock(host, {
      lender: this,
      options,
      dial,
      totals,
      owner: {
        get waiting() {
          return waiters.size;
        },
        serve: (holding) => waiters.serve(new Lease(holding, this)),
        dialFailed: (error) => waiters.fail(error) || this.#dialFailedUnheard(error),
        evicted: (event) => this.#events.emit("evicted", event),
        holderThrew: (error) => this.#misused(error),
        emptied: () => this.#emptied(),
      },
    });
  }

  get state(): PoolState {
    return this.#state;
  }

  /** Dials the links that are kept. */
  start(): void {
    this.#stock.supply();
  }

  /**
   * A link of the caller's own until its release.
   *
   * @throws PolywireError `timed-out`, `aborted`, `closed`, `limit-reached` when too many wait, and whatever a dial throws.
   */
  acquire(options: AcquireOptions = {}): Promise<Lease<L>> {
    try {
      return this.#acquire(options) as Promise<Lease<L>>;
    } catch (thrown) {
      return Promise.reject(PolywireError.from(thrown));
    }
  }

  /** No async function: whoever is served first shall also hear of it first. */
  #acquire({ signal, timeoutMs = this.#parts.options.acquireTimeoutMs }: AcquireOptions): Promise<Lease> {
    checkTimeout(timeoutMs);
    if (signal?.aborted === true) throw abortError(signal);
    if (this.#state !== "open") throw this.#notOpen();
    if (this.#waiters.size === 0) {
      const holding = this.#stock.take();
      if (holding !== undefined) {
        this.#parts.totals.served(0);
        return Promise.resolve(new Lease(holding, this));
      }
    }
    this.#stock.supply(1);
    if (this.#waiters.size + 1 - this.#stock.sources > this.#parts.options.maxWaiters) throw this.#tooManyWait();
    return this.#waiters.wait({ timeoutMs, signal });
  }

  /** What `lease.release()` does. What is no lease of this pool, or no lease any more, is left alone and told as an `error`. */
  release(lease: Lease): void {
    const holding = holdingOf(lease);
    if (holding?.owner.lender !== this) {
      const problem = `what was released is no lease of the pool of "${this.endpoint}": release it where it was acquired`;
      return this.#misused(new PolywireError("invalid-argument", problem));
    }
    if (!holding.isHeld) {
      const problem = `a lease of the pool of "${this.endpoint}" was released twice: release it once`;
      return this.#misused(new PolywireError("invalid-state", problem));
    }
    const wasClosed = this.#state === "closed";
    holding.giveBack();
    if (wasClosed) this.#misused(this.#notOpen());
  }

  stats(): PoolStats {
    return { ...this.#stock.figures, waiting: this.#waiters.size, timedOut: this.#timedOut };
  }

  inspect(): PoolSnapshot {
    return { endpoint: this.endpoint.display, protocol: this.protocol, state: this.#state, ...this.stats() };
  }

  /** Returns the function that unsubscribes. */
  on<Name extends keyof PoolEvents>(
    name: Name,
    listener: (event: PoolEvents[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    return this.#events.on(name, listener, options);
  }

  /**
   * Lends nothing any more: who waits gets `closed`, idle links end at once, borrowed ones when they come back or are cut
   * off. Fulfilled when all are gone. Idempotent; the earliest of several deadlines counts.
   */
  close({ timeoutMs = DEFAULT_CLOSE_TIMEOUT_MS, signal }: ClosePoolOptions = {}): Promise<void> {
    checkTimeout(timeoutMs);
    if (this.#state === "closed") return this.#closed.promise;
    const cutOff = (): void => this.#stock.cutOff();
    const deadline = this.#host.clock.setTimer(cutOff, timeoutMs);
    signal?.addEventListener("abort", cutOff, { once: true });
    void this.#closed.promise.then(() => {
      deadline.cancel();
      signal?.removeEventListener("abort", cutOff);
    });
    if (this.#state === "open") {
      this.#state = "closing";
      this.#waiters.failAll(this.#notOpen());
      this.#stock.close(this.#notOpen());
    }
    if (signal?.aborted === true) cutOff();
    return this.#closed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #emptied(): void {
    if (this.#state !== "closing") return;
    this.#state = "closed";
    this.#closed.resolve();
    this.#parts.closed();
  }

  #waitTimedOut(error: PolywireError): void {
    this.#timedOut++;
    this.#parts.totals.timeouts++;
    if (this.#events.has("timedOut")) this.#events.emit("timedOut", { error, waiting: this.#waiters.size });
  }

  #dialFailedUnheard(error: PolywireError): false {
    this.#events.emit("error", error);
    return false;
  }

  #misused(error: PolywireError): void {
    this.#events.emit("error", error);
    this.#parts.failed(error);
  }

  #timeoutError(timeoutMs: number): PolywireError {
    const { leased, dialling } = this.stats();
    const how = `of at most ${this.#parts.options.max} links ${leased} are lent and ${dialling} being dialled`;
    const advice = "release sooner, or raise max";
    const cause = this.#stock.lastFailure;
    return new PolywireError(
      "timed-out",
      `acquire a link to "${this.endpoint}": none was free within ${timeoutMs} ms, ${how}: ${advice}`,
      { cause },
    );
  }

  #tooManyWait(): PolywireError {
    const { maxWaiters } = this.#parts.options;
    const problem = `${maxWaiters} borrowers wait for a link to "${this.endpoint}" already`;
    return new PolywireError("limit-reached", `${problem}: raise max or maxWaiters, or ask for less at once`);
  }

  #notOpen(): PolywireError {
    return new PolywireError("closed", `the pool of "${this.endpoint}" is ${this.#state}: make a new one`);
  }
}
