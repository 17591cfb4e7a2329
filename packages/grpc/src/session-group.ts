import { type Clock, type DialContext, type Endpoint, PolywireError, type Timer } from "@polywire/core";
import { ClientConnection, type ConnectParts, type SharingOwner } from "./client-connection.ts";

export interface SessionGroupOptions {
  readonly clock: Clock;
  readonly maxStreams: number;
  /** A connection without a link is closed after so long. */
  readonly idleMs: number;
  /** Neither a connection nor one that is being made is left. */
  readonly emptied: () => void;
}

interface Waiter {
  readonly context: DialContext;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A connection that is being made, for everybody who waits for it; without any it is given up. */
interface Attempt {
  readonly waiters: Set<Waiter>;
  readonly unwanted: AbortController;
  /** Somebody has waited for too long: nobody else shall. */
  isSlow: boolean;
}

/** Connections that are alike, so that any of them serves any link of their kind. */
export class SessionGroup implements SharingOwner {
  readonly #options: SessionGroupOptions;
  readonly #connections = new Map<ClientConnection, Timer | undefined>();
  readonly #attempts = new Set<Attempt>();
  /** Calls at once that the last connection allowed. */
  #streams: number;

  constructor(options: SessionGroupOptions) {
    this.#options = options;
    this.#streams = options.maxStreams;
  }

  /** A connection that takes another call, the oldest first, so that the others can end. */
  take(): ClientConnection | undefined {
    for (const [connection, timer] of this.#connections) {
      if (connection.room < 1) continue;
      timer?.cancel();
      this.#connections.set(connection, undefined);
      return connection;
    }
    return undefined;
  }

  /** Fulfilled when another connection has been made. @throws PolywireError why it could not be, or the signal's reason. */
  join(endpoint: Endpoint, parts: ConnectParts & { readonly context: DialContext }): Promise<void> {
    const { context } = parts;
    const { signal } = context;
    let attempt: Attempt | undefined;
    for (const one of this.#attempts) if (!one.isSlow && one.waiters.size < this.#streams) attempt = one;
    const joined = attempt ?? this.#connect(endpoint, parts);
    return new Promise((resolve, reject) => {
      const settle = (): void => signal.removeEventListener("abort", abort);
      const waiter: Waiter = {
        context,
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const abort = (): void => {
        const reason = signal.reason as PolywireError;
        joined.waiters.delete(waiter);
        joined.isSlow ||= reason.code === "timed-out";
        waiter.reject(reason);
        if (joined.waiters.size > 0) return;
        // At once, so that nobody joins what is given up.
        this.#attempts.delete(joined);
        joined.unwanted.abort(reason);
        this.#tellIfEmpty();
      };
      signal.addEventListener("abort", abort, { once: true });
      joined.waiters.add(waiter);
    });
  }

  /** Every connection ends with its last call. */
  close(): void {
    for (const connection of this.#connections.keys()) connection.retire();
  }

  #connect(endpoint: Endpoint, { context, ...parts }: ConnectParts): Attempt {
    const attempt: Attempt = { waiters: new Set(), unwanted: new AbortController(), isSlow: false };
    const mark = (phase: string): void => {
      for (const waiter of attempt.waiters) waiter.context.mark(phase);
    };
    const { clock, limits } = context;
    const shared = { clock, limits, mark, signal: attempt.unwanted.signal };
    this.#attempts.add(attempt);
    ClientConnection.connect(endpoint, { ...parts, context: shared }).then(
      (connection) => this.#connected(attempt, connection, endpoint),
      (error: unknown) => this.#failed(attempt, error),
    );
    return attempt;
  }

  #connected(attempt: Attempt, connection: ClientConnection, endpoint: Endpoint): void {
    if (attempt.unwanted.signal.aborted) return connection.close();
    const { streams } = connection;
    if (streams < 1) {
      connection.close();
      const problem = `connect to "${endpoint}": the server takes no calls (SETTINGS_MAX_CONCURRENT_STREAMS is 0)`;
      return this.#failed(attempt, new PolywireError("not-available", problem));
    }
    this.#attempts.delete(attempt);
    this.#streams = streams;
    connection.owner = this;
    this.#connections.set(connection, undefined);
    // Until somebody takes it: those who waited may have given up.
    this.idle(connection);
    for (const waiter of attempt.waiters) waiter.resolve();
  }

  #failed(attempt: Attempt, error: unknown): void {
    if (attempt.unwanted.signal.aborted) return;
    this.#attempts.delete(attempt);
    this.#tellIfEmpty();
    for (const waiter of attempt.waiters) waiter.reject(error);
  }

  // From a connection.

  idle(connection: ClientConnection): void {
    if (!this.#connections.has(connection)) return;
    this.#connections.get(connection)?.cancel();
    const { clock, idleMs } = this.#options;
    this.#connections.set(
      connection,
      clock.setTimer(() => connection.retire(), idleMs),
    );
  }

  gone(connection: ClientConnection): void {
    this.#connections.get(connection)?.cancel();
    this.#connections.delete(connection);
    this.#tellIfEmpty();
  }

  #tellIfEmpty(): void {
    if (this.#connections.size === 0 && this.#attempts.size === 0) this.#options.emptied();
  }
}
