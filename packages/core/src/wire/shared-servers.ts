import type { Endpoint } from "../contract/endpoint.ts";

/** What several listeners share: bound to one address, with listeners on it by path. */
export interface SharedServer {
  /** The port it is bound to, once it is. */
  readonly port: number | undefined;
}

/**
 * The servers that one network listens on with one protocol: listeners at the same host and port share one. A network
 * is known by its turn, so two networks that hold the very same protocol share nothing.
 */
export class SharedServers<Server extends SharedServer> {
  readonly #servers = new Map<string, Promise<Server>>();
  readonly #defaultPort: (endpoint: Endpoint) => number;

  /** @param defaultPort for endpoints that name none. */
  constructor(defaultPort: (endpoint: Endpoint) => number) {
    this.#defaultPort = defaultPort;
  }

  /**
   * The server at the endpoint's address: the one there is, or the one that `open` binds. The server calls `closed` when
   * its last listener has gone; from then on the address is free.
   */
  find(endpoint: Endpoint, open: (closed: () => void) => Promise<Server>): Promise<Server> {
    const { host, port = this.#defaultPort(endpoint) } = endpoint;
    return this.#servers.get(keyOf(host, port)) ?? this.#bind(host, port, open);
  }

  async #bind(host: string, port: number, open: (closed: () => void) => Promise<Server>): Promise<Server> {
    let key = keyOf(host, port);
    const forget = (): void => {
      if (this.#servers.get(key) === binding) this.#servers.delete(key);
    };
    const binding = open(forget);
    // Port 0 is another port every time.
    if (port !== 0) this.#servers.set(key, binding);
    try {
      const server = await binding;
      key = keyOf(host, server.port ?? port);
      this.#servers.set(key, binding);
      return server;
    } catch (thrown) {
      forget();
      throw thrown;
    }
  }
}

function keyOf(host: string, port: number): string {
  return `${host} ${port}`;
}
