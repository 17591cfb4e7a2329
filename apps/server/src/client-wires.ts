import type { Server } from "node:http";
import type { Socket } from "node:net";
import {
  type Admission,
  type Clock,
  type Handler,
  type Listener,
  type Logger,
  Network,
  type NetworkOptions,
  type Peer,
} from "@polywire/core";
import {
  type CentrifugeHandler,
  type CentrifugeOptions,
  type CentrifugeStats,
  centrifuge,
} from "@polywire/dialect-centrifuge";
import { type GrpcProtocol, grpc } from "@polywire/grpc";
import { type HttpListener, type HttpProtocol, http } from "@polywire/http";
import type { Hub } from "@polywire/realtime";
import { type TcpProtocol, tcp } from "@polywire/tcp";
import { type UdpDrops, type UdpProtocol, udp } from "@polywire/udp";
import { type WsProtocol, ws } from "@polywire/ws";
import { type ListenAddress, listenAddress } from "./config/address.ts";
import { readCertificates, type TlsMaterial } from "./config/certificates.ts";
import type { ConfiguredListener, PublicListener } from "./config/schema.ts";

/** Where clients of an HTTP address are answered. */
const HTTP_PATHS = {
  websocket: "/connection/websocket",
  unidirectionalWebsocket: "/connection/uni_websocket",
  httpStream: "/connection/http_stream",
  sse: "/connection/sse",
  emulation: "/emulation",
  unidirectionalSse: "/connection/uni_sse",
  unidirectionalHttpStream: "/connection/uni_http_stream",
} as const;

const UPGRADE_PATHS: ReadonlySet<string> = new Set([HTTP_PATHS.websocket, HTTP_PATHS.unidirectionalWebsocket]);
const EXCHANGE_PATHS: ReadonlySet<string> = new Set(
  Object.values(HTTP_PATHS).filter((path) => !UPGRADE_PATHS.has(path)),
);

/** Those that a person reading the log wants to know. */
const SHOWN_PATHS = {
  websocket: HTTP_PATHS.websocket,
  httpStream: HTTP_PATHS.httpStream,
  sse: HTTP_PATHS.sse,
} as const;

/** Longest text of a peer's that is logged. */
const LOGGED_CHARACTERS = 256;

const GRPC_SERVICE = "/polywire.centrifuge.v1.Centrifuge";

/** Clients that come as requests: the paths that are theirs, and who answers them. */
export interface ExchangeClients {
  readonly paths: ReadonlySet<string>;
  readonly upgradePaths: ReadonlySet<string>;
  readonly handler: Handler;
}

export interface ClientWiresOptions {
  readonly hub: Hub;
  readonly network: ServerNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly allowedOrigins: readonly string[];
  /** Headers of clients that somebody wants to see. */
  readonly keepHeaders: readonly string[];
  readonly maxClients: number;
}

export type ServerNetwork = Network<readonly [HttpProtocol, WsProtocol, TcpProtocol, UdpProtocol, GrpcProtocol]>;

/** An address that is listened at. */
export interface BoundAddress {
  /** With the port that the system gave for port 0. */
  readonly address: ListenAddress;
  /** What it serves, by name, for the log. */
  readonly serves: Readonly<Record<string, string>>;
  /** Node's server below it, whose sockets can be counted: every wire has one but UDP, whose clients share one socket. */
  readonly server?: NodeServer | undefined;
  /** Datagrams that were dropped, and why, where there are any. */
  readonly drops?: Readonly<UdpDrops>;
  /** Stops accepting at once; clients that are here stay. */
  close(): Promise<unknown>;
}

/** A server of Node's, whatever it speaks. Those of HTTP alone can close their connections. */
export interface NodeServer {
  prependListener(event: "connection", listener: (socket: Socket) => void): unknown;
  /** Where it speaks TLS: handshakes from now on use these; connections that there are stay as they are. */
  setSecureContext?(material: TlsMaterial): void;
  closeAllConnections?(): void;
}

