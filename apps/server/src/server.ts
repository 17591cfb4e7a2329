import { createRequire } from "node:module";
import { type Clock, type Logger, Network, systemClock } from "@polywire/core";
import { centrifuge } from "@polywire/dialect-centrifuge";
import { Hub } from "@polywire/realtime";
import { ws } from "@polywire/ws";
import type { ListenAddress } from "./config/address.ts";
import type { ServerConfig } from "./config/schema.ts";
import { admitAnonymous } from "./display-name.ts";
import { openFileLimit, socketsWithin } from "./file-descriptors.ts";
import { type HttpListener, jsonRoute, listenHttp, type Route } from "./http.ts";
import { pageRoutes } from "./page.ts";
import { SocketBudget } from "./socket-budget.ts";

const WEBSOCKET_PATH = "/connection/websocket";

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

/** What an address answers. */
interface Place {
  readonly address: ListenAddress;
  readonly isPublic: boolean;
  readonly isInternal: boolean;
}

class PolywireServer implements RunningServer {
  readonly #config: ServerConfig;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #hub: Hub;
  readonly #network: Network<readonly [ReturnType<typeof ws>]>;
  readonly #bound: { readonly place: Place; readonly listener: HttpListener }[] = [];
  #isReady = false;
  #stopped: Promise<void> | undefined;

  constructor(config: ServerConfig, { logger, clock = systemClock }: ServerOptions) {
    this.#config = config;
    this.#logger = logger;
    this.#clock = clock;
    this.#hub = new Hub({ ...hubOptions(config), logger, clock });
    // The hub pings its sessions itself.
    this.#network = new Network({
      protocols: [ws({ heartbeat: false })],
      services: [this.#hub],
      logger: networkLogger(logger),
      clock,
    });
  }

  get listen(): readonly ListenAddress[] {
    return this.#bound.filter(({ place }) => place.isPublic).map(({ listener }) => listener.address);
  }

  get internal(): readonly ListenAddress[] {
    return this.#bound.filter(({ place }) => place.isInternal).map(({ listener }) => listener.address);
  }

  async start(): Promise<void> {
    const budgets = this.#budgetSockets();
    const page = pageRoutes();
    try {
      for (const place of placesOf(this.#config)) {
        const listener = await listenHttp(place.address, {
          routes: this.#routesOf(place, page),
          upgradePaths: new Set(place.isPublic ? [WEBSOCKET_PATH] : []),
          sockets: place.isPublic ? budgets.public : budgets.internal,
          logger: this.#logger,
        });
        this.#bound.push({ place, listener });
      }
      await this.#listenWebSocket();
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
    this.#isReady = true;
    for (const { place, listener } of this.#bound) this.#logListener(place, listener);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#isReady = false;
    for (const { listener } of this.#bound) listener.stop();
    await this.#network.close({ timeoutMs: STOP_TIMEOUT_MS });
    await Promise.all(this.#bound.map(({ listener }) => listener.close()));
  }

  async #listenWebSocket(): Promise<void> {
    const { client, limits } = this.#config;
    const handler = centrifuge(this.#hub, { allowedOrigins: client.allowedOrigins, clock: this.#clock });
    for (const { place, listener } of this.#bound) {
      if (!place.isPublic) continue;
      const url = `${listener.address.url.replace("http://", "ws://")}${WEBSOCKET_PATH}` as const;
      await this.#network.listen(url as `ws://${string}`, handler, {
        server: listener.server,
        limits: { maxLinks: limits.clients },
      });
    }
  }

  #routesOf(place: Place, page: ReadonlyMap<string, Route>): Map<string, Route> {
    const health = jsonRoute(() => this.#health(place.isPublic));
    return new Map([...(place.isPublic ? page : []), ["/health", health]]);
  }

  /** Live: this answers. Ready: clients are welcome. What the server holds is told to the internal address alone. */
  #health(isPublic: boolean): { status: number; body: object } {
    const state = { status: this.#isReady ? "ready" : "not ready", live: true, ready: this.#isReady };
    const body = isPublic ? state : { ...state, version: VERSION, hub: this.#hub.stats() };
    return { status: this.#isReady ? 200 : 503, body };
  }

  /** Says what it starts with, and whether the process may open as many files as there may be clients. */
  #budgetSockets(): { readonly public: SocketBudget; readonly internal: SocketBudget } {
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

  #logListener({ isPublic, isInternal }: Place, { address }: HttpListener): void {
    const serves = isPublic ? { page: "/", websocket: WEBSOCKET_PATH, health: "/health" } : { health: "/health" };
    const audience = isPublic ? (isInternal ? "public and internal" : "public") : "internal";
    this.#logger.log("info", "server", "listening", { address: address.url, audience, tls: "off", ...serves });
  }
}

/** The server tells of its addresses itself, in one block each: what the network says of them is for the curious. */
function networkLogger(logger: Logger): Logger {
  return {
    log(level, component, message, fields) {
      logger.log(component === "network" && message === "listening" ? "debug" : level, component, message, fields);
    },
  };
}

/** Each address once: an internal one may equal a public one. */
function placesOf({ listen, internal }: ServerConfig): Place[] {
  // Port 0 is any free port, so two of them are two places.
  const isSame = (one: ListenAddress, other: ListenAddress): boolean => one.port !== 0 && one.url === other.url;
  const places = listen.map((address) => ({
    address,
    isPublic: true,
    isInternal: internal.some((other) => isSame(address, other)),
  }));
  const apart = internal.filter((address) => !listen.some((other) => isSame(address, other)));
  return [...places, ...apart.map((address) => ({ address, isPublic: false, isInternal: true }))];
}

function hubOptions({ channels, client, limits }: ServerConfig): ConstructorParameters<typeof Hub>[0] {
  return {
    channels: channels.map(({ history, ...rule }) => (history === undefined ? rule : { ...rule, history })),
    limits: {
      sessions: limits.clients,
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
