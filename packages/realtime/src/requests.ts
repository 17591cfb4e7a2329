import type { Position, Publication } from "@polywire/core";
import type { ClientError } from "./codes.ts";
import type { FilterNode } from "./tags-filter.ts";

/**
 * The answer to a command: an error, or a result, exactly once. It is not called any more once the session is closed.
 * What a dialect sends inside it leaves before anything that the answer makes possible: the answer to a subscribe comes
 * before the first publication of that subscription.
 */
export type Answer<Result> = (error: ClientError | undefined, result: Result | undefined) => void;

export interface ConnectRequest {
  readonly token?: string;
  /** The application's own data, as it came. */
  readonly data?: Uint8Array;
  /** What the client calls itself, for metrics only. */
  readonly name?: string;
  readonly version?: string;
  /** Headers that a client sent in its command because its wire could not: as untrusted as any other data. */
  readonly headers?: ReadonlyMap<string, string>;
  /**
   * Channels that the client wants the server to subscribe it to, and where it was in them. Those that it could subscribe to
   * by itself, without a token, it gets besides those that the server wants; the others are passed over in silence.
   */
  readonly subscriptions?: ReadonlyMap<string, RecoverRequest>;
  /** What the dialect can do about pings on this wire; `answered` by default. */
  readonly pings?: Pings;
  /**
   * The client hears nothing, so it is subscribed to nothing and is none of its user's sessions: it only publishes and
   * sends, and goes.
   */
  readonly isDeaf?: boolean;
}

/**
 * `answered`: the client answers each ping, or is ended. `unanswered`: it is pinged so that it notices when the server is
 * gone. `none`: the wire itself notices who has gone.
 */
export type Pings = "answered" | "unanswered" | "none";

export interface RecoverRequest {
  readonly recover: boolean;
  readonly since: Position;
}

export interface ConnectResult {
  /** The session's id, as other clients see it: a UUID. */
  readonly client: string;
  readonly version: string;
  readonly data?: Uint8Array;
  /** Server-side subscriptions, by channel. */
  readonly subscriptions: ReadonlyMap<string, SubscribeResult>;
  /** Milliseconds between pings of the server; 0 for none. A whole number of seconds. */
  readonly pingIntervalMs: number;
  /** Whether the client must answer each ping. */
  readonly isPongExpected: boolean;
  /** Milliseconds that the client may stay without a refresh. Absent: for ever. */
  readonly ttlMs?: number;
}

export interface SubscribeRequest {
  readonly channel: string;
  readonly token?: string;
  readonly data?: Uint8Array;
  /** Asks for everything after `since`. */
  readonly recover: boolean;
  /** Where the client was: offset 0 and an empty epoch when it never had a position. */
  readonly since: Position;
  /** Features that the client asks for; granted if the channel allows. */
  readonly positioned: boolean;
  readonly recoverable: boolean;
  readonly joinLeave: boolean;
  /** The client can make publications of patches, in the format of this name. */
  readonly delta?: "fossil";
  /** Only publications with such tags are to be told. */
  readonly filter?: FilterNode;
  /** The client knows channels by numbers. */
  readonly compaction?: boolean;
  /** Answer `unrecoverablePosition` instead of `recovered: false`. */
  readonly rejectUnrecovered: boolean;
}

export interface SubscribeResult {
  readonly isRecoverable: boolean;
  readonly isPositioned: boolean;
  /** Nothing was missed: `publications` is all there was between the client's position and now. */
  readonly isRecovered: boolean;
  readonly wasRecovering: boolean;
  /**
   * Where the client is: the stream's top, or the request's own offset when recovered, for `publications` go on from
   * there. Absent when the subscription keeps no position.
   */
  readonly position?: Position;
  readonly publications: readonly Publication[];
  readonly data?: Uint8Array;
  /** Publications may come as patches; also those here are in the form that patches need. */
  readonly isDelta?: boolean;
  /** The number that stands for the channel's name in its events from here on. */
  readonly channelId?: number;
  /** Milliseconds that the subscription lasts without a refresh by the client. Absent: for ever, or for the server to say. */
  readonly ttlMs?: number;
}

/** The answer to a refresh. */
export interface RefreshResult {
  /** Milliseconds until the next. Absent: none is needed any more. */
  readonly ttlMs?: number;
}

export interface HistoryCommand {
  readonly channel: string;
  /** 0: only the position. Negative or above the server's limit: as many as the server gives. */
  readonly limit: number;
  readonly since?: Position;
  readonly isReverse: boolean;
}
