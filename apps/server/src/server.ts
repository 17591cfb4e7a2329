import { createRequire } from "node:module";
import { hostname } from "node:os";
import { createSecureContext } from "node:tls";
import { Cancellation, type Clock, type Logger, type MetricFamily, PolywireError, systemClock } from "@polywire/core";
import { HttpHooks } from "@polywire/hooks-http";
import { redactText } from "@polywire/log";
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from "@polywire/metrics";
import { type ChannelRule, Hub, type HubOptions, MemoryBroker, type SystemLogLine } from "@polywire/realtime";
import { ApiWires } from "./api-wires.ts";
import { clientHooks, type Judges } from "./client-hooks.ts";
import { clientTokens } from "./client-tokens.ts";
import {
  type BoundAddress,
  ClientWires,
  type ExchangeClients,
  listenSite,
  type NodeServer,
  type ServerNetwork,
  serverNetwork,
} from "./client-wires.ts";
import type { ListenAddress } from "./config/address.ts";
import { hasApi } from "./config/api.ts";
import { endOf, readCertificates, type TlsMaterial } from "./config/certificates.ts";
import { hookOptions } from "./config/hook-settings.ts";
import { splitChange } from "./config/restart.ts";
import type { ChannelConfig, ConfiguredListener, PublicListener, ServerConfig } from "./config/schema.ts";
import { readTokenKeys } from "./config/token-keys.ts";
import { openFileLimit, socketsWithin } from "./file-descriptors.ts";
import { pageRoutes } from "./page.ts";
import { serverFamilies } from "./server-figures.ts";
import { jsonRoute, type Route, type SiteOptions, site, textRoute } from "./site.ts";
import { SocketBudget } from "./socket-budget.ts";
import { Standstill } from "./standstill.ts";

/** Sockets beyond the clients: pages being loaded, handshakes. */
const SPARE_SOCKETS = 256;

/** Sockets of the internal addresses, which stay reachable when the public ones are full. */
const INTERNAL_SOCKETS = 64;

/** What is left of the time of a stop for the last clients to be told, whatever the others took: a fifth of it at most. */
const FAREWELL_MS = 2_000;

export const VERSION: string = (createRequire(import.meta.url)("../package.json") as { version: string }).version;

export interface ServerOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Figures besides those of the network and the hub. */
  readonly metrics?: () => readonly MetricFamily[];
}

/** A server that listens. */
export interface RunningServer {
  /** Public addresses, with the ports that the system gave. */
  readonly listen: readonly ListenAddress[];
  /** Internal addresses. */
  readonly internal: readonly ListenAddress[];
  /** Its log. Whatever writes here is heard by those who watch `$system:log`, too. */
  readonly logger: Logger;
  /**
   * Goes on with another configuration, as far as that is possible while it runs; sessions stay connected. Certificates
   * are read anew, whether or not their files have other names.
   *
   * @returns the keys whose change waits for a restart.
   * @throws PolywireError; then nothing has changed.
   */
  reload(config: ServerConfig): readonly string[];
  /**
   * Stops accepting at once, ends every session with 3001, spread over the time of `shutdown`, and is fulfilled when all
   * sockets are closed, after `shutdown.timeout` at the latest. The internal addresses tell how it goes meanwhile. Idempotent.
   */
  stop(): Promise<void>;
}

/**
 * Starts everything that the configuration names. Either all of it listens, or nothing does.
 *
 * @throws PolywireError naming the address that cannot be bound.
 */
export async function startServer(config: ServerConfig, options: ServerOptions): Promise<RunningServer> {
  const server = new PolywireServer(config, options);
  await server.start();
  return server;
}

/** An address of the configuration, with who may use it. */
type Place =
  | { readonly isPublic: true; readonly isInternal: boolean; readonly listener: PublicListener }
  | { readonly isPublic: false; readonly isInternal: true; readonly listener: ConfiguredListener };

interface BoundPlace {
  readonly place: Place;
  readonly bound: BoundAddress;
}

/** What there is to serve. */
interface Served {
  readonly wires: ClientWires;
  readonly page: ReadonlyMap<string, Route>;
  readonly api: ApiWires | undefined;
}

/** A bound server that speaks TLS, with what it shows. */
interface Certified {
  readonly server: NodeServer;
  readonly material: TlsMaterial;
  readonly address: string;
}

interface SocketBudgets {
  readonly public: SocketBudget;
  readonly internal: SocketBudget;
}

