import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import {
  type Exchanger,
  type Link,
  Lookups,
  type Pingable,
  PolywireError,
  type Protocol,
  type Turn,
} from "@polywire/core";
import { dial } from "./dial.ts";
import { MaskSource } from "./frame.ts";
import { WebSocketListener } from "./listener.ts";
import {
  completeDialOptions,
  completeListenOptions,
  completeOptions,
  type WsDialOptions,
  type WsListenOptions,
  type WsOptions,
} from "./options.ts";
import { ServerTable } from "./server-table.ts";
import { traitsFor } from "./settings.ts";

export type { HeartbeatOptions } from "./heartbeat.ts";
export type { WsDialOptions, WsListenOptions, WsOptions, WsTlsDialOptions } from "./options.ts";

/** One WebSocket. */
export interface WsLink extends Link, Pingable {}

export type WsProtocol = Protocol<"ws" | "wss", WsLink, Exchanger, WsDialOptions, WsListenOptions>;

/**
 * WebSocket for a network: `new Network({ protocols: [ws()] })`. The options given here hold for every link; those
 * given along with a URL win.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function ws(options: WsOptions = {}): WsProtocol {
  const defaults = completeOptions(options);
  const lookups = new Lookups();
  // A network is known by its turn: two of them that hold this very value share nothing.
  const perNetwork = new WeakMap<Turn, NetworkState>();
  const stateOf = (turn: Turn): NetworkState => {
    const state = perNetwork.get(turn) ?? { servers: new ServerTable(), masks: new MaskSource() };
    perNetwork.set(turn, state);
    return state;
  };
  return {
    name: "ws",
    // The version this package was written for: never what the installed core says of itself.
    contractVersion: 1,
    schemes: ["ws", "wss"],
    traits: () => traitsFor(),
    links: {
      async dial(endpoint, context) {
        requireHost(endpoint.host, String(endpoint));
        const complete = completeDialOptions(endpoint, defaults);
        const { masks } = stateOf(context.turn);
        const lookup = lookups.paced<LookupFunction>(systemLookup, context);
        return dial(endpoint, { context, options: complete, traits: traitsFor(context.limits), masks, lookup });
      },
      async listen(endpoint, accept, context) {
        requireHost(endpoint.host, String(endpoint));
        const complete = completeListenOptions(endpoint, defaults);
        const keeper = await stateOf(context.turn).servers.find(endpoint, complete, context);
        const traits = traitsFor(context.limits);
        return new WebSocketListener(endpoint, accept, { context, options: complete, keeper, traits });
      },
    },
  };
}

interface NetworkState {
  readonly servers: ServerTable;
  readonly masks: MaskSource;
}

function requireHost(host: string, shown: string): void {
  if (host === "")
    throw new PolywireError("invalid-argument", `"${shown}" names no host: write it like ws://127.0.0.1:8000/`);
}