/** The network of a server: the one place that names the protocols. */
export function serverNetwork(options: Omit<NetworkOptions<readonly []>, "protocols">): ServerNetwork {
  // The hub pings its sessions itself.
  return new Network({ ...options, protocols: [http(), ws({ heartbeat: false }), tcp(), udp(), grpc()] });
}

/** How the clients of an address are spoken to. */
type Speech = Required<Pick<CentrifugeOptions, "format" | "delimited" | "pong">>;

/** Lets clients in at public addresses, whatever their wire. */
export class ClientWires {
  readonly #options: ClientWiresOptions;
  readonly #dialects = new Map<string, CentrifugeHandler>();
  #allowedOrigins: readonly string[];

  constructor(options: ClientWiresOptions) {
    this.#options = options;
    this.#allowedOrigins = options.allowedOrigins;
  }

  /** From now on pages of these origins may connect. */
  allowOrigins(allowedOrigins: readonly string[]): void {
    this.#allowedOrigins = allowedOrigins;
    for (const dialect of this.#dialects.values()) dialect.allowOrigins(allowedOrigins);
  }

  /** Plain numbers of each way of speaking. */
  stats(): CentrifugeStats[] {
    return [...this.#dialects.values()].map((dialect) => dialect.stats());
  }

  /**
   * Listens for clients at the address.
   *
   * @param siteFor answers what is not for clients, where the address is one of HTTP.
   */
  listen(listener: PublicListener, siteFor: (clients: ExchangeClients) => Handler): Promise<BoundAddress> {
    switch (listener.scheme) {
      case "http":
      case "https":
        return this.#listenHttp(listener, siteFor);
      case "tcp":
      case "tcps":
      case "unix":
        return this.#listenTcp(listener);
      case "udp":
        return this.#listenUdp(listener);
      case "grpc":
      case "grpcs":
        return this.#listenGrpc(listener);
    }
  }

  async #listenHttp(listener: PublicListener, siteFor: (clients: ExchangeClients) => Handler): Promise<BoundAddress> {
    const { network } = this.#options;
    const dialect = this.#dialect({ format: "json", delimited: true, pong: true });
    const site = siteFor({ paths: EXCHANGE_PATHS, upgradePaths: UPGRADE_PATHS, handler: dialect });
    const bound = await listenSite(network, listener, site);
    const { server, address } = bound;
    const upgrades: Listener[] = [];
    for (const path of UPGRADE_PATHS) {
      const url = `${address.url.replace(/^http/, "ws")}${path}`;
      upgrades.push(await network.listen(url as "ws://127.0.0.1", dialect, { server, limits: this.#limits }));
    }
    const serves = { page: "/", ...SHOWN_PATHS, health: "/health" };
    return { ...bound, serves, close: () => closeAll(bound, ...upgrades) };
  }

  async #listenTcp(listener: PublicListener): Promise<BoundAddress> {
    const { format, pong } = listener;
    const dialect = this.#dialect({ format, delimited: false, pong });
    const bound = await this.#options.network.listen(listener.url as "tcp://127.0.0.1", dialect, {
      framing: format === "json" ? "lines" : "varint",
      limits: this.#limits,
      ...tlsOf(listener),
    });
    const clients = format === "json" ? "commands and replies in JSON, one on each line" : "Protobuf after its length";
    const serves = { clients: pong ? clients : `${clients}, no pings` };
    return { address: boundAddress(listener, bound), serves, server: bound.server, close: () => bound.close() };
  }

  async #listenUdp(listener: PublicListener): Promise<BoundAddress> {
    const { network } = this.#options;
    const dialect = this.#dialect({ format: "json", delimited: true, pong: true });
    const url = listener.url as "udp://127.0.0.1";
    const reliable = await network.listen(url, dialect, { mode: "reliable", limits: this.#limits });
    const address = boundAddress(listener, reliable);
    const plain = await network.listen(address.url as "udp://127.0.0.1", dialect, { mode: "plain" });
    const serves = { clients: "reliable form", sensors: "one datagram for each publish" };
    return { address, serves, drops: reliable.server.drops, close: () => closeAll(reliable, plain) };
  }

  async #listenGrpc(listener: PublicListener): Promise<BoundAddress> {
    const { network } = this.#options;
    const dialect = this.#dialect({ format: "protobuf", delimited: false, pong: true });
    const url = (base: string, method: string): "grpc://127.0.0.1" =>
      `${base}${GRPC_SERVICE}/${method}` as "grpc://127.0.0.1";
    const links = await network.listen(url(listener.url, "Connect"), linksOf(dialect), {
      limits: this.#limits,
      ...tlsOf(listener),
    });
    const address = boundAddress(listener, links);
    // It shares the port, and with that the TLS of the first.
    const calls = await network.listen(url(address.url, "Consume"), exchangesOf(dialect));
    const serves = { clients: `${GRPC_SERVICE}/Connect`, listeners: `${GRPC_SERVICE}/Consume` };
    return { address, serves, server: links.server, close: () => closeAll(links, calls) };
  }

  get #limits(): { readonly maxLinks: number } {
    return { maxLinks: this.#options.maxClients };
  }

  /** Writes into the log who was refused before there was a session, and why. */
  #audited(dialect: CentrifugeHandler): CentrifugeHandler {
    const { logger } = this.#options;
    const admit = (peer: Peer): Admission => {
      const verdict = dialect.admit(peer);
      if (verdict.accepted) return verdict;
      const { status, reason } = verdict;
      const { address, headers } = peer;
      const origin = headers?.get("origin")?.slice(0, LOGGED_CHARACTERS);
      logger.log("info", "audit", `peer refused: ${reason}`, { status, address, origin });
      return verdict;
    };
    return { ...dialect, admit };
  }

