import type { PolywireError } from "../contract/error.ts";

/**
 * Why a link left its pool: `idle` nobody borrowed it, `lifetime` and `uses` it was used up, `closed` it ended (by the
 * peer, the network, its holder or the pool's own close), `verify` it did not answer a ping, `dirty` something came while
 * nobody held it, or it was given back with bytes unsent or with one direction ended.
 */
export type EvictionReason = "idle" | "lifetime" | "uses" | "closed" | "verify" | "dirty";

/** A snapshot: `created` is always `open` and all that was evicted. */
export interface PoolStats {
  /** `idle` and `leased`. */
  readonly open: number;
  /** Free to borrow. */
  readonly idle: number;
  /** Lent, or being verified for who waits. */
  readonly leased: number;
  readonly dialling: number;
  /** Evicted but not gone yet: they count against `max` until then. */
  readonly closing: number;
  /** Borrowers that wait. */
  readonly waiting: number;
  /** Links since the pool was made. */
  readonly created: number;
  /** Leases since the pool was made. */
  readonly acquired: number;
  /** Borrowers that waited for too long. */
  readonly timedOut: number;
  readonly evicted: Readonly<Record<EvictionReason, number>>;
}

export interface PoolEvents {
  /** A link left the pool. `error`: what was wrong with it, if anything was. */
  evicted: { readonly reason: EvictionReason; readonly error: PolywireError | undefined };
  /** A borrower has waited for too long. */
  timedOut: { readonly error: PolywireError; readonly waiting: number };
  /** A lease was misused, a holder's sink threw, or a dial failed that nobody waits for; nothing was lost by it. */
  error: PolywireError;
}

export type PoolState = "open" | "closing" | "closed";

/** A snapshot for people and programs; plain data. */
export interface PoolSnapshot extends PoolStats {
  readonly endpoint: string;
  readonly protocol: string;
  readonly state: PoolState;
}
