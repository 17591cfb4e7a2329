import type { ConnectionOptions, TlsOptions } from "node:tls";
import {
  checkBooleanOption,
  checkCountOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  type Endpoint,
  MAX_DELAY_MS,
  PolywireError,
  wrongOption,
} from "@polywire/core";
import type { KeepaliveOptions } from "./keepalive.ts";
import { addMetadata, type OutgoingMetadata } from "./metadata.ts";

/** For every connection of the protocol; `connect`, `open` and `listen` may give their own. */
export interface GrpcOptions {
  /**
   * How peers that are gone without a word are found: a connection with calls that is silent for `intervalMs` (30,000)
   * is pinged, and cut if no answer comes within `timeoutMs` (10,000). `false` turns it off.
   */
  readonly keepalive?: Partial<KeepaliveOptions> | false;
  /** What the peer may send on one call before it is read, in bytes. 262,144. */
  readonly windowBytes?: number;
  /** Most metadata of one call in bytes, as HTTP/2 counts them. 8,192. */
  readonly maxMetadataBytes?: number;
  /** Most memory of one HTTP/2 session in megabytes. 10. */
  readonly maxSessionMegabytes?: number;
}

/** Goes with `network.connect("grpc://…")` and `network.open("grpc://…")`. */
export interface GrpcDialOptions extends GrpcOptions {
  /** Metadata of every call, besides what the network's own option `metadata` gives. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For `grpcs`: everything `tls.connect` takes but the address. */
  readonly tls?: GrpcTlsDialOptions;
  /**
   * Links only. `true` (the default): a dial is done when the server has accepted the call. `false`: when the call is on
   * its way, for servers that say nothing before they hear something; a refusal then closes the link.
   */
  readonly awaitServer?: boolean;
  /** Links only. Most at once on one connection, where the server does not allow fewer. 100. */
  readonly maxStreams?: number;
  /** Links only. A connection without a link is closed after this time in milliseconds. 5,000. */
  readonly sessionIdleMs?: number;
}

export type GrpcTlsDialOptions = Omit<ConnectionOptions, "host" | "port" | "path" | "socket" | "ALPNProtocols">;

/** Goes with `network.listen("grpc://…")`. All but `carries` and `idleTimeoutMs` belong to the port: its first listener sets them. */
export interface GrpcListenOptions extends GrpcOptions {
  /** For `grpcs`: certificate, key and everything else `tls.createServer` takes. */
  readonly tls?: TlsOptions;
  /** For a handler of both links and exchanges: which of them this path carries. */
  readonly carries?: "links" | "exchanges";
  /** Most calls at once on one connection. 100. */
  readonly maxStreams?: number;
  /** A connection without a call is closed after this time in milliseconds. 300,000. */
  readonly maxConnectionIdleMs?: number;
  /** A connection takes no more calls after this time in milliseconds, give or take a tenth. 3,600,000. */
  readonly maxConnectionAgeMs?: number;
  /** Calls under way at that age are cut off after this time in milliseconds. 60,000. */
  readonly maxConnectionAgeGraceMs?: number;
  /** Serves `grpc.health.v1.Health`. `true` by default. */
  readonly health?: boolean;
  /** A link without a message for this time in milliseconds is closed with DEADLINE_EXCEEDED. Never, by default. */
  readonly idleTimeoutMs?: number;
  /** Longest time in milliseconds for a request to arrive and to be answered. 30,000. */
  readonly answerTimeoutMs?: number;
}

const DEFAULT_KEEPALIVE: KeepaliveOptions = { intervalMs: 30_000, timeoutMs: 10_000 };
const COUNTS = { windowBytes: 262_144, maxMetadataBytes: 8_192, maxSessionMegabytes: 10 } as const;
const DIAL_COUNTS = { maxStreams: 100, sessionIdleMs: 5_000 } as const;
const LISTEN_COUNTS = {
  maxStreams: 100,
  maxConnectionIdleMs: 300_000,
  maxConnectionAgeMs: 3_600_000,
  maxConnectionAgeGraceMs: 60_000,
  answerTimeoutMs: 30_000,
} as const;
/** RFC 9113: what a window may be at most. */
const MAX_WINDOW_BYTES = 2_147_483_647;

const COUNT_NAMES = Object.keys(COUNTS) as (keyof typeof COUNTS)[];
const DIAL_COUNT_NAMES = Object.keys(DIAL_COUNTS) as (keyof typeof DIAL_COUNTS)[];
const LISTEN_COUNT_NAMES = Object.keys(LISTEN_COUNTS) as (keyof typeof LISTEN_COUNTS)[];
const GENERAL_NAMES = ["keepalive", ...COUNT_NAMES];
const DIAL_NAMES = [...GENERAL_NAMES, ...DIAL_COUNT_NAMES, "headers", "tls", "awaitServer"];
const LISTEN_NAMES = [...GENERAL_NAMES, ...LISTEN_COUNT_NAMES, "tls", "carries", "health", "idleTimeoutMs"];
const DIAL_ADDRESS_OPTIONS = ["host", "port", "path", "socket", "ALPNProtocols"];

