import { createRequire } from "node:module";
import { type Clock, type Logger, type MetricFamily, PolywireError, systemClock } from "@polywire/core";
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from "@polywire/metrics";
import { Hub, MemoryBroker } from "@polywire/realtime";
import {
  type BoundAddress,
  ClientWires,
  type ExchangeClients,
  listenSite,
  type ServerNetwork,
  serverNetwork,
} from "./client-wires.ts";
import type { ListenAddress } from "./config/address.ts";
import type { ConfiguredListener, PublicListener, ServerConfig } from "./config/schema.ts";
import { admitAnonymous } from "./display-name.ts";
import { openFileLimit, socketsWithin } from "./file-descriptors.ts";
import { pageRoutes } from "./page.ts";
import { jsonRoute, type Route, type SiteOptions, site, textRoute } from "./site.ts";
import { SocketBudget } from "./socket-budget.ts";

/** Sockets beyond the clients: pages being loaded, handshakes. */
const SPARE_SOCKETS = 256;

/** Sockets of the internal addresses, which stay reachable when the public ones are full. */
const INTERNAL_SOCKETS = 64;

/** Ends well within the half minute that those who stop servers usually wait. */
const STOP_TIMEOUT_MS = 25_000;

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
  /**
   * Stops accepting at once, ends every session with 3001, and is fulfilled when all sockets are closed, after 25 s at
   * the latest. Idempotent.
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

interface SocketBudgets {
  readonly public: SocketBudget;
  readonly internal: SocketBudget;
}

class PolywireServer implements RunningServer {
  readonly #config: ServerConfig;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #hub: Hub;
  readonly #network: ServerNetwork;
  readonly #moreMetrics: () => readonly MetricFamily[];
  readonly #bound: BoundPlace[] = [];
  #budgets: SocketBudgets | undefined;
  #isReady = false;
  #stopped: Promise<void> | undefined;

  constructor(config: ServerConfig, options: ServerOptions) {
    const { logger, clock = systemClock, metrics = () => [] } = options;
    this.#config = config;
    this.#moreMetrics = metrics;
    this.#logger = logger;
    this.#clock = clock;
    const broker = new MemoryBroker({ clock, maxTotalBytes: config.limits.totalHistoryBytes });
    this.#hub = new Hub({ ...hubOptions(config), broker, logger, clock });
    this.#network = serverNetwork({ services: [this.#hub], logger: networkLogger(logger), clock });
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
    const wires = new ClientWires({
      hub: this.#hub,
      network: this.#network,
      clock: this.#clock,
      allowedOrigins: client.allowedOrigins,
      limits,
      logger: this.#logger,
    });
    try {
      for (const place of placesOf(this.#config)) {
        const bound = await bind(place.listener, () => this.#listenAt(place, wires, page));
        const budget = place.isPublic ? budgets.public : budgets.internal;
        if (bound.server !== undefined) budget.watch(bound.server);
        this.#bound.push({ place, bound });
      }
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
    this.#isReady = true;
    for (const each of this.#bound) this.#logListener(each);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#isReady = false;
    await this.#network.close({ timeoutMs: STOP_TIMEOUT_MS });
    // What is left of HTTP: requests that never came to their end.
    for (const { bound } of this.#bound) bound.server?.closeAllConnections?.();
  }

  #listenAt(place: Place, wires: ClientWires, page: ReadonlyMap<string, Route>): Promise<BoundAddress> {
    const health = jsonRoute(() => this.#health(place.isPublic));
    const metrics = textRoute(PROMETHEUS_CONTENT_TYPE, () => this.#metrics());
    const own = place.isPublic ? page : new Map([["/metrics", metrics]]);
    const siteWith = (clients?: ExchangeClients): ReturnType<typeof site> => {
      const routes = new Map([...own, ["/health", health]]);
      const options: SiteOptions = { routes, clients, logger: this.#logger };
      return site(options);
    };
    return place.isPublic
      ? wires.listen(place.listener, siteWith)
      : listenSite(this.#network, place.listener, { site: siteWith() });
  }

  #metrics(): string {
    return prometheusText([...this.#network.metrics(), ...this.#moreMetrics()]);
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
    const telling = { logger: this.#logger, clock: this.#clock };
    this.#logger.log("info", "server", "starting", {
      version: VERSION,
      node: process.versions.node,
      clients,
      openFiles,
    });
    if (openFiles !== undefined && wanted > possible) {
      const message = "fewer open files than clients: raise them with ulimit -n, or lower limits.clients";
      this.#logger.log("warn", "server", message, { clients, openFiles, needed: openFiles + wanted - possible });
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
    this.#logger.log("info", "server", "listening", { address: bound.address.url, audience, tls, ...bound.serves });
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

function hubOptions({ channels, client, limits }: ServerConfig): ConstructorParameters<typeof Hub>[0] {
  return {
    channels: channels.map(({ history, delta, overflowKey, maxSubscribers, ...rule }) => ({
      ...rule,
      ...(history === undefined ? {} : { history }),
      ...(delta === undefined ? {} : { delta }),
      ...(overflowKey === undefined ? {} : { overflowKey }),
      ...(maxSubscribers === undefined ? {} : { maxSubscribers }),
    })),
    limits: {
      sessions: limits.clients,
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
    },
    pings: { intervalMs: client.pingIntervalMs, timeoutMs: client.pongTimeoutMs },
    version: VERSION,
    authenticate: admitAnonymous,
  };
}
