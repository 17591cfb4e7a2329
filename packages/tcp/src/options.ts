import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
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
import type { FramingName } from "./frame.ts";

/** For every link of the protocol; `connect` and `listen` may give their own. */
export interface TcpOptions {
  /**
   * What a message is on the wire; both sides have to agree. `none`, the default: there are no messages, only bytes.
   * `lines`: UTF-8 text that a line feed ends. `u32`: bytes after their number in four, the most significant first.
   * `varint`: bytes after their number as an unsigned LEB128, as Protobuf writes it.
   */
  readonly framing?: FramingName;
  /** Small writes leave at once instead of waiting for company (TCP_NODELAY). True. */
  readonly noDelay?: boolean;
  /** The system probes a connection that was silent for so long. 60,000. */
  readonly keepAliveMs?: number;
  /** Longest time from the first byte of a message to its last. 30,000. Means nothing without a framing. */
  readonly frameTimeoutMs?: number;
  /** A link on which nothing arrives for so long is closed. Never, if absent: the other side may have nothing to say. */
  readonly idleTimeoutMs?: number;
  /**
   * Longest time for the peer to take what one turn of the event loop sent it; then the link is cut. Never, if absent: it
   * may be taking a rest.
   */
  readonly stallTimeoutMs?: number;
}

/** Goes with `network.connect("tcp://…")`. */
export interface TcpDialOptions extends TcpOptions {
  /** For `tcps`: everything `tls.connect` takes but the address. */
  readonly tls?: TcpTlsDialOptions;
  /** For `tcps`: offered by ALPN (RFC 7301), best first. */
  readonly subprotocols?: readonly string[];
  /** How long one address of a host with several may take before it is given up for the next. 1,000. */
  readonly attemptTimeoutMs?: number;
  /** Finds the addresses of a host name instead of `dns.lookup`: it is asked for all of them. */
  readonly lookup?: LookupFunction;
  /** The address of this machine to connect from. */
  readonly localAddress?: string;
}

export type TcpTlsDialOptions = Omit<ConnectionOptions, "host" | "port" | "path" | "socket" | "ALPNProtocols">;

/** Goes with `network.listen("tcp://…")`. */
export interface TcpListenOptions extends TcpOptions {
  /** For `tcps`: certificate, key and everything else `tls.createServer` takes. */
  readonly tls?: Omit<TlsOptions, "ALPNProtocols">;
  /** For `tcps`: chosen from by ALPN, best first; a peer that offers none of them is refused by TLS. */
  readonly subprotocols?: readonly string[];
  /** A link on which nothing has arrived after so long is closed. Never, if absent. */
  readonly firstByteTimeoutMs?: number;
  /** For `unix`: the permissions of the socket's file. 0o600. */
  readonly mode?: number;
}

const FRAMINGS: readonly FramingName[] = ["none", "lines", "u32", "varint"];
const GENERAL_NAMES = ["framing", "noDelay", "keepAliveMs", "frameTimeoutMs", "idleTimeoutMs", "stallTimeoutMs"];
const DIAL_NAMES = [...GENERAL_NAMES, "tls", "subprotocols", "attemptTimeoutMs", "lookup", "localAddress"];
const LISTEN_NAMES = [...GENERAL_NAMES, "tls", "subprotocols", "firstByteTimeoutMs", "mode"];
const ADDRESS_OPTIONS = ["host", "port", "path", "socket", "ALPNProtocols"];
const DEFAULT_ATTEMPT_TIMEOUT_MS = 1_000;
const DEFAULT_SOCKET_MODE = 0o600;

const DEFAULTS: CompleteOptions = {
  framing: "none",
  noDelay: true,
  keepAliveMs: 60_000,
  frameTimeoutMs: 30_000,
  idleTimeoutMs: undefined,
  stallTimeoutMs: undefined,
};

