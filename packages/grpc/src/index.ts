import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import {
  type HalfClosable,
  type HostContext,
  type Link,
  Lookups,
  PolywireError,
  type Protocol,
  type Turn,
} from "@polywire/core";
import { type DialParts, dial } from "./dial.ts";
import { GrpcExchangeListener } from "./exchange-listener.ts";
import { GrpcExchanger } from "./exchanger.ts";
import { GrpcLinkListener, type GrpcListener } from "./listener.ts";
import {
  completeDialOptions,
  completeListenOptions,
  completeOptions,
  type GrpcDialOptions,
  type GrpcListenOptions,
  type GrpcOptions,
} from "./options.ts";
import { ServerTable } from "./server-table.ts";
import { SessionPool } from "./session-pool.ts";
import { SilentListener } from "./silent-listener.ts";
import { traitsFor } from "./traits.ts";

export type { CallOptions, GrpcExchanger } from "./exchanger.ts";
export { checkHealth, watchHealth } from "./health.ts";
export type { ServingStatus } from "./health-message.ts";
export type { KeepaliveOptions } from "./keepalive.ts";
export type { GrpcListener } from "./listener.ts";
export type { CallMethod } from "./method.ts";
export type { GrpcDialOptions, GrpcListenOptions, GrpcOptions, GrpcTlsDialOptions } from "./options.ts";
export { GRPC_STATUS, type GrpcStatusName, grpcStatusOf } from "./status.ts";

/** One call as a conversation. */
export interface GrpcLink extends Link, HalfClosable {}

export type GrpcProtocol = Protocol<
  "grpc" | "grpcs",
  GrpcLink,
  GrpcExchanger,
  GrpcDialOptions,
  GrpcListenOptions,
  GrpcListener
>;

/**
 * gRPC for a network: `new Network({ protocols: [grpc()] })`. The options given here hold for every connection; those
 * given along with a URL win.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function grpc(options: GrpcOptions = {}): GrpcProtocol {
  const defaults = completeOptions(options);
  const lookups = new Lookups();
  // A network is known by its turn: two of them that hold this very value share nothing.
  const perNetwork = new WeakMap<Turn, NetworkState>();
  const stateOf = ({ turn, closed }: HostContext): NetworkState => {
    const state = perNetwork.get(turn) ?? {
      servers: new ServerTable(),
      sessions: new SessionPool(closed),
      patience: new Map<string, number>(),
    };
    perNetwork.set(turn, state);
    return state;
  };
  return {
    name: "grpc",
    // The version this package was written for: never what the installed core says of itself.
    contractVersion: 1,
    schemes: ["grpc", "grpcs"],
    traits: ({ options: given }) =>
      traitsFor(undefined, { handshake: (given as GrpcDialOptions).awaitServer !== false }),
    links: {
      async dial(endpoint, context) {
        requireHost(endpoint);
        requireMethod(endpoint);
        const complete = completeDialOptions(endpoint, defaults);
        const { patience, sessions } = stateOf(context);
        const lookup = lookups.paced<LookupFunction>(systemLookup, context);
        return dial(endpoint, { context, options: complete, patience, lookup, sessions });
      },
      async listen(endpoint, accept, context) {
        requireHost(endpoint);
        const complete = completeListenOptions(endpoint, defaults);
        const server = await stateOf(context).servers.find(endpoint, complete, context);
        if (complete.carries === "exchanges") return new SilentListener(endpoint, server);
        return new GrpcLinkListener(endpoint, accept, { server, options: complete, context });
      },
    },
    exchanges: {
      async open(endpoint, context) {
        requireHost(endpoint);
        const complete = completeDialOptions(endpoint, defaults);
        const { patience } = stateOf(context);
        const lookup = lookups.paced<LookupFunction>(systemLookup, context);
        const parts: DialParts = { context, options: complete, patience, lookup };
        return GrpcExchanger.open(endpoint, parts);
      },
      async listen(endpoint, serve, context) {
        requireHost(endpoint);
        const complete = completeListenOptions(endpoint, defaults);
        const server = await stateOf(context).servers.find(endpoint, complete, context);
        if (complete.carries === "links") return new SilentListener(endpoint, server);
        return new GrpcExchangeListener(endpoint, serve, { server, options: complete, context });
      },
    },
  };
}

interface NetworkState {
  readonly servers: ServerTable;
  readonly sessions: SessionPool;
  readonly patience: Map<string, number>;
}

function requireHost({ host, display }: { readonly host: string; readonly display: string }): void {
  if (host === "")
    throw new PolywireError(
      "invalid-argument",
      `"${display}" names no host: write it like grpc://127.0.0.1:11000/package.Service/Method`,
    );
}

function requireMethod({ path, display }: { readonly path: string; readonly display: string }): void {
  if (path.length > 1 && !path.endsWith("/")) return;
  throw new PolywireError(
    "invalid-argument",
    `"${display}" names no method: write it like grpc://127.0.0.1:11000/package.Service/Method`,
  );
}