  /** One for each way of speaking: what goes to many of its clients is encoded once. */
  #dialect(speech: Speech): CentrifugeHandler {
    const key = JSON.stringify(speech);
    let dialect = this.#dialects.get(key);
    if (dialect === undefined) {
      const { hub, keepHeaders, clock } = this.#options;
      const allowedOrigins = this.#allowedOrigins;
      dialect = this.#audited(centrifuge(hub, { ...speech, allowedOrigins, keepHeaders, clock }));
      this.#dialects.set(key, dialect);
    }
    return dialect;
  }
}

/** Listens at an HTTP address for everything below it. */
export async function listenSite(
  network: ServerNetwork,
  listener: ConfiguredListener,
  site: Handler,
): Promise<BoundAddress & { readonly server: Server }> {
  const bound: HttpListener = await network.listen(`${listener.url}/` as "http://127.0.0.1/", site, tlsOf(listener));
  return {
    address: boundAddress(listener, bound),
    serves: { health: "/health", metrics: "/metrics" },
    server: bound.server,
    close: () => bound.close(),
  };
}

function closeAll(...listeners: readonly Pick<BoundAddress, "close">[]): Promise<unknown> {
  return Promise.all(listeners.map((listener) => listener.close()));
}

/** With the port that the system gave for port 0. */
export function boundAddress(listener: ConfiguredListener, { endpoint }: Listener): ListenAddress {
  const { url, scheme, host, format } = listener;
  if (scheme === "unix") return { url, scheme, host, port: 0, format };
  return { ...listenAddress(host, endpoint.port ?? listener.port, scheme), format };
}

export function tlsOf({ tls }: ConfiguredListener): { readonly tls?: TlsMaterial } {
  return tls === undefined ? {} : { tls: readCertificates(tls) };
}

function linksOf({ admit, limits, link }: CentrifugeHandler): Handler {
  return { admit, limits, link };
}

function exchangesOf({ admit, limits, exchange }: CentrifugeHandler): Handler {
  return { admit, limits, exchange };
}
