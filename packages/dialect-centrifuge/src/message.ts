import type { Publication } from "@polywire/core";
import type { FilterNode } from "@polywire/realtime";

/*
 * The messages of the protocol as both encodings read and write them. Field meanings are those of the protocol; a field
 * that was absent on the wire holds its zero value, and a zero value is absent on the wire.
 *
 * Payloads are bytes of their own, never parsed: from a JSON client the JSON text exactly as it arrived, as UTF-8. Absent
 * and empty are the same.
 */

export interface ConnectRequest {
  readonly token: string;
  readonly data: Uint8Array | undefined;
  /** Server-side channels the client knows, with the position it wants to recover from. */
  readonly subs: ReadonlyMap<string, SubscribeRequest>;
  readonly name: string;
  readonly version: string;
  /** Headers a browser cannot set: under the client's control. */
  readonly headers: ReadonlyMap<string, string>;
}

export interface SubscribeRequest {
  readonly channel: string;
  readonly token: string;
  readonly recover: boolean;
  readonly epoch: string;
  readonly offset: number;
  readonly data: Uint8Array | undefined;
  readonly positioned: boolean;
  readonly recoverable: boolean;
  readonly joinLeave: boolean;
  readonly delta: string;
  readonly filter: FilterNode | undefined;
  readonly flag: number;
  readonly type: number;
}

export interface PublishRequest {
  readonly channel: string;
  readonly data: Uint8Array | undefined;
  readonly type: number;
}

export interface HistoryRequest {
  readonly channel: string;
  /** 0: only the position; negative: as many as the server gives. */
  readonly limit: number;
  readonly since: StreamPosition | undefined;
  readonly reverse: boolean;
}

export interface StreamPosition {
  readonly offset: number;
  readonly epoch: string;
}

export interface TokenRequest {
  readonly channel: string;
  readonly token: string;
  readonly type: number;
}

/** Commands whose request is a channel and nothing else. */
type ChannelMethod = "unsubscribe" | "presence" | "presence_stats";

/**
 * One command. `id` is 1 to 2³²−1. Where a client sets several requests in one command the first of the protocol's order
 * counts. `unknown` is a command without a request that this protocol knows, or without the id its request needs.
 */
export type Command =
  | { readonly kind: "pong" }
  | { readonly kind: "unknown"; readonly id: number }
  | { readonly kind: "connect"; readonly id: number; readonly request: ConnectRequest }
  | { readonly kind: "subscribe"; readonly id: number; readonly request: SubscribeRequest }
  | { readonly kind: "publish"; readonly id: number; readonly request: PublishRequest }
  | { readonly kind: ChannelMethod; readonly id: number; readonly channel: string }
  | { readonly kind: "history"; readonly id: number; readonly request: HistoryRequest }
  | { readonly kind: "rpc"; readonly id: number; readonly method: string; readonly data: Uint8Array | undefined }
  | { readonly kind: "send"; readonly data: Uint8Array | undefined }
  | { readonly kind: "refresh" | "sub_refresh"; readonly id: number; readonly request: TokenRequest }
  | { readonly kind: "ping"; readonly id: number };

/** The order in which requests count when several are set in one command. */
export const REQUEST_ORDER: readonly RequestKind[] = [
  "connect",
  "subscribe",
  "unsubscribe",
  "publish",
  "presence",
  "presence_stats",
  "history",
  "rpc",
  "send",
  "refresh",
  "sub_refresh",
  "ping",
];

/** The requests, by the name of their field. */
export type RequestKind = Exclude<Command["kind"], "pong" | "unknown">;

/** Bits of `SubscribeRequest.flag`. */
export const SUBSCRIBE_FLAG = {
  /** The client understands compact channel ids. */
  channelCompaction: 1,
  /** Answer error 112 instead of `recovered: false`. */
  rejectUnrecovered: 2,
} as const;

export interface ConnectResult {
  readonly client: string;
  readonly version?: string | undefined;
  readonly data?: Uint8Array | undefined;
  readonly subs?: ReadonlyMap<string, SubscribeResult> | undefined;
  readonly expires?: boolean | undefined;
  readonly ttl?: number | undefined;
  /** Seconds between pings; absent: no pings. */
  readonly ping?: number | undefined;
  readonly pong?: boolean | undefined;
  readonly session?: string | undefined;
  readonly node?: string | undefined;
  /** Milliseconds since 1970. */
  readonly time?: number | undefined;
}

export interface SubscribeResult {
  readonly expires?: boolean | undefined;
  readonly ttl?: number | undefined;
  readonly recoverable?: boolean | undefined;
  readonly positioned?: boolean | undefined;
  readonly epoch?: string | undefined;
  readonly offset?: number | undefined;
  readonly publications?: readonly Publication[] | undefined;
  readonly recovered?: boolean | undefined;
  readonly wasRecovering?: boolean | undefined;
  readonly data?: Uint8Array | undefined;
  readonly delta?: boolean | undefined;
  /** Stands for the channel's name in pushes. */
  readonly id?: number | undefined;
}

export interface SubscribePush {
  readonly recoverable?: boolean | undefined;
  readonly positioned?: boolean | undefined;
  readonly epoch?: string | undefined;
  readonly offset?: number | undefined;
  readonly data?: Uint8Array | undefined;
}

export interface Expiry {
  readonly expires?: boolean | undefined;
  /** Seconds. */
  readonly ttl?: number | undefined;
}
