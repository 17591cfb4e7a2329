import type { Server as HttpServer } from "node:http";
import { type Endpoint, type LinkLimits, type ListenContext, PolywireError } from "@polywire/core";
import type { CompleteListenOptions } from "./options.ts";
import { type DoorKeeper, OwnServer, SharedServer } from "./server.ts";

/** The servers that one network listens on: listeners on the same host and port share one. */
export class ServerTable {
  readonly #own = new Map<string, Promise<OwnServer>>();
  readonly #shared = new Map<HttpServer, SharedServer>();

  /** The server for a listener, bound if it is ours. */
  find(endpoint: Endpoint, options: CompleteListenOptions, context: ListenContext): Promise<DoorKeeper> {
    const { limits } = context;
    if (options.server !== undefined) return Promise.resolve(this.#share(options.server, context));
    const pending = this.#own.get(address(endpoint, endpoint.port));
    return pending === undefined ? this.#bind(endpoint, options, limits) : this.#join(pending, endpoint, options);
  }

  #share(server: HttpServer, context: ListenContext): SharedServer {
    let shared = this.#shared.get(server);
    if (shared === undefined) {
      shared = new SharedServer(server, context, () => this.#shared.delete(server));
      this.#shared.set(server, shared);
    }
    return shared;
  }

  async #bind(endpoint: Endpoint, { tls }: CompleteListenOptions, limits: LinkLimits): Promise<OwnServer> {
    if (endpoint.scheme === "wss" && tls === undefined) {
      throw new PolywireError(
        "invalid-argument",
        `listen on "${endpoint}": wss needs the option tls with a certificate and its key`,
      );
    }
    let key = address(endpoint, endpoint.port);
    const binding = OwnServer.open(endpoint, { tls, limits, closed: () => this.#own.delete(key) });
    // Port 0 is another port every time.
    if (endpoint.port !== 0) this.#own.set(key, binding);
    try {
      const own = await binding;
      key = address(endpoint, own.port);
      this.#own.set(key, binding);
      return own;
    } catch (thrown) {
      this.#own.delete(key);
      throw thrown;
    }
  }

  async #join(pending: Promise<OwnServer>, endpoint: Endpoint, { tls }: CompleteListenOptions): Promise<OwnServer> {
    const own = await pending;
    const problem =
      own.scheme !== endpoint.scheme
        ? `the port speaks ${own.scheme} already`
        : tls !== undefined && tls !== own.tls
          ? "the port has other tls options already: leave tls out to share it"
          : undefined;
    if (problem !== undefined) throw new PolywireError("invalid-argument", `listen on "${endpoint}": ${problem}`);
    return own;
  }
}

function address(endpoint: Endpoint, port: number | undefined): string {
  return `${endpoint.host} ${port ?? (endpoint.scheme === "wss" ? 443 : 80)}`;
}
