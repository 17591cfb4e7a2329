import type { ClientInfo, DataFormat, Publication, SendResult } from "@polywire/core";
import type { Disconnect, Unsubscribe } from "./codes.ts";
import type { SubscribeResult } from "./requests.ts";

/**
 * A session's way out: what a dialect gives the hub so that the hub can tell a client things. The hub calls it
 * synchronously and in the order in which the client must see things; it never waits, and a call never throws.
 *
 * A dialect encodes each {@link ChannelEvent} once and sends the same bytes to everyone: the hub passes the very same
 * object to every subscriber, one subscriber after the other, so a cache of one entry, keyed by the object, is enough.
 */
export interface Outlet {
  /** How the session is encoded, for logs and metrics. */
  readonly encoding: string;
  /** Where the client is, for the log. */
  readonly address?: string | undefined;
  /** Bytes on their way to this client that the operating system has not taken. */
  readonly bufferedBytes: number;
  /** The link takes nothing more, for its end has begun: a `refused` is then no sign of a full queue. */
  readonly isClosed?: boolean;

  /**
   * A publication, join or leave of a channel the session is subscribed to. `wait` means: it is on its way, but the client is
   * behind; the dialect calls `session.drained()` once it has caught up. `refused` means: queue full, cut it.
   *
   * @param form how this client is told it: a sum of {@link EVENT_FORM}s, only of those granted when it subscribed.
   */
  event(event: ChannelEvent, form?: number): SendResult;
  /** The server ended a subscription. */
  unsubscribed(channel: string, unsubscribe: Unsubscribe): void;
  /** The server subscribed the session to a channel. */
  subscribed(channel: string, result: SubscribeResult): void;
  /** A message to this client alone. */
  message(data: Uint8Array, format: DataFormat): SendResult;
  /** Asks for a sign of life; the dialect answers with `session.pong()`. */
  ping(): void;
  /**
   * Tells the client why, and closes the link. Everything sent before arrives first, unless `discard` says to drop it
   * (a client that is too slow to take it). Nothing follows.
   */
  disconnect(disconnect: Disconnect, discard: boolean): void;
}

/** Ways of telling an event that differ between subscribers. Each sum of them is encoded once. */
export const EVENT_FORM = {
  /** The channel is named by its number. */
  compact: 1,
  /** The subscription has deltas: data are told in the form that patches need. */
  delta: 2,
  /** With `delta`: the client has `previous`, so what turns that into this is enough. */
  patch: 4,
} as const;

/** What happens in a channel. Immutable; one object for all subscribers. */
export type ChannelEvent = PublicationEvent | MembershipEvent;

export interface PublicationEvent {
  readonly kind: "publication";
  readonly channel: string;
  readonly publication: Publication;
  /** What this process was told before it, where the channel has deltas. */
  readonly previous?: Publication | undefined;
  /** The channel's number, for {@link EVENT_FORM}.compact. */
  readonly channelId?: number | undefined;
  /** Set on the first publication of a stream, to teach its epoch to those who subscribed before there was one. */
  readonly epoch?: string | undefined;
}

export interface MembershipEvent {
  readonly kind: "join" | "leave";
  readonly channel: string;
  readonly channelId?: number | undefined;
  readonly info: ClientInfo;
}