/** Every option that both sides know, complete. */
export interface CompleteOptions extends Required<Omit<TcpOptions, "idleTimeoutMs" | "stallTimeoutMs">> {
  readonly idleTimeoutMs: number | undefined;
  readonly stallTimeoutMs: number | undefined;
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeOptions(given: TcpOptions): CompleteOptions {
  checkObjectOption("tcp()", given);
  checkOptionNames("", given, GENERAL_NAMES);
  return completeGeneral(given, DEFAULTS);
}

export type CompleteDialOptions = CompleteOptions & {
  readonly tls: TcpTlsDialOptions;
  readonly subprotocols: readonly string[];
  readonly attemptTimeoutMs: number;
  readonly lookup: LookupFunction;
  readonly localAddress: string | undefined;
};

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeDialOptions(endpoint: Endpoint, defaults: CompleteOptions): CompleteDialOptions {
  const given = endpoint.options as TcpDialOptions;
  checkOptionNames("", given, DIAL_NAMES);
  const { tls = {}, subprotocols = [], attemptTimeoutMs = DEFAULT_ATTEMPT_TIMEOUT_MS } = given;
  const { lookup = systemLookup, localAddress } = given;
  checkTls(endpoint, given.tls);
  checkSubprotocols(endpoint, subprotocols);
  checkCountOption("attemptTimeoutMs", attemptTimeoutMs, MAX_DELAY_MS);
  if (typeof lookup !== "function") {
    throw wrongOption("lookup", lookup, "give a function like dns.lookup");
  }
  if (localAddress !== undefined && typeof localAddress !== "string") {
    throw wrongOption("localAddress", localAddress, "give an address of this machine");
  }
  return { ...completeGeneral(given, defaults), tls, subprotocols, attemptTimeoutMs, lookup, localAddress };
}

export type CompleteListenOptions = CompleteOptions & {
  readonly tls: TcpListenOptions["tls"];
  readonly subprotocols: readonly string[];
  readonly firstByteTimeoutMs: number | undefined;
  readonly mode: number;
};

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeListenOptions(endpoint: Endpoint, defaults: CompleteOptions): CompleteListenOptions {
  const given = endpoint.options as TcpListenOptions;
  checkOptionNames("", given, LISTEN_NAMES);
  const { tls, subprotocols = [], firstByteTimeoutMs, mode = DEFAULT_SOCKET_MODE } = given;
  checkTls(endpoint, tls);
  if (endpoint.scheme === "tcps" && tls === undefined) {
    throw new PolywireError("invalid-argument", `listen on "${endpoint}": tcps needs the option tls with cert and key`);
  }
  checkSubprotocols(endpoint, subprotocols);
  if (firstByteTimeoutMs !== undefined) checkCountOption("firstByteTimeoutMs", firstByteTimeoutMs, MAX_DELAY_MS);
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) throw wrongOption("mode", mode, "give 0 to 0o777");
  if (given.mode !== undefined && endpoint.scheme !== "unix")
    throw wrongOption("mode", mode, "it goes with unix: only");
  return { ...completeGeneral(given, defaults), tls, subprotocols, firstByteTimeoutMs, mode };
}

function completeGeneral(given: TcpOptions, defaults: CompleteOptions): CompleteOptions {
  const { framing = defaults.framing, noDelay = defaults.noDelay } = given;
  const { keepAliveMs = defaults.keepAliveMs, frameTimeoutMs = defaults.frameTimeoutMs } = given;
  const { idleTimeoutMs = defaults.idleTimeoutMs, stallTimeoutMs = defaults.stallTimeoutMs } = given;
  checkOneOfOption("framing", framing, FRAMINGS);
  checkBooleanOption("noDelay", noDelay);
  checkCountOption("keepAliveMs", keepAliveMs, MAX_DELAY_MS);
  checkCountOption("frameTimeoutMs", frameTimeoutMs, MAX_DELAY_MS);
  if (idleTimeoutMs !== undefined) checkCountOption("idleTimeoutMs", idleTimeoutMs, MAX_DELAY_MS);
  if (stallTimeoutMs !== undefined) checkCountOption("stallTimeoutMs", stallTimeoutMs, MAX_DELAY_MS);
  return { framing, noDelay, keepAliveMs, frameTimeoutMs, idleTimeoutMs, stallTimeoutMs };
}

function checkTls(endpoint: Endpoint, tls: object | undefined): void {
  if (tls === undefined) return;
  checkObjectOption("tls", tls);
  if (endpoint.scheme !== "tcps") throw new PolywireError("invalid-argument", "option tls: it goes with tcps:// only");
  for (const name of ADDRESS_OPTIONS) {
    if (!Object.hasOwn(tls, name)) continue;
    const advice = name === "ALPNProtocols" ? "use the option subprotocols" : "the URL has the address";
    throw new PolywireError("invalid-argument", `option tls.${name}: ${advice}`);
  }
}

function checkSubprotocols(endpoint: Endpoint, names: readonly string[]): void {
  const isList = Array.isArray(names) && names.every((name) => typeof name === "string" && name !== "");
  if (!isList) throw wrongOption("subprotocols", names, "give an array of names");
  if (names.length > 0 && endpoint.scheme !== "tcps") {
    throw new PolywireError(
      "invalid-argument",
      "option subprotocols: ALPN is part of TLS, so it goes with tcps:// only",
    );
  }
}
