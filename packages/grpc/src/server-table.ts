import { type Endpoint, type ListenContext, PolywireError, SharedServers } from "@polywire/core";
import type { CompleteListenOptions } from "./options.ts";
import { defaultPort, GrpcServer } from "./server.ts";

/** The servers that one network listens on, by address. */
export class ServerTable {
  readonly #servers = new SharedServers<GrpcServer>(defaultPort);

  /** The server for a listener, bound if there is none yet. */
  async find(endpoint: Endpoint, options: CompleteListenOptions, context: ListenContext): Promise<GrpcServer> {
    const { tls } = options;
    const server = await this.#servers.find(endpoint, async (closed) => {
      if (endpoint.scheme === "grpcs" && tls === undefined)
        throw invalid(endpoint, "grpcs needs the option tls with a certificate and its key");
      try {
        return await GrpcServer.open(endpoint, { options, context, closed });
      } catch (thrown) {
        throw PolywireError.from(thrown, "invalid-argument", `listen on "${endpoint}"`);
      }
    });
    if (server.scheme !== endpoint.scheme) throw invalid(endpoint, `the port speaks ${server.scheme} already`);
    if (tls !== undefined && tls !== server.tls)
      throw invalid(endpoint, "the port has other tls options already: leave tls out to share it");
    return server;
  }
}

function invalid(endpoint: Endpoint, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `listen on "${endpoint}": ${problem}`);
}
