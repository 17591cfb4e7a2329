import type { Turn } from "../wire/turn.ts";
import type { Clock, Random } from "./clock.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Exchange, Exchanger } from "./exchange.ts";
import type { LinkLimits } from "./limits.ts";
import type { Link, Traits } from "./link.ts";
import type { Listener } from "./listener.ts";
import type { Logger } from "./log.ts";
import type { Admission, Peer } from "./peer.ts";

/** The version of the contract in this file and those it names. A network refuses protocols built for another. */
export const CONTRACT_VERSION = 1;

/**
 * How bytes travel for some URL schemes: what a plugin package supplies. Its factory only makes the value; work begins
 * with `dial`, `listen` and `open`. It holds no state that two networks could share.
 *
 * `Dial` and `Listen` are the plugin's own options, given along with the URL; it checks them and names the wrong one.
 * `Bound` is the type of its listeners: one with a {@link Listener.server} to share says of what type that is.
 */
export interface Protocol<
  Scheme extends string = string,
  L extends Link = Link,
  X extends Exchanger = Exchanger,
  Dial extends object = object,
  Listen extends object = object,
  Bound extends Listener = Listener,
> {
  /** Short name for logs and metrics: `ws`, `tcp`. Unique within a network. */
  readonly name: string;
  readonly contractVersion: typeof CONTRACT_VERSION;
  /** Lower-case schemes, as literals, so that `connect("ws://…")` knows what it returns. */
  readonly schemes: readonly Scheme[];
  /** What a link or exchanger to this endpoint will promise, as far as that is known before it exists. */
  traits(endpoint: Endpoint): Traits;
  /** For wires that carry conversations. */
  readonly links?: LinkCarrier<L>;
  /** For wires that carry requests and responses. */
  readonly exchanges?: ExchangeCarrier<X>;
  /** Never set: tells the compiler which options go with the URL. */
  readonly options?: { readonly dial: Dial; readonly listen: Listen };
  /** Never set: tells the compiler what `network.listen` returns. */
  readonly listener?: Bound;
}

export interface LinkCarrier<L extends Link> {
  /** Fulfilled with an established link, TLS and handshake included. Rejects when the context's signal fires. */
  dial(endpoint: Endpoint, context: DialContext): Promise<L>;
  /** Fulfilled when bound. `accept` gets each peer that was admitted, its handshake done. */
  listen?(endpoint: Endpoint, accept: (link: L) => void, context: ListenContext): Promise<Listener>;
}

export interface ExchangeCarrier<X extends Exchanger> {
  open(endpoint: Endpoint, context: DialContext): Promise<X>;
  listen?(endpoint: Endpoint, serve: (exchange: Exchange) => void, context: ListenContext): Promise<Listener>;
}

/** What the host lends a plugin: the only way it may reach time, chance, logs and limits. */
export interface HostContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where a link schedules its end-of-turn flush; shared by all links of the network. */
  readonly turn: Turn;
  readonly limits: LinkLimits;
  /** Fires once the network is closed: what a plugin keeps beyond its links, such as idle connections, ends then. */
  readonly closed?: AbortSignal;
}

export interface DialContext extends HostContext {
  /** Fires when the caller aborts or the deadline passes; its reason is the PolywireError to reject with. */
  readonly signal: AbortSignal;
  /** Notes that a phase (`dns`, `connect`, `tls`, `handshake`) is over, for timelines. */
  mark(phase: string): void;
  /** Goes with the handshake where the wire can carry it (headers, metadata). */
  readonly metadata: ReadonlyMap<string, string>;
}

export interface ListenContext extends HostContext {
  /**
   * Judges a peer before its handshake ends; every plugin asks for every peer. The answer never rejects: what the
   * program's own check throws or takes too long for is a refusal.
   */
  admit(peer: Peer): Admission | Promise<Admission>;
  /** Counts a peer that the plugin turns away by itself, before or instead of having it judged: no such end is silent. */
  turnedAway(cause: TurnedAway): void;
}

/**
 * Why: as many links as allowed (`full`) or as many handshakes (`busy`) there are already, the handshake took too long
 * (`late`), or what came is none (`malformed`), also to TLS.
 */
export type TurnedAway = "full" | "busy" | "late" | "malformed";
