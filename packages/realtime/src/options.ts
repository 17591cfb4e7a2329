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
  readonly draining?: Partial<DrainOptions>;
  /** Told to clients when they connect. */
  readonly version?: string;
  /** What this process is called among others, for people: a host's name. */
  readonly nodeName?: string;
  /**
   * Decides who a client is, 5 s at most, and again whenever it refreshes a time that was limited. By default everybody is
   * an anonymous user.
   */
  readonly authenticate?: (request: AuthenticateRequest) => Authenticated | Denied | Promise<Authenticated | Denied>;
  /**
   * Decides what the channel's rule leaves open, 5 s at most: subscribes to private channels, and to any others that bring
   * a token; and again when a client refreshes a subscription. Absent: no, and tokens for other channels count for nothing.
   */
  readonly authorize?: (request: AuthorizeRequest) => Authorized | Denied | Promise<Authorized | Denied>;
  /**
   * Decides about what clients publish, 5 s at most, once the channel's rule has let it pass; what it gives replaces what the
   * client gave. One client's publications stay in order, however long each takes. Absent: the rule alone decides.
   */
  readonly publishing?: (request: PublishRequest) => PublishVerdict | Denied | Promise<PublishVerdict | Denied>;
  /**
   * Subscribes every user to a channel of its own when it connects: `personal` means `personal#42` for the user 42. A rule
   * has to cover it; one of the kind `private` lets nobody else in. Absent: no such channels.
   */
  readonly personalChannels?: string;
  /** Procedures that clients may call, by method name. */
  readonly procedures?: Readonly<Record<string, Procedure>>;
  /** Takes calls of any other method. Absent: they are answered with error 104. */
  readonly call?: Procedure;
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
   * `public`: any connected client may subscribe. `private`: only whom `authorize` lets, whose capabilities say so, or whom
   * the name itself lists after `#`. `broadcast`: everyone is subscribed at connect, and only the server publishes. `system`: the hub's own
   * channels, `$system:connections`, `$system:channels`, `$system:health` and `$system:log`, for whom `authorize` or a capability lets;
   * a rule for them has nothing but `match`.
   */
  readonly kind?: "public" | "private" | "broadcast" | "system";
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
  /** Milliseconds that a client has for a refresh once its time, or that of a subscription, is over. 25,000. */
  readonly expiryGraceMs: number;
}

export interface PingOptions {
  /** Milliseconds between pings, whole seconds; 0 turns them off. 25,000. */
  readonly intervalMs: number;
  /** Milliseconds to wait for the pong; less than the interval. 8,000. */
  readonly timeoutMs: number;
}

/** How the sessions of a hub that ends are spread over time, so that they come back elsewhere without a stampede. */
export interface DrainOptions {
  /** Sessions ended in a second. 500. */
  readonly sessionsPerSecond: number;
  /** Longest time in milliseconds for all of them: with so many that it would take longer, more are ended in a second. 20,000. */
  readonly spreadMs: number;
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
  /** `refresh`: the client is connected already, for a limited time, and wants to stay. */
  readonly action: "connect" | "refresh";
  /** The id that the session has, or will have. */
  readonly client: string;
  readonly origin: Origin;
  /** A secret. */
  readonly token?: string;
  readonly data?: Uint8Array;
  /** What the client calls itself, and its version: proof of nothing. At `connect`. */
  readonly name?: string;
  readonly version?: string;
  /** Channels that the client wants to be subscribed to. At `connect`. */
  readonly channels?: readonly string[];
  /** What was said of the client last. At `refresh`. */
  readonly before?: Authenticated;
}