class PolywireServer implements RunningServer {
  /** The one in force. */
  #config: ServerConfig;
  readonly logger: Logger;
  readonly #clock: Clock;
  readonly #hub: Hub;
  readonly #judges: Judges;
  readonly #network: ServerNetwork;
  readonly #standstill: Standstill;
  readonly #moreMetrics: () => readonly MetricFamily[];
  readonly #bound: BoundPlace[] = [];
  /** Those that its listeners were made for. */
  readonly #mostClients: number;
  #wires: ClientWires | undefined;
  #budgets: SocketBudgets | undefined;
  #api: ApiWires | undefined;
  #certificateEnds: ReadonlyMap<string, number> = new Map();
  #isReady = false;
  #stopped: Promise<void> | undefined;

  constructor(config: ServerConfig, options: ServerOptions) {
    const { logger, clock = systemClock, metrics = () => [] } = options;
    this.#config = config;
    this.#mostClients = config.limits.clients;
    this.#moreMetrics = metrics;
    this.logger = watchedLogger(logger, (line) => this.#hub.tellLog(line));
    this.#clock = clock;
    const tokens = clientTokens(config.client, clock);
    const backend = config.hooks && new HttpHooks({ ...hookOptions(config.hooks), logger: this.logger, clock });
    this.#judges = { tokens, backend };
    const broker = new MemoryBroker({ clock, maxTotalBytes: config.limits.totalHistoryBytes });
    const hooks = clientHooks(this.#judges, config);
    this.#hub = new Hub({ ...hubOptions(config), ...hooks, broker, logger: this.logger, clock });
    this.#standstill = new Standstill({ clock, logger: this.logger });
    const services = [this.#hub, tokens, backend].filter((service) => service !== undefined);
    this.#network = serverNetwork({ services, logger: networkLogger(this.logger), clock });
  }

  get listen(): readonly ListenAddress[] {
    return this.#bound.filter(({ place }) => place.isPublic).map(({ bound }) => bound.address);
  }

  get internal(): readonly ListenAddress[] {
    return this.#bound.filter(({ place }) => place.isInternal).map(({ bound }) => bound.address);
  }

  async start(): Promise<void> {
    const budgets = this.#budgetSockets();
    this.#budgets = budgets;
    const page = pageRoutes();
    const { client, limits } = this.#config;
    const api = this.#apiWires();
    this.#api = api;
    const wires = (this.#wires = new ClientWires({
      hub: this.#hub,
      network: this.#network,
      clock: this.#clock,
      logger: this.logger,
      allowedOrigins: client.allowedOrigins,
      keepHeaders: this.#config.hooks?.clientHeaders ?? [],
      limits,
    }));
    try {
      for (const place of placesOf(this.#config)) {
        const bound = await bind(place.listener, () => this.#listenAt(place, { wires, page, api }));
        const budget = place.isPublic ? budgets.public : budgets.internal;
        if (bound.server !== undefined) budget.watch(bound.server);
        this.#bound.push({ place, bound });
      }
      this.#noteCertificates(this.#readCertificates(this.#config));
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
    this.#isReady = true;
    this.#standstill.start();
    for (const each of this.#bound) this.#logListener(each);
  }

  reload(wanted: ServerConfig): readonly string[] {
    const { inForce, needRestart } = splitChange(this.#config, wanted, this.#mostClients);
    const certificates = this.#readCertificates(inForce);
    const keys = readTokenKeys(inForce.client);
    const { channels = [], limits = {}, draining = {} } = hubOptions(inForce);
    const { authenticate, authorize } = clientHooks(this.#judges, inForce);
    this.#hub.reconfigure({
      channels,
      limits,
      draining,
      ...(authenticate && { authenticate }),
      ...(authorize && { authorize }),
    });
    if (keys !== undefined) this.#judges.tokens?.replaceKeys(keys);
    for (const { server, material } of certificates) server.setSecureContext?.(material);
    this.#noteCertificates(certificates);
    this.#wires?.allowOrigins(inForce.client.allowedOrigins);
    this.#config = inForce;
    return needRestart;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#isReady = false;
    const { timeoutMs } = this.#config.shutdown;
    const endsAtMs = this.#clock.now() + timeoutMs;
    const drainMs = timeoutMs - Math.min(FAREWELL_MS, timeoutMs / 5);
    const patience = new Cancellation({ clock: this.#clock, timeoutMs: drainMs, purpose: "stop the server" });
    for (const { place, bound } of this.#bound) if (place.isPublic) void bound.close();
    await this.#hub.drain(patience.signal);
    patience.release();
    await this.#network.close({ timeoutMs: Math.max(1, endsAtMs - this.#clock.now()) });
    this.#standstill.stop();
    // What is left of HTTP: requests that never came to their end.
    for (const { bound } of this.#bound) bound.server?.closeAllConnections?.();
  }

  #apiWires(): ApiWires | undefined {
    const { api } = this.#config;
    if (!hasApi(api)) return undefined;
    const parts = {
      hub: this.#hub,
      network: this.#network,
      clock: this.#clock,
      logger: this.logger,
      version: VERSION,
    };
    return new ApiWires(api, parts);
  }

  async #listenAt(place: Place, { wires, page, api }: Served): Promise<BoundAddress> {
    const { scheme } = place.listener;
    const isForCalls = !place.isPublic && (scheme === "grpc" || scheme === "grpcs");
    if (isForCalls && api !== undefined) return await api.listen(place.listener);
    const bound = await this.#listenForOthers(place, wires, page);
    return place.isInternal && api !== undefined ? await api.join(bound) : bound;
  }

  /** What the listeners of a configuration with the same addresses need for TLS, all of it before any of it is used. */
  #readCertificates({ listen, internal }: ServerConfig): Certified[] {
    const listeners = new Map([...internal, ...listen].map((listener) => [listener.url, listener]));
    return this.#bound.flatMap(({ place, bound: { server } }): Certified[] => {
      const { tls } = listeners.get(place.listener.url) ?? place.listener;
      if (tls === undefined || server === undefined) return [];
      const material = readCertificates(tls);
      createSecureContext(material);
      return [{ server, material, address: place.listener.url }];
    });
  }

  #noteCertificates(certificates: readonly Certified[]): void {
    this.#certificateEnds = new Map(certificates.map(({ address, material }) => [address, endOf(material)]));
  }

  #listenForOthers(place: Place, wires: ClientWires, page: ReadonlyMap<string, Route>): Promise<BoundAddress> {
    const health = jsonRoute(() => this.#health(place.isPublic));
    const metrics = textRoute(PROMETHEUS_CONTENT_TYPE, () => this.#metrics());
    const own = place.isPublic ? page : new Map([["/metrics", metrics]]);
    const siteWith = (clients?: ExchangeClients): ReturnType<typeof site> => {
      const routes = new Map([...own, ["/health", health]]);
      const options: SiteOptions = { routes, clients, logger: this.logger };
      return site(options);
    };
    return place.isPublic
      ? wires.listen(place.listener, siteWith)
      : listenSite(this.#network, place.listener, { site: siteWith() });
  }

  #metrics(): string {
    return prometheusText([
      ...this.#network.metrics(),
      ...serverFamilies({
        version: VERSION,
        isReady: this.#isReady,
        limits: this.#config.limits,
        sockets: new Map(Object.entries(this.#budgets ?? {})),
        dialects: this.#wires?.stats() ?? [],
        udpDrops: this.#bound.flatMap(({ bound: { drops } }) => drops ?? []),
        certificateEnds: this.#certificateEnds,
      }),
      ...(this.#api?.metrics() ?? []),
      ...this.#standstill.metrics(),
      ...this.#moreMetrics(),
    ]);
  }

  /** Live: this answers. Ready: clients are welcome. What the server holds is told to the internal address alone. */
  #health(isPublic: boolean): { status: number; body: object } {
    const state = { status: this.#isReady ? "ready" : "not ready", live: true, ready: this.#isReady };
    if (isPublic) return { status: this.#isReady ? 200 : 503, body: state };
    const sockets = { public: this.#budgets?.public.inspect(), internal: this.#budgets?.internal.inspect() };
    const body = { ...state, version: VERSION, sockets, hub: this.#hub.stats() };
    return { status: this.#isReady ? 200 : 503, body };
  }

  /** Says what it starts with, and whether the process may open as many files as there may be clients. */
  #budgetSockets(): SocketBudgets {
    const { clients } = this.#config.limits;
    const openFiles = openFileLimit();
    const wanted = clients + SPARE_SOCKETS;
    const possible = socketsWithin(openFiles) - INTERNAL_SOCKETS;
    const telling = { logger: this.logger, clock: this.#clock };
    this.logger.log("info", "server", "starting", {
      version: VERSION,
      node: process.versions.node,
      clients,
      openFiles,
    });
    if (openFiles !== undefined && wanted > possible) {
      const message = "fewer open files than clients: raise them with ulimit -n, or lower limits.clients";
      this.logger.log("warn", "server", message, { clients, openFiles, needed: openFiles + wanted - possible });
    }
    return {
      public: new SocketBudget("public", Math.max(1, Math.min(wanted, possible)), telling),
      internal: new SocketBudget("internal", INTERNAL_SOCKETS, telling),
    };
  }

  #logListener({ place, bound }: BoundPlace): void {
    const { isPublic, isInternal, listener } = place;
    const audience = isPublic ? (isInternal ? "public and internal" : "public") : "internal";
    const tls = listener.tls === undefined ? "off" : "on";
    this.logger.log("info", "server", "listening", { address: bound.address.url, audience, tls, ...bound.serves });
  }
}

/** Why an address cannot be bound, and what to do. */
async function bind(listener: ConfiguredListener, listen: () => Promise<BoundAddress>): Promise<BoundAddress> {
  try {
    return await listen();
  } catch (thrown) {
    const error = PolywireError.from(thrown, "not-available");
    const { url, port } = listener;
    const isUnix = listener.scheme === "unix";
    const [place, what] = isUnix ? ["the path", "path"] : [`port ${port}`, "port"];
    const other = isUnix ? "another path" : "a port from 1024 on";
    const advice: Partial<Record<typeof error.code, string>> = {
      "address-in-use": `${place} is in use by another program: stop it, or choose another ${what}`,
      "permission-denied": `${place} needs a right that this user does not have: choose ${other}`,
      "host-unreachable": "this machine does not have that address",
      "host-not-found": "the host name has no address",
    };
    throw new PolywireError(error.code, `cannot listen at ${url}: ${advice[error.code] ?? error.message}`, {
      cause: error,
    });
  }
}

/** The server tells of its addresses itself, in one block each: what the network says of them is for the curious. */
function networkLogger(logger: Logger): Logger {
  return {
    isEnabled: (level, component) => logger.isEnabled?.(level, component) ?? true,
    log(level, component, message, fields) {
      logger.log(component === "network" && message === "listening" ? "debug" : level, component, message, fields);
    },
  };
}

/** Warnings and errors are told to those who watch the server's log from afar, too. */
function watchedLogger(logger: Logger, tell: (line: SystemLogLine) => void): Logger {
  return {
    isEnabled: (level, component) => logger.isEnabled?.(level, component) ?? true,
    log(level, component, message, fields) {
      logger.log(level, component, message, fields);
      if (level === "warn" || level === "error") tell({ level, component, message: redactText(message) });
    },
  };
}

/** Each address once: an internal one may equal a public one. */
function placesOf({ listen, internal }: ServerConfig): Place[] {
  // Port 0 is any free port, so two of them are two places.
  const isSame = (one: ListenAddress, other: ListenAddress): boolean => one.port !== 0 && one.url === other.url;
  const outside = listen.map((listener) => ({
    isPublic: true as const,
    isInternal: internal.some((other) => isSame(listener, other)),
    listener,
  }));
  const apart = internal.filter((listener) => !listen.some((other) => isSame(listener, other)));
  return [...outside, ...apart.map((listener) => ({ isPublic: false as const, isInternal: true as const, listener }))];
}

function hubOptions({ channels, client, limits, shutdown }: ServerConfig): HubOptions {
  return {
    channels: channels.map(channelRule),
    limits: {
      sessions: limits.clients,
      sessionsPerUser: limits.clientsPerUser,
      sessionsPerAddress: limits.clientsPerAddress,
      outboundBytes: limits.totalQueueBytes,
      commandsPerSecond: limits.commandsPerSecond,
      publishesPerSecond: limits.publishesPerSecond,
      channelsPerSession: limits.channelsPerClient,
      channelNameBytes: limits.channelNameBytes,
      subscribersPerChannel: limits.subscribersPerChannel,
      publicationBytes: limits.messageBytes,
      outboundBytesPerSession: limits.queueBytes,
      historyBytesPerChannel: limits.historyBytesPerChannel,
      historyPageSize: limits.historyPageSize,
      recoverySize: limits.recoverySize,
      presenceMembers: limits.presenceMembers,
      joinLeaveMembers: limits.joinLeaveMembers,
      connectTimeoutMs: client.connectTimeoutMs,
      expiryGraceMs: client.expiryGraceMs,
    },
    pings: { intervalMs: client.pingIntervalMs, timeoutMs: client.pongTimeoutMs },
    draining: { sessionsPerSecond: shutdown.clientsPerSecond, spreadMs: shutdown.spreadMs },
    version: VERSION,
    nodeName: hostname(),
    ...(client.personalChannels !== undefined && { personalChannels: client.personalChannels }),
  };
}

function channelRule(channel: ChannelConfig): ChannelRule {
  const { history, delta, overflowKey, maxSubscribers, subscribe: _everybody, ...rule } = channel;
  const { match, kind } = rule;
  if (kind === "system") return { match, kind };
  return {
    ...rule,
    ...(history && { history }),
    ...(delta && { delta }),
    ...(overflowKey !== undefined && { overflowKey }),
    ...(maxSubscribers !== undefined && { maxSubscribers }),
  };
}
