import type { Server as HttpServer } from "node:http";
import { type Endpoint, type ListenContext, PolywireError, SharedServers } from "@polywire/core";
import type { CompleteListenOptions } from "./options.ts";
import { type DoorKeeper, OwnServer, SharedServer } from "./server.ts";

/** The servers that one network listens on: its own by address, and those that the program shares with it. */
export class ServerTable {
  readonly #own = new SharedServers<OwnServer>(({ scheme }) => (scheme === "wss" ? 443 : 80));
  readonly #shared = new Map<HttpServer, SharedServer>();

  /** The server for a listener, bound if it is ours. */
  find(endpoint: Endpoint, options: CompleteListenOptions, context: ListenContext): Promise<DoorKeeper> {
    return options.server === undefined
      ? this.#findOwn(endpoint, options, context)
      : Promise.resolve(this.#share(options.server, context));
  }

  #share(server: HttpServer, context: ListenContext): SharedServer {
    let shared = this.#shared.get(server);
    if (shared === undefined) {
      shared = new SharedServer(server, context, () => this.#shared.delete(server));
      this.#shared.set(server, shared);
    }
    return shared;
  }

  async #findOwn(endpoint: Endpoint, { tls }: CompleteListenOptions, context: ListenContext): Promise<OwnServer> {
    const own = await this.#own.find(endpoint, async (closed) => {
      if (endpoint.scheme === "wss" && tls === undefined) {
        throw invalid(endpoint, "wss needs the option tls with a certificate and its key");
      }
      return OwnServer.open(endpoint, { tls, context, closed });
    });
    if (own.scheme !== endpoint.scheme) throw invalid(endpoint, `the port speaks ${own.scheme} already`);
    if (tls !== undefined && tls !== own.tls) {
      throw invalid(endpoint, "the port has other tls options already: leave tls out to share it");
    }
    return own;
  }
}

function invalid(endpoint: Endpoint, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `listen on "${endpoint}": ${problem}`);
}
