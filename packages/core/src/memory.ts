import type { Endpoint } from "./contract/endpoint.ts";
import { PolywireError } from "./contract/error.ts";
import { DEFAULT_LIMITS } from "./contract/limits.ts";
import type { HalfClosable, Link, Pingable } from "./contract/link.ts";
import type { Peer } from "./contract/peer.ts";
import { CONTRACT_VERSION, type DialContext, type HostContext, type Protocol } from "./contract/protocol.ts";
import { MemoryAddresses } from "./memory/addresses.ts";
import { MemoryExchangeListener, MemoryExchanger } from "./memory/exchanger.ts";
import { messageFraming, streamFraming } from "./memory/frame.ts";
import type { MemoryWire } from "./memory/link.ts";
import { MemoryListener } from "./memory/listener.ts";

export type { MemoryExchanger } from "./memory/exchanger.ts";

/** A link within the process. */
export type MemoryLink = Link & HalfClosable & Pingable;

export type MemoryKind = "message" | "stream" | "datagram";

export interface MemoryOptions {
  /**
   * `message` (the default): whole messages, text and binary told apart. `stream`: bytes without boundaries.
   * `datagram`: whole messages of which some get lost.
   */
  readonly kind?: MemoryKind;
  /** The share of datagrams that get lost, 0 to 1, by the network's `random`. 0.1 by default. */
  readonly loss?: number;
}

export interface MemoryDialOptions {
  /** Subprotocols offered to who listens, best first. */
  readonly subprotocols: readonly string[];
}

/** The protocol that {@link memory} makes. */
export type MemoryProtocol = Protocol<"memory", MemoryLink, MemoryExchanger, MemoryDialOptions, object>;

const WIRES: Readonly<Record<MemoryKind, MemoryWire>> = {
  message: {
    framing: messageFraming,
    traits: {
      kind: "message",
      ordered: true,
      reliable: true,
      halfClose: true,
      ping: "native",
      text: true,
      closeCodes: true,
      handshake: true,
      content: "any",
    },
  },
  stream: {
    framing: streamFraming,
    traits: {
      kind: "stream",
      ordered: true,
      reliable: true,
      halfClose: true,
      ping: "native",
      text: false,
      closeCodes: false,
      handshake: true,
      content: "any",
    },
  },
  datagram: {
    framing: messageFraming,
    traits: {
      kind: "datagram",
      ordered: true,
      reliable: false,
      halfClose: false,
      ping: "none",
      text: true,
      closeCodes: false,
      handshake: true,
      content: "any",
    },
  },
};

/**
 * Links and exchanges within the process: `memory://name/path`. A name is known to the networks that were given this very value, and
 * to no others.
 */
export function memory({ kind = "message", loss = 0.1 }: MemoryOptions = {}): MemoryProtocol {
  if (!Object.hasOwn(WIRES, kind)) {
    const known = Object.keys(WIRES).join(", ");
    throw new PolywireError("invalid-argument", `memory: kind is "${String(kind)}": give one of ${known}`);
  }
  if (!(loss >= 0 && loss <= 1))
    throw new PolywireError("invalid-argument", `memory: loss is ${String(loss)}: give a share from 0 to 1`);
  const wire: MemoryWire = kind === "datagram" ? { ...WIRES[kind], loss } : WIRES[kind];
  const addresses = new MemoryAddresses<MemoryListener>();
  const exchangeAddresses = new MemoryAddresses<MemoryExchangeListener>();
  return {
    name: "memory",
    contractVersion: CONTRACT_VERSION,
    schemes: ["memory"],
    traits: () => ({ ...wire.traits, duplex: true, maxMessageBytes: DEFAULT_LIMITS.maxMessageBytes }),
    links: {
      async dial(endpoint, context) {
        context.signal.throwIfAborted();
        const peer = arrivingPeer(endpoint, context);
        const listener = addresses.find(endpoint);
        const admission = await listener.handshake(peer, context.signal);
        context.signal.throwIfAborted();
        context.mark("handshake");
        const dialler = { host: hostOf(context), peer: listeningPeer(endpoint, admission.subprotocol) };
        return listener.establish(wire, dialler, { peer, admission });
      },
      async listen(endpoint, accept, context) {
        refuseUnknown(endpoint, []);
        return new MemoryListener(endpoint, { addresses, accept, context });
      },
    },
    exchanges: {
      async open(endpoint, context) {
        context.signal.throwIfAborted();
        refuseUnknown(endpoint, []);
        return new MemoryExchanger(endpoint, exchangeAddresses, context);
      },
      async listen(endpoint, serve, context) {
        refuseUnknown(endpoint, []);
        return new MemoryExchangeListener(endpoint, { addresses: exchangeAddresses, serve, context });
      },
    },
  };
}

/** Who arrives, as admission sees it. */
function arrivingPeer(endpoint: Endpoint, { metadata }: DialContext): Peer {
  refuseUnknown(endpoint, ["subprotocols"]);
  const { subprotocols = [] } = endpoint.options as Partial<MemoryDialOptions>;
  if (!Array.isArray(subprotocols) || subprotocols.some((name) => typeof name !== "string"))
    throw new PolywireError("invalid-argument", "memory: subprotocols must be an array of strings");
  return {
    address: "memory",
    secure: false,
    path: endpoint.path,
    query: endpoint.query,
    offeredSubprotocols: [...subprotocols],
    headers: new Map([...metadata].map(([name, value]) => [name.toLowerCase(), value])),
  };
}

function listeningPeer({ host, path, query }: Endpoint, subprotocol: string | undefined): Peer {
  return { address: host, secure: false, path, query, ...(subprotocol === undefined ? {} : { subprotocol }) };
}

function refuseUnknown(endpoint: Endpoint, known: readonly string[]): void {
  for (const name of Object.keys(endpoint.options)) {
    if (known.includes(name)) continue;
    const list = known.length === 0 ? "none" : known.join(", ");
    throw new PolywireError(
      "invalid-argument",
      `memory: unknown option "${name}" for "${endpoint}": known are ${list}`,
    );
  }
}

/** What a link keeps of its dial: neither its signal nor its metadata. */
function hostOf({ clock, random, logger, turn, limits }: HostContext): HostContext {
  return { clock, random, logger, turn, limits };
}
