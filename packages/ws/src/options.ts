import type { Server as HttpServer } from "node:http";
import { type ConnectionOptions, type TlsOptions, Server as TlsServer } from "node:tls";
import { type Endpoint, PolywireError } from "@polywire/core";
import type { HeartbeatOptions } from "./heartbeat.ts";

/** For every link of the protocol; `connect` and `listen` may give their own. */
export interface WsOptions {
  /**
   * How peers that are gone without a word are found: a link silent for `intervalMs` (25,000) is pinged, and cut if it
   * does not answer within `timeoutMs` (8,000). `false` turns it off.
   */
  readonly heartbeat?: Partial<HeartbeatOptions> | false;
  /**
   * Offers (dialling) or takes (listening) per-message deflate, for messages from 1 KiB. `false` by default: it costs
   * memory and time for every link, and compressed links share no frames.
   */
  readonly compression?: boolean;
}

/** Goes with `network.connect("ws://…")`. */
export interface WsDialOptions extends WsOptions {
  /** Offered to the server, best first. A server that takes none of them is refused. */
  readonly subprotocols?: readonly string[];
  /** Request headers besides those of the handshake itself. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For `wss`: everything `tls.connect` takes but the address. */
  readonly tls?: WsTlsDialOptions;
}

export type WsTlsDialOptions = Omit<ConnectionOptions, "host" | "port" | "path" | "socket">;

/** Goes with `network.listen("ws://…")`. */
export interface WsListenOptions extends WsOptions {
  /**
   * A Node HTTP or HTTPS server to share instead of a port of our own. Whoever made it makes it listen and closes it;
   * its limits on headers and time are its own.
   */
  readonly server?: HttpServer;
  /** For `wss` on a port of our own: certificate, key and everything else `https.createServer` takes. */
  readonly tls?: TlsOptions;
  /** Subprotocols to choose from, best first, when the handler's own check of the peer names none. */
  readonly subprotocols?: readonly string[];
}

export const DEFAULT_HEARTBEAT: HeartbeatOptions = { intervalMs: 25_000, timeoutMs: 8_000 };

/** RFC 6455, section 4.1: a token of RFC 2616. */
const SUBPROTOCOL = /^[!#$%&'*+\-.0-9A-Z^_`|a-z~]+$/;
/** These are the handshake's own. */
const RESERVED_HEADER = /^(?:connection|upgrade|content-length|transfer-encoding|sec-websocket-.*)$/i;
const DIAL_ADDRESS_OPTIONS = ["host", "port", "path", "socket"];

const GENERAL_NAMES = ["heartbeat", "compression"];
const DIAL_NAMES = [...GENERAL_NAMES, "subprotocols", "headers", "tls"];
const LISTEN_NAMES = [...GENERAL_NAMES, "server", "tls", "subprotocols"];

/** Every option that both sides know, complete. */
export interface CompleteOptions {
  /** Absent if turned off. */
  readonly heartbeat: HeartbeatOptions | undefined;
  readonly compression: boolean;
}

export function completeOptions(given: WsOptions, defaults?: CompleteOptions): CompleteOptions {
  checkNames("ws()", given, GENERAL_NAMES);
  return completeGeneral(given, defaults);
}

export type CompleteDialOptions = CompleteOptions & Required<Omit<WsDialOptions, keyof WsOptions>>;

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeDialOptions(endpoint: Endpoint, defaults: CompleteOptions): CompleteDialOptions {
  const given = endpoint.options as WsDialOptions;
  checkNames(`connect to "${endpoint}"`, given, DIAL_NAMES);
  const { subprotocols = [], headers = {}, tls = {} } = given;
  checkSubprotocols(subprotocols);
  checkObject("headers", headers);
  for (const [name, value] of Object.entries(headers)) {
    if (RESERVED_HEADER.test(name)) throw invalid(`headers.${name}`, "it belongs to the handshake itself");
    if (typeof value !== "string") throw invalid(`headers.${name}`, "give a string");
  }
  checkObject("tls", tls);
  if (given.tls !== undefined && endpoint.scheme !== "wss") throw invalid("tls", "it goes with wss:// only");
  for (const name of DIAL_ADDRESS_OPTIONS) {
    if (Object.hasOwn(tls, name)) throw invalid(`tls.${name}`, "the URL says where to connect");
  }
  return { ...completeGeneral(given, defaults), subprotocols, headers, tls };
}

export type CompleteListenOptions = CompleteOptions & {
  readonly server: HttpServer | undefined;
  readonly tls: TlsOptions | undefined;
  readonly subprotocols: readonly string[];
};

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeListenOptions(endpoint: Endpoint, defaults: CompleteOptions): CompleteListenOptions {
  const given = endpoint.options as WsListenOptions;
  checkNames(`listen on "${endpoint}"`, given, LISTEN_NAMES);
  const { server, tls, subprotocols = [] } = given;
  checkSubprotocols(subprotocols);
  if (tls !== undefined) checkObject("tls", tls);
  if (tls !== undefined && endpoint.scheme !== "wss") throw invalid("tls", "it goes with wss:// only");
  if (tls !== undefined && server !== undefined) throw invalid("tls", "the server handed in has its own");
  if (server !== undefined) checkServer(server, endpoint);
  return {
    ...completeGeneral(given, defaults),
    server,
    tls,
    subprotocols,
  };
}

function completeGeneral(given: WsOptions, defaults?: CompleteOptions): CompleteOptions {
  const { heartbeat, compression = defaults?.compression ?? false } = given;
  if (typeof compression !== "boolean") throw invalid("compression", "give true or false");
  if (heartbeat === false) return { heartbeat: undefined, compression };
  if (heartbeat === undefined && defaults !== undefined) return { heartbeat: defaults.heartbeat, compression };
  checkObject("heartbeat", heartbeat ?? {});
  checkNames("heartbeat", heartbeat ?? {}, Object.keys(DEFAULT_HEARTBEAT));
  const complete = { ...DEFAULT_HEARTBEAT, ...defaults?.heartbeat, ...heartbeat };
  for (const [name, value] of Object.entries(complete)) {
    if (!(Number.isFinite(value) && value >= 1 && value <= 0x7fff_ffff)) {
      throw invalid(`heartbeat.${name}`, `it is ${String(value)}: give 1 to 2147483647 milliseconds`);
    }
  }
  return { heartbeat: complete, compression };
}

function checkNames(where: string, given: object, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw new PolywireError("invalid-argument", `${where}: unknown option "${name}": known are ${known.join(", ")}`);
  }
}

function checkObject(name: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(name, "give an object");
}

function checkSubprotocols(names: readonly string[]): void {
  if (!Array.isArray(names)) throw invalid("subprotocols", "give an array of strings");
  for (const name of names) {
    if (typeof name !== "string" || !SUBPROTOCOL.test(name)) {
      throw invalid("subprotocols", `"${String(name)}" is none: letters, digits and !#$%&'*+-.^_\`|~ are allowed`);
    }
  }
  if (new Set(names).size < names.length) throw invalid("subprotocols", "one is given twice");
}

function checkServer(server: HttpServer, endpoint: Endpoint): void {
  if (typeof server?.on !== "function" || typeof server.address !== "function") {
    throw invalid("server", "give a server of node:http or node:https");
  }
  const scheme = server instanceof TlsServer ? "wss" : "ws";
  if (scheme !== endpoint.scheme) throw invalid("server", `it speaks ${scheme}, the URL says ${endpoint.scheme}`);
}

function invalid(name: string, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `option ${name}: ${problem}`);
}
