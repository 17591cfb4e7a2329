import type {
  ClientInfo,
  DataFormat,
  LocalDelivery,
  MetricFamily,
  PolywireError,
  Position,
  PresenceStats,
  Publication,
} from "@polywire/core";
import type { Disconnect, Unsubscribe } from "./codes.ts";

/**
 * Where publications, history and presence live: in this process by default, an engine such as Redis or NATS beyond
 * one. Everything is asynchronous even in memory: `done` is called once, never before the call returns, and with an
 * error no later than the broker's own deadline.
 */
export interface Broker {
  readonly name: string;
  /** What is published is gone with this process: a hub that is about to end takes no more of it. Absent: no. */
  readonly isVolatile?: boolean;
  readonly streams: Streams;
  readonly presence: PresenceStore;
  readonly control: Control;
  /** Called once, before anything else. */
  start(events: BrokerEvents): void;
  close(): Promise<void>;
  /** A snapshot of plain data. */
  inspect?(): Readonly<Record<string, unknown>>;
  /** Figures of what it holds and has to let go, as `polywire.broker.…`, beside those of the hub. */
  metrics?(): readonly MetricFamily[];
}

/** The end of an asynchronous call: either an error or a result. */
export type Done<Result> = (error: PolywireError | undefined, result: Result | undefined) => void;

/**
 * What a broker tells this process. Calls for one channel come one after the other, publications in the order of their
 * offsets. A broker may lose some (a partition, an overflow): the hub notices by the offsets. The calls never throw.
 */
export interface BrokerEvents {
  /** For every channel this process is subscribed to. `epoch` is that of the publication's offset. Returns what the process did. */
  publication(channel: string, publication: Publication, epoch: string | undefined): LocalDelivery;
  membership(channel: string, kind: "join" | "leave", info: ClientInfo): void;
  control(command: ControlCommand): void;
}

/**
 * Channels as streams of publications.
 *
 * A stream has a top (the offset of its last publication, 0 at first) and an epoch, a random word that is made anew
 * whenever offsets start again. Trimming by size, age or bytes removes publications but never moves top or epoch; only
 * when a stream was not used for `metaTtlMs` does it vanish, and a new one begins with a new epoch.
 */
export interface Streams {
  /** From `done` on this process is told of what happens in the channel. At most one per channel is outstanding. */
  subscribe(channel: string, done: Done<undefined>): void;
  /** From `done` on nothing is told that happened before, not even after the next `subscribe`. */
  unsubscribe(channel: string, done: Done<undefined>): void;
  /**
   * With `stream` the publication gets the next offset and is kept; without, it is only told. `done` comes after this
   * process was told, if it is subscribed, with what it did.
   */
  publish(channel: string, publication: Draft, stream: StreamOptions | undefined, done: Done<Published>): void;
  /** Tells every process of a join or leave, in order with the others of this process. */
  membership(channel: string, kind: "join" | "leave", info: ClientInfo, done: Done<undefined>): void;
  /** A page of the stream and its top, taken at one moment. Creates the stream if there is none. */
  history(channel: string, request: StreamRead, done: Done<StreamPage>): void;
  /** Removes the publications; top and epoch stay. */
  removeHistory(channel: string, done: Done<undefined>): void;
}

/** A publication before it has an offset. */
export interface Draft {
  readonly data: Uint8Array;
  readonly format: DataFormat;
  readonly info?: ClientInfo;
  readonly tags?: ReadonlyMap<string, string>;
  readonly time?: number;
  /** A second publish with the same key within five minutes is answered with the first one's result and not told. */
  readonly idempotencyKey?: string;
  /** Only with a stream: see {@link DocumentVersion}. */
  readonly version?: DocumentVersion;
}

/**
 * The version of the document that a publication holds. A publish whose number is not above the one that its stream was
 * given last, in the same epoch, is neither kept nor told; it is answered with where the stream is. Another epoch counts anew;
 * an empty one is that of the stream.
 */
export interface DocumentVersion {
  /** From 1 on. */
  readonly number: number;
  readonly epoch: string;
}

export interface StreamOptions {
  /** Most publications kept. 0: the stream is a position alone, of which clients learn whether they missed something. */
  readonly size: number;
  /** How long the publications are kept after the last one. */
  readonly ttlMs: number;
  /** How long top and epoch are kept after the last use. */
  readonly metaTtlMs: number;
  /** Most bytes of publications kept. */
  readonly maxBytes: number;
}

export interface Published {
  readonly position: Position | undefined;
  readonly local: LocalDelivery;
}

export interface StreamRead {
  /** 0 asks for the top only. */
  readonly limit: number;
  /** Stop before the page's data exceed this; a page that has more to give still has at least one publication. */
  readonly maxBytes: number;
  /** Exclusive. Absent: from the oldest (newest, in reverse). */
  readonly sinceOffset: number | undefined;
  readonly isReverse: boolean;
  readonly metaTtlMs: number;
}

export interface StreamPage {
  /** In the order asked for. */
  readonly publications: readonly Publication[];
  readonly position: Position;
}

/**
 * Who is in a channel. An entry is a lease: without renewal it ends after its time, whatever became of its process. The
 * calls of one process for one channel take effect in the order they were made, whatever the order of their answers.
 */
export interface PresenceStore {
  /** Adds or renews. */
  put(channel: string, info: ClientInfo, ttlMs: number, done: Done<undefined>): void;
  remove(channel: string, client: string, done: Done<undefined>): void;
  members(channel: string, done: Done<readonly ClientInfo[]>): void;
  stats(channel: string, done: Done<PresenceStats>): void;
}

/** Orders to every process, this one included. */
export interface Control {
  send(command: ControlCommand, done: Done<undefined>): void;
}

/** `user` is a user's id (empty: all anonymous ones), `client` a session's; with both, both must fit. */
export type ControlCommand = {
  readonly user?: string;
  readonly client?: string;
} & (
  | { readonly kind: "disconnect"; readonly disconnect: Disconnect; readonly except?: readonly string[] }
  | ({ readonly kind: "subscribe"; readonly channel: string } & SubscribeOrder)
  | { readonly kind: "unsubscribe"; readonly channel: string | undefined; readonly unsubscribe: Unsubscribe }
  | { readonly kind: "message"; readonly data: Uint8Array; readonly format: DataFormat }
  | ({ readonly kind: "refresh" } & RefreshOrder)
);

/** How the server subscribes somebody. */
export interface SubscribeOrder {
  /** What came after it is recovered. */
  readonly since?: Position;
  /** Told to the client with the subscription. */
  readonly data?: Uint8Array;
  /** JSON text about the client, shown to others in this channel. At most 2 KiB. */
  readonly channelInfo?: Uint8Array;
  /** Keeps the client's position, or makes it recover, also where the channel's rule does not. The channel needs a history. */
  readonly positioned?: boolean;
  readonly recoverable?: boolean;
  /** How long the subscription lasts: it ends the session with 3006, and whoever comes back is not in the channel. */
  readonly ttlMs?: number;
}

/** What changes about a session that is there. */
export interface RefreshOrder {
  /** How long the session lasts from now on: it ends with 3005. 0 lifts an end that was set. */
  readonly ttlMs?: number;
  /** JSON text about the client, shown to others from its next subscription and publication on. At most 2 KiB. */
  readonly connectionInfo?: Uint8Array;
}
