import type { Clock, DataFormat, Logger, PeerCertificate, Random } from "@polywire/core";
import type { Broker } from "./broker.ts";
import type { ClientError, Disconnect } from "./codes.ts";
import type { StandardSchema } from "./standard-schema.ts";

export interface HubOptions {
  /** The rules for channels; the first whose `match` fits a name decides. By default every channel is public. */
  readonly channels?: readonly ChannelRule[];
  /** Where streams and presence live. In this process by default. */
  readonly broker?: Broker;
  readonly limits?: Partial<HubLimits>;
  readonly pings?: Partial<PingOptions>;
  /** Told to clients when they connect. */
  readonly version?: string;
  /** Decides who a client is, 5 s at most. By default everybody is an anonymous user. */
  readonly authenticate?: (request: AuthenticateRequest) => Authenticated | Denied | Promise<Authenticated | Denied>;
  /** Decides what the channel's rule leaves open: subscribes to private channels, 5 s at most. Absent: no. */
  readonly authorize?: (request: AuthorizeRequest) => Authorized | Denied | Promise<Authorized | Denied>;
  /** Procedures that clients may call, by method name. */
  readonly procedures?: Readonly<Record<string, Procedure>>;
  /** Takes what clients `send` without asking for an answer. Absent: sending ends the session with 3508. */
  readonly receive?: (message: ReceivedMessage) => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** What a channel is, for all names that fit `match`. */
export interface ChannelRule {
  /** A name, or a pattern in which `*` stands for any number of any characters: `chat:*`. */
  readonly match: string;
  /**
   * `public`: any connected client may subscribe. `private`: only whom `authorize` lets, or whom the name itself lists
   * after `#`. `broadcast`: everyone is subscribed at connect, and only the server publishes. `system` is not a kind a
   * rule can give.
   */
  readonly kind?: "public" | "private" | "broadcast";
  /** Which clients may publish: none (the default), those subscribed, or any. */
  readonly publish?: "server" | "subscribers" | "clients";
  /** What publications hold: JSON (the default, checked when published) or any bytes. */
  readonly data?: "json" | "binary";
  /**
   * What the JSON of publications must be, whoever publishes: a schema of any library that follows the Standard Schema, not
   * asynchronous. What it returns is published; what it refuses is not, and the publisher is told where it is wrong.
   */
  readonly schema?: StandardSchema;
  /** Keeps the last publications. Absent: none are kept. */
  readonly history?: { readonly size: number; readonly ttlMs: number; readonly metaTtlMs?: number };
  /**
   * Clients that come back get what they missed. `cache`: whoever subscribes, for the first time or again, gets the latest
   * publication and no other, unless it has it. Needs `history`.
   */
  readonly recovery?: boolean | "cache";
  /**
   * The server keeps the position of every subscriber and ends the subscription of one that has missed something (2500), so
   * that its client notices and reads anew. Needs no `history`: without one there are offsets, and nothing to recover.
   */
  readonly positioning?: boolean;
  /**
   * What becomes of publications for a subscriber that is behind: one whose link says `wait`, which it does from 256 KiB of
   * unsent bytes on, until it has caught up.
   *
   * - `disconnect` (the default): they wait with everything else, up to `outboundBytesPerSession`; then the client is cut with 3008.
   * - `drop-oldest`: the newest are held, up to a quarter of `outboundBytesPerSession`, and told when it has caught up.
   * - `drop-newest`: they are dropped.
   * - `keep-latest`: the latest of each `overflowKey` is held, and told when it has caught up.
   *
   * Those that drop something cannot go with `recovery` and `positioning`. Joins, leaves and answers are never dropped.
   */
  readonly overflow?: OverflowPolicy;
  /** With `keep-latest`: the tag whose value says what a publication is the latest of. Absent: the channel as a whole. */
  readonly overflowKey?: string;
  /** Subscribers of each channel of this rule on this hub, instead of `limits.subscribersPerChannel`. */
  readonly maxSubscribers?: number;
  /**
   * Clients that ask for it are told what has changed since the publication before, where that is shorter: for documents
   * that change little. Absent: always whole publications.
   */
  readonly delta?: "fossil";
  /** Subscribers may ask for publications with certain tags only. */
  readonly tagsFilter?: boolean;
  /** Clients that know how are told a number instead of the channel's name. For long names and small publications. */
  readonly compaction?: boolean;
  /** Keeps the list of who is subscribed. */
  readonly presence?: boolean;
  /** Tells subscribers who joins and leaves. */
  readonly joinLeave?: boolean;
  /** Which clients may read history and presence: those subscribed (the default), or any. */
  readonly read?: "subscribers" | "clients";
}

export type OverflowPolicy = "disconnect" | "drop-oldest" | "drop-newest" | "keep-latest";

export interface HubLimits {
  /** Sessions on this hub. 10,000. */
  readonly sessions: number;
  /** Sessions of one user; anonymous users are not counted. 10. */
  readonly sessionsPerUser: number;
  /** Sessions of one address, or of one IPv6 network of 64 bits; further ones end with 3013. Absent: as many as there may be. */
  readonly sessionsPerAddress?: number | undefined;
  /** Subscriptions of one session. 128. */
  readonly channelsPerSession: number;
  /** Bytes of a channel's name. 255. */
  readonly channelNameBytes: number;
  /** Subscribers of one channel on this hub, unless its rule says `maxSubscribers`; broadcast channels are exempt. 1,000. */
  readonly subscribersPerChannel: number;
  /** Bytes of one publication's data. 1 MiB. */
  readonly publicationBytes: number;
  /** Bytes waiting to be sent to one session; past it the session ends with 3008. 4 MiB. */
  readonly outboundBytesPerSession: number;
  /**
   * Bytes waiting to be sent to all sessions, a publication that several wait for counted once; past it the sessions with the
   * largest queues end with 3008, until an eighth of it is free. 256 MiB.
   */
  readonly outboundBytes: number;
  /** Bytes of history of one channel. 16 MiB. */
  readonly historyBytesPerChannel: number;
  /** Publications in one page of history. 300. */
  readonly historyPageSize: number;
  /** Publications in one recovery; more missed than this is `recovered: false`. 300. */
  readonly recoverySize: number;
  /** Members listed by one presence command. 1,000. */
  readonly presenceMembers: number;
  /** Members above which a channel stops telling joins and leaves. 100. */
  readonly joinLeaveMembers: number;
  /**
   * Commands of one session in a second, twice as many at once; further ones are answered 111, and who goes on all the same
   * ends with 3013. Absent: as many as there is room for.
   */
  readonly commandsPerSecond?: number | undefined;
  /** The same for publishes alone, which are commands too. */
  readonly publishesPerSecond?: number | undefined;
  /** Nesting of JSON data. 1,024. */
  readonly jsonDepth: number;
  /** Milliseconds from open to connected. 10,000. */
  readonly connectTimeoutMs: number;
  /** Milliseconds that a program's hook may take. 5,000. */
  readonly hookTimeoutMs: number;
}

export interface PingOptions {
  /** Milliseconds between pings, whole seconds; 0 turns them off. 25,000. */
  readonly intervalMs: number;
  /** Milliseconds to wait for the pong; less than the interval. 8,000. */
  readonly timeoutMs: number;
}

/** Where a session comes from. */
export interface Origin {
  /** The protocol that carries the session: `ws`. */
  readonly transport: string;
  readonly encoding: string;
  readonly address?: string | undefined;
  readonly headers?: ReadonlyMap<string, string> | undefined;
  readonly certificate?: PeerCertificate | undefined;
}

export interface AuthenticateRequest {
  /** The id that the session will have. */
  readonly client: string;
  readonly origin: Origin;
  /** A secret. */
  readonly token?: string;
  readonly data?: Uint8Array;
}

export interface Authenticated {
  /** Empty for an anonymous user. */
  readonly user: string;
  /** JSON text shown to others in presence, joins and publications. At most 2 KiB. */
  readonly connectionInfo?: Uint8Array;
  /** Told to the client. */
  readonly data?: Uint8Array;
  /** Channels to subscribe the session to. */
  readonly channels?: readonly string[];
}

export interface AuthorizeRequest {
  readonly action: "subscribe";
  readonly channel: string;
  readonly client: string;
  readonly user: string;
  readonly token?: string;
  readonly data?: Uint8Array;
}

export interface Authorized {
  readonly allowed: true;
  readonly channelInfo?: Uint8Array;
  /** Told to the client with the subscription. */
  readonly data?: Uint8Array;
}

/** A no: an error the client gets as an answer, or the end of its session. */
export type Denied = { readonly error: ClientError } | { readonly disconnect: Disconnect };

/** A procedure's answer. Throwing answers `internal` and is logged; return a {@link Denied} to say more. */
export type Procedure = (call: ProcedureCall) => Uint8Array | Denied | Promise<Uint8Array | Denied>;

export interface ProcedureCall {
  readonly method: string;
  readonly data: Uint8Array;
  readonly client: string;
  readonly user: string;
  /** Fires when the session has gone, and when the call has taken `limits.hookTimeoutMs`: nobody waits for the answer then. */
  readonly signal: AbortSignal;
}

export interface ReceivedMessage {
  readonly data: Uint8Array;
  readonly format: DataFormat;
  readonly client: string;
  readonly user: string;
}
