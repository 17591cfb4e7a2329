import type * as hub from "@polywire/realtime";
import type {
  ConnectRequest,
  ConnectResult,
  Expiry,
  HistoryRequest,
  SubscribePush,
  SubscribeRequest,
  SubscribeResult,
} from "./message.ts";
import { SUBSCRIBE_FLAG } from "./message.ts";

/* Requests and results, from the protocol's form to the hub's and back. */

const MILLISECONDS_PER_SECOND = 1_000;

export function connectRequest(request: ConnectRequest): hub.ConnectRequest {
  const { token, data, name, version, headers, subs } = request;
  return {
    ...(token === "" ? {} : { token }),
    ...(data === undefined ? {} : { data }),
    ...(name === "" ? {} : { name }),
    ...(version === "" ? {} : { version }),
    ...(headers.size === 0 ? {} : { headers }),
    ...(subs.size === 0 ? {} : { subscriptions: mapped(subs, recoverRequest) }),
  };
}

function recoverRequest({ recover, offset, epoch }: SubscribeRequest): hub.RecoverRequest {
  return { recover, since: { offset, epoch } };
}

/** What a client names in requests of its own to speak to its session. */
export interface Identity {
  /** A secret. */
  readonly session: string;
  readonly node: string;
}

export function connectResult(result: hub.ConnectResult, identity?: Identity): ConnectResult {
  const { subscriptions } = result;
  return {
    client: result.client,
    version: result.version,
    data: result.data,
    subs: subscriptions.size === 0 ? undefined : mapped(subscriptions, subscribeResult),
    ping: result.pingIntervalMs / MILLISECONDS_PER_SECOND,
    pong: result.isPongExpected,
    ...expiry(result.ttlMs),
    ...identity,
  };
}

export function subscribeRequest(request: SubscribeRequest): hub.SubscribeRequest {
  const { channel, token, data, recover, offset, epoch, positioned, recoverable, joinLeave, delta, filter, flag } =
    request;
  return {
    channel,
    ...(token === "" ? {} : { token }),
    ...(data === undefined ? {} : { data }),
    recover,
    since: { offset, epoch },
    positioned,
    recoverable,
    joinLeave,
    ...(delta === "fossil" ? { delta } : {}),
    ...(filter === undefined ? {} : { filter }),
    compaction: hasFlag(flag, SUBSCRIBE_FLAG.channelCompaction),
    rejectUnrecovered: hasFlag(flag, SUBSCRIBE_FLAG.rejectUnrecovered),
  };
}

/** Flags are 64 bits wide, JavaScript's bit operators 32. */
function hasFlag(flags: number, flag: number): boolean {
  return Math.floor(flags / flag) % 2 === 1;
}

export function subscribeResult(result: hub.SubscribeResult): SubscribeResult {
  return {
    ...subscribePush(result),
    ...expiry(result.ttlMs),
    publications: result.publications,
    recovered: result.isRecovered,
    wasRecovering: result.wasRecovering,
    delta: result.isDelta,
    id: result.channelId,
  };
}

/**
 * The same subscription without what it recovered, for a link that cannot carry a message of that size: the client is
 * where it would be, and is told that it missed something.
 */
export function unrecovered(result: hub.SubscribeResult): hub.SubscribeResult {
  const last = result.publications.at(-1)?.offset;
  const position = result.position && { ...result.position, offset: last ?? result.position.offset };
  return { ...result, isRecovered: false, publications: [], ...(position === undefined ? {} : { position }) };
}

/** The same connection with nothing recovered: see {@link unrecovered}. */
export function withoutRecovery(result: hub.ConnectResult): hub.ConnectResult {
  return { ...result, subscriptions: mapped(result.subscriptions, unrecovered) };
}

export function subscribePush(result: hub.SubscribeResult): SubscribePush {
  return {
    recoverable: result.isRecoverable,
    positioned: result.isPositioned,
    epoch: result.position?.epoch,
    offset: result.position?.offset,
    data: result.data,
  };
}

function mapped<From, To>(map: ReadonlyMap<string, From>, change: (value: From) => To): Map<string, To> {
  return new Map(Array.from(map, ([channel, value]) => [channel, change(value)]));
}

export function historyCommand(request: HistoryRequest): hub.HistoryCommand {
  const { channel, limit, since, reverse } = request;
  return { channel, limit, isReverse: reverse, ...(since === undefined ? {} : { since }) };
}

export function expiry(ttlMs: number | undefined): Expiry {
  return ttlMs === undefined ? {} : { expires: true, ttl: Math.ceil(ttlMs / MILLISECONDS_PER_SECOND) };
}
