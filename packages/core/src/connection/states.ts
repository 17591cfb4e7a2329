import { PolywireError } from "../contract/error.ts";

/**
 * - `idle`: no link, and none wanted before somebody asks.
 * - `connecting`: a dial is under way.
 * - `ready`: there is a link, its handshakes done.
 * - `backoff`: the link was lost or could not be made; the next dial waits for its time.
 * - `draining`: what was sent leaves, then the link goes.
 * - `closed`: over for good.
 */
export type ConnectionState = "idle" | "connecting" | "ready" | "backoff" | "draining" | "closed";

/** Every change that there can be. */
const LEGAL: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  idle: ["connecting", "closed"],
  connecting: ["ready", "backoff", "idle", "closed"],
  ready: ["connecting", "backoff", "idle", "draining", "closed"],
  backoff: ["connecting", "idle", "closed"],
  draining: ["idle", "closed"],
  closed: [],
};

/** Why a state changed, as a constant phrase. */
export interface StateCause {
  readonly cause: string;
  /** Which dial since the link was last up for long; 0 before the first. */
  readonly attempt: number;
}

export interface StateChange extends StateCause {
  readonly from: ConnectionState;
  readonly to: ConnectionState;
  /** On the network's clock, in milliseconds. */
  readonly atMs: number;
}

export interface StatesOwner {
  now(): number;
  /** The state is `to` already. */
  changed(change: StateChange): void;
  /** A change that the table does not have was asked for: a bug of ours. The state stays. */
  illegal(error: PolywireError): void;
}

/**
 * The state of one connection. It changes by compare-and-set, so that of two events that race (a timer, a close) the later
 * one finds that it is too late.
 */
export class States {
  readonly #owner: StatesOwner;
  #current: ConnectionState = "idle";

  constructor(owner: StatesOwner) {
    this.#owner = owner;
  }

  get current(): ConnectionState {
    return this.#current;
  }

  /** Whether the change was made: only from one of the states that the caller expects. */
  change(expected: readonly ConnectionState[], to: ConnectionState, { cause, attempt }: StateCause): boolean {
    const from = this.#current;
    if (!expected.includes(from)) return false;
    if (!LEGAL[from].includes(to)) {
      this.#owner.illegal(new PolywireError("internal", `a connection cannot go from ${from} to ${to} (${cause})`));
      return false;
    }
    this.#current = to;
    this.#owner.changed({ from, to, cause, attempt, atMs: this.#owner.now() });
    return true;
  }
}
