import type { Server } from "node:http";
import type { Socket } from "node:net";
import {
  type Admission,
  type Clock,
  type Handler,
  type LinkLimits,
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
import { type HttpListener, type HttpListenOptions, type HttpProtocol, http } from "@polywire/http";
import type { Hub } from "@polywire/realtime";
import { type TcpProtocol, tcp } from "@polywire/tcp";
import { type UdpDrops, type UdpProtocol, udp } from "@polywire/udp";
import { type WsProtocol, ws } from "@polywire/ws";
import { type ListenAddress, listenAddress } from "./config/address.ts";
import { readCertificates, type TlsMaterial } from "./config/certificates.ts";
import type { ConfiguredListener, LimitsConfig, PublicListener } from "./config/schema.ts";
import { ConnectRates } from "./connect-rates.ts";

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

/** Those at which a client comes; to the other one it sends what it has to say. */
const COMING_PATHS: ReadonlySet<string> = new Set([...EXCHANGE_PATHS].filter((path) => path !== HTTP_PATHS.emulation));

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
  readonly limits: LimitsConfig;
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

/** A dialect whose clients may be refused for coming too fast. */
interface RatedHandler extends CentrifugeHandler {
  /** Judges a peer by everything else. */
  readonly admitUnrated: CentrifugeHandler["admit"];
}

/** Lets clients in at public addresses, whatever their wire. */
export class ClientWires {
  readonly #options: ClientWiresOptions;
  readonly #dialects = new Map<string, RatedHandler>();
  readonly #rates: ConnectRates;
  #allowedOrigins: readonly string[];

  constructor(options: ClientWiresOptions) {
    this.#options = options;
    this.#allowedOrigins = options.allowedOrigins;
    const { limits, logger, clock } = options;
    this.#rates = new ConnectRates({
      perSecond: limits.connectsPerSecond,
      perSecondPerAddress: limits.connectsPerSecondPerAddress,
      logger,
      clock,
    });
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
    const admit = (peer: Peer): Admission => (isComing(peer) ? dialect.admit(peer) : dialect.admitUnrated(peer));
    const site = siteFor({ paths: EXCHANGE_PATHS, upgradePaths: UPGRADE_PATHS, handler: { ...dialect, admit } });
    const { requestTimeoutMs, keepAliveTimeoutMs } = this.#options.limits;
    const bound = await listenSite(network, listener, { site, timeouts: { requestTimeoutMs, keepAliveTimeoutMs } });
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
      frameTimeoutMs: this.#options.limits.frameTimeoutMs,
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
    const { datagramPeers, datagramsPerSecond } = this.#options.limits;
    const most = { maxPeers: datagramPeers, maxDatagramsPerSecond: datagramsPerSecond };
    const reliable = await network.listen(url, dialect, { mode: "reliable", limits: this.#limits, ...most });
    const address = boundAddress(listener, reliable);
    // Sensors come with every datagram anew.
    const sensors = { ...dialect, admit: dialect.admitUnrated };
    const plain = await network.listen(address.url as "udp://127.0.0.1", sensors, { mode: "plain", ...most });
    const serves = { clients: "reliable form", sensors: "one datagram for each publish" };
    return { address, serves, drops: reliable.server.drops, close: () => closeAll(reliable, plain) };
  }

  async #listenGrpc(listener: PublicListener): Promise<BoundAddress> {
    const { network } = this.#options;
    const dialect = this.#dialect({ format: "protobuf", delimited: false, pong: true });
    const url = (base: string, method: string): "grpc://127.0.0.1" =>
      `${base}${GRPC_SERVICE}/${method}` as "grpc://127.0.0.1";
    const { streamsPerConnection, metadataBytes, connectionAgeMs } = this.#options.limits;
    const links = await network.listen(url(listener.url, "Connect"), linksOf(dialect), {
      limits: this.#limits,
      maxStreams: streamsPerConnection,
      maxMetadataBytes: metadataBytes,
      maxConnectionAgeMs: connectionAgeMs,
      ...tlsOf(listener),
    });
    const address = boundAddress(listener, links);
    // It shares the port, and with that the TLS of the first.
    const calls = await network.listen(url(address.url, "Consume"), exchangesOf(dialect));
    const serves = { clients: `${GRPC_SERVICE}/Connect`, listeners: `${GRPC_SERVICE}/Consume` };
    return { address, serves, server: links.server, close: () => closeAll(links, calls) };
  }

  get #limits(): Partial<LinkLimits> {
    return { maxLinks: this.#options.limits.clients };
  }

  /** For all addresses, those of pages too. */
  get #patience(): Partial<LinkLimits> {
    const { handshakes, handshakeTimeoutMs, closeTimeoutMs } = this.#options.limits;
    return { maxHandshakes: handshakes, handshakeTimeoutMs, closeTimeoutMs };
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
  #dialect(speech: Speech): RatedHandler {
    const key = JSON.stringify(speech);
    let dialect = this.#dialects.get(key);
    if (dialect === undefined) {
      const { hub, keepHeaders, clock, limits } = this.#options;
      const allowedOrigins = this.#allowedOrigins;
      const most = { maxCommandsPerFrame: limits.commandsPerFrame, maxBadCommands: limits.badCommands };
      const spoken = centrifuge(hub, { ...speech, ...most, allowedOrigins, keepHeaders, clock });
      dialect = this.#rated(this.#audited(spoken));
      this.#dialects.set(key, dialect);
    }
    return dialect;
  }

  /** Refuses clients that come too fast, and judges the others as before. */
  #rated(dialect: CentrifugeHandler): RatedHandler {
    const admit = (peer: Peer): Admission => this.#rates.judge(peer) ?? dialect.admit(peer);
    return { ...dialect, limits: { ...dialect.limits, ...this.#patience }, admit, admitUnrated: dialect.admit };
  }
}

/** Whether a request is that of a client that comes: not for a page, nor what it says over the stream that it has. */
function isComing({ path = "" }: Peer): boolean {
  return COMING_PATHS.has(path);
}

/** What answers at an HTTP address, and how long it waits. */
export interface Site {
  readonly site: Handler;
  /** Absent: the wire's own. */
  readonly timeouts?: Pick<HttpListenOptions, "requestTimeoutMs" | "keepAliveTimeoutMs">;
}

/** Listens at an HTTP address for everything below it. */
export async function listenSite(
  network: ServerNetwork,
  listener: ConfiguredListener,
  { site, timeouts }: Site,
): Promise<BoundAddress & { readonly server: Server }> {
  const options = { ...timeouts, ...tlsOf(listener) };
  const bound: HttpListener = await network.listen(`${listener.url}/` as "http://127.0.0.1/", site, options);
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