/** A yes. At a refresh another user ends the session with 3500, other channels with 3010. */
export interface Authenticated {
  /** Empty for an anonymous user. */
  readonly user: string;
  /** JSON text shown to others in presence, joins and publications. At most 2 KiB. */
  readonly connectionInfo?: Uint8Array;
  /** Told to the client. */
  readonly data?: Uint8Array;
  /** Channels to subscribe the session to. */
  readonly channels?: readonly string[];
  /** The same, with what is special about each. */
  readonly subscriptions?: ReadonlyMap<string, ServerSubscription>;
  /**
   * Milliseconds from now that the client may stay, a year at most; after that and a grace of 25 s it is ended with 3005
   * unless it refreshed. Absent: for ever. 0 or less: no (error 110).
   */
  readonly ttlMs?: number;
  readonly refreshedBy?: RefreshedBy;
  /** What the client may do beyond what the rules of its channels say. */
  readonly capabilities?: readonly Capability[];
  /** Whatever the program wants to know of the client later: its other hooks are told, the client is not. */
  readonly meta?: unknown;
}

/** A subscription that the server makes at connect. */
export interface ServerSubscription extends SubscriptionTerms {
  readonly channelInfo?: Uint8Array;
  readonly data?: Uint8Array;
}

interface SubscriptionTerms {
  /**
   * Milliseconds from now that the subscription lasts, a year at most, with the same grace. Then a client's own ends with
   * 2501 unless it was refreshed; one that the server made ends the session with 3006. Absent: for ever.
   */
  readonly ttlMs?: number;
  readonly refreshedBy?: RefreshedBy;
  readonly features?: SubscriptionFeatures;
}

/**
 * Who sees to it that a limited time goes on: the client, by a refresh with a new token (the default), or the server: the hub asks the program
 * again once the time is over, and the client knows nothing of it.
 */
export type RefreshedBy = "client" | "server";

/** What one subscription has, whatever its channel's rule says. Absent: as the rule says. */
export interface SubscriptionFeatures {
  /** What was missed is recovered; needs a rule with history. */
  readonly recovery?: boolean;
  /** Gaps are noticed; needs a rule with history. */
  readonly positioning?: boolean;
  /** False: not in the list of who is there. True adds nothing to a rule without presence. */
  readonly presence?: boolean;
  /** False: others are not told of its join and leave. True adds nothing to a rule without them. */
  readonly joinLeave?: boolean;
  /** False: it is not told of the joins and leaves of others. */
  readonly hearsJoinLeave?: boolean;
}

/** What a client may do in channels beyond what their rules say. */
export interface Capability {
  /** Names, or patterns in which `*` stands for any characters. */
  readonly channels: readonly string[];
  readonly allow: readonly Action[];
}

/** `publish` is never allowed in broadcast channels: those are the server's alone. */
export type Action = "subscribe" | "publish" | "history" | "presence";

export interface AuthorizeRequest {
  /** `refresh`: the client is subscribed already, for a limited time, and wants to stay. */
  readonly action: "subscribe" | "refresh";
  readonly channel: string;
  readonly client: string;
  readonly user: string;
  readonly token?: string;
  readonly data?: Uint8Array;
  /** What `authenticate` said of the client. */
  readonly meta?: unknown;
}

export interface Authorized extends SubscriptionTerms {
  readonly allowed: true;
  readonly channelInfo?: Uint8Array;
  /** Told to the client with the subscription. */
  readonly data?: Uint8Array;
}

export interface PublishRequest {
  readonly channel: string;
  readonly data: Uint8Array;
  readonly format: DataFormat;
  readonly client: string;
  readonly user: string;
  /** What `authenticate` said of the client. */
  readonly meta?: unknown;
}

/** A yes. */
export interface PublishVerdict {
  readonly allowed: true;
  /** Published instead. */
  readonly data?: Uint8Array;
  /** Go with the publication; 4 KiB at most. */
  readonly tags?: Readonly<Record<string, string>>;
  /** A second publish with the same key within five minutes is answered like the first one, and not told. */
  readonly idempotencyKey?: string;
  /** Tells those who are subscribed now, without keeping it for others. */
  readonly skipHistory?: boolean;
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
  /** What `authenticate` said of the client. */
  readonly meta?: unknown;
  /** Fires when the session has gone, and when the call has taken `limits.hookTimeoutMs`: nobody waits for the answer then. */
  readonly signal: AbortSignal;
}

export interface ReceivedMessage {
  readonly data: Uint8Array;
  readonly format: DataFormat;
  readonly client: string;
  readonly user: string;
  /** What `authenticate` said of the client. */
  readonly meta?: unknown;
}