/** Every option that both sides know, complete. */
export interface CompleteOptions extends Record<keyof typeof COUNTS, number> {
  /** Absent if turned off. */
  readonly keepalive: KeepaliveOptions | undefined;
}

export interface CompleteDialOptions extends CompleteOptions, Record<keyof typeof DIAL_COUNTS, number> {
  readonly headers: OutgoingMetadata;
  readonly tls: GrpcTlsDialOptions;
  readonly awaitServer: boolean;
}

export interface CompleteListenOptions extends CompleteOptions, Record<keyof typeof LISTEN_COUNTS, number> {
  readonly tls: TlsOptions | undefined;
  readonly carries: "links" | "exchanges" | undefined;
  readonly health: boolean;
  readonly idleTimeoutMs: number | undefined;
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeOptions(given: GrpcOptions, defaults?: CompleteOptions): CompleteOptions {
  checkObjectOption("grpc()", given);
  checkOptionNames("", given, GENERAL_NAMES);
  return completeGeneral(given, defaults);
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeDialOptions(endpoint: Endpoint, defaults: CompleteOptions): CompleteDialOptions {
  const given = endpoint.options as GrpcDialOptions;
  checkOptionNames("", given, DIAL_NAMES);
  const { headers = {}, tls = {}, awaitServer = true } = given;
  checkObjectOption("headers", headers);
  checkBooleanOption("awaitServer", awaitServer);
  checkTls(given.tls, endpoint);
  for (const name of DIAL_ADDRESS_OPTIONS) {
    if (Object.hasOwn(tls, name)) throw invalid(`tls.${name}`, "the URL says where to connect, and gRPC what to speak");
  }
  return {
    ...completeGeneral(given, defaults),
    ...completeCounts(given, DIAL_COUNTS, DIAL_COUNT_NAMES),
    headers: addMetadata({}, Object.entries(headers)),
    tls,
    awaitServer,
  };
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeListenOptions(endpoint: Endpoint, defaults: CompleteOptions): CompleteListenOptions {
  const given = endpoint.options as GrpcListenOptions;
  checkOptionNames("", given, LISTEN_NAMES);
  const { tls, carries, health = true, idleTimeoutMs } = given;
  checkTls(tls, endpoint);
  if (carries !== undefined) checkOneOfOption("carries", carries, ["links", "exchanges"]);
  checkBooleanOption("health", health);
  if (idleTimeoutMs !== undefined) checkCountOption("idleTimeoutMs", idleTimeoutMs, MAX_DELAY_MS);
  const counts = completeCounts(given, LISTEN_COUNTS, LISTEN_COUNT_NAMES);
  return { ...completeGeneral(given, defaults), ...counts, tls, carries, health, idleTimeoutMs };
}

function completeGeneral(given: GrpcOptions, defaults?: CompleteOptions): CompleteOptions {
  return {
    ...completeCounts(given, defaults ?? COUNTS, COUNT_NAMES),
    keepalive: completeKeepalive(given.keepalive, defaults),
  };
}

function completeKeepalive(
  given: GrpcOptions["keepalive"],
  defaults: CompleteOptions | undefined,
): KeepaliveOptions | undefined {
  if (given === false) return undefined;
  if (given === undefined && defaults !== undefined) return defaults.keepalive;
  checkObjectOption("keepalive", given ?? {});
  checkOptionNames("keepalive", given ?? {}, Object.keys(DEFAULT_KEEPALIVE));
  const { intervalMs = (defaults?.keepalive ?? DEFAULT_KEEPALIVE).intervalMs } = given ?? {};
  const { timeoutMs = (defaults?.keepalive ?? DEFAULT_KEEPALIVE).timeoutMs } = given ?? {};
  checkCountOption("keepalive.intervalMs", intervalMs, MAX_DELAY_MS);
  checkCountOption("keepalive.timeoutMs", timeoutMs, MAX_DELAY_MS);
  return { intervalMs, timeoutMs };
}

function completeCounts<Name extends string>(
  given: Partial<Record<Name, unknown>>,
  defaults: Readonly<Record<Name, number>>,
  names: readonly Name[],
): Record<Name, number> {
  const complete: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const value = given[name] ?? defaults[name];
    checkCountOption(name, value, name.endsWith("Ms") ? MAX_DELAY_MS : MAX_WINDOW_BYTES);
    complete[name] = value as number;
  }
  return complete as Record<Name, number>;
}

function checkTls(tls: object | undefined, endpoint: Endpoint): void {
  if (tls === undefined) return;
  checkObjectOption("tls", tls);
  if (endpoint.scheme !== "grpcs") throw wrongOption("tls", tls, "it goes with grpcs:// only");
}

function invalid(name: string, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `option ${name}: ${problem}`);
}
