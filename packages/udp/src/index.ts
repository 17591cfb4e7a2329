import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import {
  type Exchanger,
  type Link,
  type ListenContext,
  Lookups,
  type Pingable,
  PolywireError,
  type Protocol,
  SharedServers,
  type Turn,
} from "@polywire/core";
import { dial } from "./dial.ts";
import type { DatagramLink } from "./link.ts";
import { HeaderListener, type UdpListener } from "./listener.ts";
import {
  type CompleteListenOptions,
  completeDialOptions,
  completeListenOptions,
  completeOptions,
  type UdpDialOptions,
  type UdpListenOptions,
  type UdpOptions,
} from "./options.ts";
import { PlainListener } from "./plain-listener.ts";
import { UdpServer } from "./server.ts";
import { traitsFor } from "./settings.ts";

export type { DropReason, UdpDrops } from "./drops.ts";
export type { UdpListener, UdpServerView } from "./listener.ts";
export type {
  UdpDialOptions,
  UdpListenOptions,
  UdpMode,
  UdpMulticastDialOptions,
  UdpMulticastListenOptions,
  UdpOptions,
} from "./options.ts";

/** Datagrams to and from one peer. It answers to `ping` as far as `traits.ping` promises it. */
export type UdpLink = Link & Partial<Pingable>;

export type UdpProtocol = Protocol<"udp", UdpLink, Exchanger, UdpDialOptions, UdpListenOptions, UdpListener>;

/**
 * UDP for a network: `new Network({ protocols: [udp()] })`. The options given here hold for every link; those given
 * along with a URL win.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function udp(options: UdpOptions = {}): UdpProtocol {
  const defaults = completeOptions(options);
  const lookups = new Lookups();
  // A network is known by its turn: two of them that hold this very value share nothing.
  const perNetwork = new WeakMap<Turn, SharedServers<UdpServer>>();
  const serversOf = (turn: Turn): SharedServers<UdpServer> => {
    const servers = perNetwork.get(turn) ?? new SharedServers<UdpServer>(() => 0);
    perNetwork.set(turn, servers);
    return servers;
  };
  return {
    name: "udp",
    // The version this package was written for: never what the installed core says of itself.
    contractVersion: 1,
    schemes: ["udp"],
    traits({ options: given }) {
      const { mode, maxDatagramBytes } = { ...defaults, ...(given as UdpOptions) };
      return traitsFor(mode ?? defaults.mode, maxDatagramBytes ?? defaults.maxDatagramBytes);
    },
    links: {
      async dial(endpoint, context) {
        requireHost(endpoint.host, String(endpoint));
        const lookup = lookups.paced<LookupFunction>(systemLookup, context);
        return dial(endpoint, context, { ...completeDialOptions(endpoint, defaults), lookup });
      },
      async listen(endpoint, accept, context) {
        requireHost(endpoint.host, String(endpoint));
        const complete = completeListenOptions(endpoint, defaults);
        const open = (closed: () => void): Promise<UdpServer> =>
          UdpServer.bind(endpoint, context, { options: complete, closed });
        const servers = serversOf(context.turn);
        let server = await servers.find(endpoint, open);
        // Its last user may have gone in the meantime.
        while (server.isClosed) server = await servers.find(endpoint, open);
        const parts: { context: ListenContext; options: CompleteListenOptions; server: UdpServer } = {
          context,
          options: complete,
          server,
        };
        const take = (link: DatagramLink): void => accept(link);
        return complete.mode === "plain"
          ? new PlainListener(endpoint, take, parts)
          : new HeaderListener(endpoint, take, parts);
      },
    },
  };
}

function requireHost(host: string, shown: string): void {
  if (host === "")
    throw new PolywireError("invalid-argument", `"${shown}" names no host: write it like udp://127.0.0.1:7000`);
}
