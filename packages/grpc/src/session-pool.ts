import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import type { DialContext, Endpoint } from "@polywire/core";
import { ClientConnection, type ConnectParts } from "./client-connection.ts";
import { SessionGroup } from "./session-group.ts";
import { sessionKey } from "./session-key.ts";

export interface SessionParts extends ConnectParts {
  readonly context: DialContext;
}

/** A call that was begun, and the connection it is on. */
export interface BegunCall {
  readonly connection: ClientConnection;
  readonly stream: ClientHttp2Stream;
  /** The connection had calls before, so that it may have ended without our knowing. */
  readonly wasUsed: boolean;
}

/**
 * The connections that the links of one network share: to the same server, as the same client, with the same options. One
 * takes as many calls at once as it and the server allow, then another is made; who waits for one that is being made shares it.
 */
export class SessionPool {
  readonly #groups = new Map<string, SessionGroup>();

  /** @param closed fires when the network is closed. */
  constructor(closed: AbortSignal | undefined) {
    closed?.addEventListener("abort", () => this.#close(), { once: true });
  }

  /** Begins a call as soon as a connection has room for it. */
  async request(endpoint: Endpoint, headers: OutgoingHttpHeaders, parts: SessionParts): Promise<BegunCall> {
    const { context, options } = parts;
    const key = sessionKey(endpoint, { options, limits: context.limits });
    for (;;) {
      context.signal.throwIfAborted();
      const group = this.#group(key, parts);
      const connection = group.take();
      if (connection === undefined) await group.join(endpoint, parts);
      else {
        const { wasUsed } = connection;
        try {
          return { connection, stream: connection.request(headers), wasUsed };
        } catch (thrown) {
          if (!connection.isBusy) group.idle(connection);
          throw thrown;
        }
      }
    }
  }

  #group(key: string, { context, options }: SessionParts): SessionGroup {
    let group = this.#groups.get(key);
    if (group === undefined) {
      const { clock } = context;
      const emptied = (): void => void this.#groups.delete(key);
      group = new SessionGroup({ clock, maxStreams: options.maxStreams, idleMs: options.sessionIdleMs, emptied });
      this.#groups.set(key, group);
    }
    return group;
  }

  #close(): void {
    for (const group of this.#groups.values()) group.close();
  }
}
