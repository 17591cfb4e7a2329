import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import {
  type Endpoint,
  type Link,
  type ListenContext,
  Lookups,
  PolywireError,
  type Protocol,
  SharedServers,
  type Turn,
} from "@polywire/core";
import { HttpExchanger } from "./exchanger.ts";
import { type HttpListener, RequestListener } from "./listener.ts";
import {
  type CompleteListenOptions,
  completeDialOptions,
  completeListenOptions,
  type HttpDialOptions,
  type HttpListenOptions,
} from "./options.ts";
import { RequestServer } from "./server.ts";
import { requestTraits } from "./traits.ts";

export type { HttpExchanger, HttpExchangerStats } from "./exchanger.ts";
export type { HttpListener } from "./listener.ts";
export type { HttpDialOptions, HttpListenOptions, HttpTlsDialOptions } from "./options.ts";

export type HttpProtocol = Protocol<
  "http" | "https",
  Link,
  HttpExchanger,
  HttpDialOptions,
  HttpListenOptions,
  HttpListener
>;

/** HTTP for a network: `new Network({ protocols: [http()] })`. Requests with `network.open`, answers with `network.listen`. */
export function http(): HttpProtocol {
  // A network is known by its turn: two of them that hold this very value share nothing.
  const perNetwork = new WeakMap<Turn, NetworkServers>();
  const serversOf = ({ turn }: ListenContext): NetworkServers => {
    const servers = perNetwork.get(turn) ?? new NetworkServers();
    perNetwork.set(turn, servers);
    return servers;
  };
  const lookups = new Lookups();
  return {
    name: "http",
    // The version this package was written for: never what the installed core says of itself.
    contractVersion: 1,
    schemes: ["http", "https"],
    traits: () => requestTraits(),
    exchanges: {
      async open(endpoint, context) {
        requireHost(endpoint);
        context.signal.throwIfAborted();
        const lookup = lookups.paced<LookupFunction>(systemLookup, context);
        return new HttpExchanger(endpoint, context, { ...completeDialOptions(endpoint), lookup });
      },
      async listen(endpoint, serve, context) {
        requireHost(endpoint);
        const options = completeListenOptions(endpoint);
        const requests = await serversOf(context).find(endpoint, options, context);
        return new RequestListener(endpoint, serve, { context, options, requests });
      },
    },
  };
}

/** The servers that one network listens on: its own by address, and those that the program shares with it. */
class NetworkServers {
  readonly #own = new SharedServers<RequestServer>(({ scheme }) => (scheme === "https" ? 443 : 80));
  readonly #shared = new Map<object, RequestServer>();

  async find(endpoint: Endpoint, options: CompleteListenOptions, context: ListenContext): Promise<RequestServer> {
    if (options.server !== undefined) return this.#share(options.server, endpoint);
    const own = await this.#own.find(endpoint, (closed) => RequestServer.open(endpoint, { options, context, closed }));
    if (own.scheme !== endpoint.scheme) throw invalid(endpoint, `the port speaks ${own.scheme} already`);
    if (options.tls !== undefined && options.tls !== own.tls) {
      throw invalid(endpoint, "the port has other tls options already: leave tls out to share it");
    }
    return own;
  }

  #share(server: NonNullable<CompleteListenOptions["server"]>, endpoint: Endpoint): RequestServer {
    let shared = this.#shared.get(server);
    if (shared === undefined) {
      shared = RequestServer.share(server, endpoint.scheme, () => this.#shared.delete(server));
      this.#shared.set(server, shared);
    }
    return shared;
  }
}

function requireHost(endpoint: Endpoint): void {
  if (endpoint.host === "") throw invalid(endpoint, "it names no host: write it like http://127.0.0.1:8000/");
}

function invalid(endpoint: Endpoint, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `"${endpoint}": ${problem}`);
}
