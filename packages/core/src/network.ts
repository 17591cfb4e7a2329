import { AcceptedLink, type AcceptedLinkOwner } from "./accepted-link.ts";
import { admit } from "./admit.ts";
import { Cancellation } from "./cancellation.ts";
import { type Clock, type Random, systemClock } from "./clock.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { type Endpoint, parseEndpoint } from "./endpoint.ts";
import { PolywireError } from "./error.ts";
import { Events, type ListenOptions as SubscribeOptions } from "./events.ts";
import type { Exchange } from "./exchange.ts";
import { completeLimits, type LinkLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import type { Listener } from "./listener.ts";
import { type Logger, silentLogger } from "./log.ts";
import type { Admission, Peer } from "./peer.ts";
import type { DialContext, HostContext, ListenContext } from "./protocol.ts";
import { ProtocolTable } from "./protocol-table.ts";
import { type ConnectionSnapshot, type NetworkEvents, Roster } from "./roster.ts";
import type { AnyProtocol, DialOptionsFor, ExchangerFor, LinkFor, ListenOptionsFor, UrlOf } from "./schemes.ts";
import type { Service } from "./service.ts";
import { Turn } from "./turn.ts";

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_CLOSE_TIMEOUT_MS = 30_000;

export interface NetworkOptions<Protocols extends readonly AnyProtocol[]> {
  /** The wires this network can use. Two that claim one scheme or name are an error. */
  readonly protocols: Protocols;
  /** What lives on the network besides: the hub. */
  readonly services?: readonly Service[];
  readonly limits?: Partial<LinkLimits>;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface ConnectOptions {
  readonly signal?: AbortSignal;
  /** For everything until the link is established, in milliseconds. 10,000 by default. */
  readonly timeoutMs?: number;
  readonly limits?: Partial<LinkLimits>;
  /** Goes with the handshake where the wire can carry it. */
  readonly metadata?: ReadonlyMap<string, string>;
}

export interface ListenOptions {
  readonly limits?: Partial<LinkLimits>;
}

/** What serves the peers of a listener. */
export interface Handler {
  /** Judges a peer before its handshake ends. Everybody is accepted by default; what throws or takes over 5 s refuses. */
  admit?(peer: Peer): Admission | Promise<Admission>;
  /** Takes an established link. It must `open` it. */
  link?(link: Link): void;
  /** Takes an exchange. It must answer it. */
  exchange?(exchange: Exchange): void;
  /** Limits that this handler wants for its links; those given to `listen` win. */
  readonly limits?: Partial<LinkLimits>;
}

export type NetworkState = "open" | "closing" | "closed";

/** A snapshot for people and programs; plain data. */
export interface NetworkSnapshot {
  readonly state: NetworkState;
  readonly protocols: readonly string[];
  readonly listeners: readonly string[];
  readonly connections: readonly ConnectionSnapshot[];
  /** What each service says of itself, by name. */
  readonly services: Readonly<Record<string, unknown>>;
}

/**
 * What a program builds from a list of protocols: it dials, listens, watches and counts. Construction is free; work
 * begins with `connect`, `open` and `listen`.
 */
export class Network<const Protocols extends readonly AnyProtocol[]> {
  readonly #protocols: ProtocolTable;
  readonly #services: readonly Service[];
  readonly #host: HostContext;
  readonly #events: Events<NetworkEvents>;
  readonly #roster: Roster;
  readonly #listeners = new Set<Listener>();
  readonly #dials = new Set<AbortController>();
  #state: NetworkState = "open";
  #areServicesStarted = false;
  #isReporting = false;
  #closing: Promise<void> | undefined = undefined;

  constructor(options: NetworkOptions<Protocols>) {
    const { clock = systemClock, random = Math.random, logger = silentLogger, services = [] } = options;
    this.#host = { clock, random, logger, turn: new Turn(clock), limits: completeLimits(options.limits) };
    this.#protocols = new ProtocolTable(options.protocols);
    this.#services = [...services];
    this.#events = new Events((error) => this.#failed(error));
    this.#roster = new Roster({ clock, random, logger, events: this.#events });
  }

  /** Dials; the type of the connection follows from the URL's scheme. */
  async connect<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options?: ConnectOptions & DialOptionsFor<Protocols, Url>,
  ): Promise<Connection<LinkFor<Protocols, Url>>> {
    const { protocol, endpoint } = this.#resolve(url, options);
    const { links } = protocol;
    if (links === undefined) {
      throw new PolywireError("unsupported", `${protocol.name} carries no links: use network.open("${endpoint}")`);
    }
    const link = await this.#dial(endpoint, options, (context) => links.dial(endpoint, context));
    const connection = new Connection(link, this.#owner, this.#roster.place(protocol.name, endpoint));
    this.#roster.add(connection);
    return connection as Connection<LinkFor<Protocols, Url>>;
  }

  /** Opens what makes exchanges (requests and responses) towards the endpoint. */
  async open<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options?: ConnectOptions & DialOptionsFor<Protocols, Url>,
  ): Promise<ExchangerFor<Protocols, Url>> {
    const { protocol, endpoint } = this.#resolve(url, options);
    const { exchanges } = protocol;
    if (exchanges === undefined) {
      throw new PolywireError(
        "unsupported",
        `${protocol.name} carries no requests: use network.connect("${endpoint}")`,
      );
    }
    const exchanger = await this.#dial(endpoint, options, (context) => exchanges.open(endpoint, context));
    return exchanger as ExchangerFor<Protocols, Url>;
  }

  /** Binds the address and hands every peer to the handler. */
  async listen<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    handler: Handler | ((link: LinkFor<Protocols, Url>) => void),
    options?: ListenOptions & ListenOptionsFor<Protocols, Url>,
  ): Promise<Listener> {
    const { protocol, endpoint } = this.#resolve(url, options);
    const serving: Handler = typeof handler === "function" ? { link: handler as (link: Link) => void } : handler;
    const listener = await this.#bind(protocol, endpoint, { handler: serving, limits: options?.limits });
    if (this.#state !== "open") {
      await listener.close();
      throw this.#notOpen();
    }
    this.#listeners.add(listener);
    this.#host.logger.log("info", "network", "listening", {
      endpoint: listener.endpoint.display,
      protocol: protocol.name,
    });
    return {
      endpoint: listener.endpoint,
      close: () => {
        this.#listeners.delete(listener);
        return listener.close();
      },
    };
  }

  /** Returns the function that unsubscribes. */
  on<Name extends keyof NetworkEvents>(
    name: Name,
    listener: (event: NetworkEvents[Name]) => void,
    options?: SubscribeOptions,
  ): () => void {
    return this.#events.on(name, listener, options);
  }

  inspect(): NetworkSnapshot {
    return {
      state: this.#state,
      protocols: this.#protocols.names,
      listeners: [...this.#listeners].map((listener) => listener.endpoint.display),
      connections: this.#roster.inspect(),
      services: Object.fromEntries(this.#services.map((service) => [service.name, service.inspect?.() ?? {}])),
    };
  }

  /**
   * Ends everything: stops accepting, lets services drain, closes every connection, then the services. What is not done
   * after `timeoutMs` (30,000 by default) is cut off. Idempotent.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const cancellation = new Cancellation({ clock: this.#host.clock, timeoutMs, purpose: "close the network" });
    this.#state = "closing";
    try {
      for (const dial of this.#dials) dial.abort(this.#notOpen());
      const freed = [...this.#listeners].map((listener) => listener.close());
      this.#listeners.clear();
      await this.#eachService((service) => service.drain?.(cancellation.signal));
      await Promise.allSettled(freed);
      await this.#roster.closeAll(cancellation.signal);
      await this.#eachService((service) => service.close?.());
    } finally {
      this.#state = "closed";
      cancellation.release();
    }
  }

  async #eachService(work: (service: Service) => Promise<void> | undefined): Promise<void> {
    if (!this.#areServicesStarted) return;
    const done = await Promise.allSettled(this.#services.map(async (service) => work(service)));
    for (const result of done) if (result.status === "rejected") this.#failed(PolywireError.from(result.reason));
  }

  #resolve(url: string, options: object | undefined): { protocol: AnyProtocol; endpoint: Endpoint } {
    if (this.#state !== "open") throw this.#notOpen();
    if (!this.#areServicesStarted) {
      this.#areServicesStarted = true;
      for (const service of this.#services) service.start?.({ logger: this.#host.logger });
    }
    // What is left is the protocol's own.
    const {
      signal: _,
      timeoutMs: _timeoutMs,
      limits: _limits,
      metadata: _metadata,
      ...own
    } = (options ?? {}) as ConnectOptions;
    const endpoint = parseEndpoint(url, own);
    return { protocol: this.#protocols.find(endpoint), endpoint };
  }

  async #dial<Result>(
    endpoint: Endpoint,
    options: ConnectOptions | undefined,
    dial: (context: DialContext) => Promise<Result>,
  ): Promise<Result> {
    const { signal, timeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, metadata = new Map() } = options ?? {};
    const limits = completeLimits(options?.limits, this.#host.limits);
    const purpose = `connect to ${endpoint}`;
    const caller = new Cancellation({ clock: this.#host.clock, signal, timeoutMs, purpose });
    const controller = new AbortController();
    const abort = (): void => controller.abort(caller.signal.reason);
    this.#dials.add(controller);
    try {
      caller.signal.throwIfAborted();
      caller.signal.addEventListener("abort", abort, { once: true });
      return await dial({ ...this.#host, limits, signal: controller.signal, mark: () => {}, metadata });
    } catch (thrown) {
      throw PolywireError.from(thrown, "internal", purpose);
    } finally {
      this.#dials.delete(controller);
      caller.release();
    }
  }

  #bind(
    protocol: AnyProtocol,
    endpoint: Endpoint,
    { handler, limits }: { handler: Handler; limits: Partial<LinkLimits> | undefined },
  ): Promise<Listener> {
    const { links, exchanges } = protocol;
    const context: ListenContext = {
      ...this.#host,
      limits: completeLimits({ ...handler.limits, ...limits }, this.#host.limits),
      admit: (peer) => this.#admit(handler, peer),
    };
    if (handler.link !== undefined && links?.listen !== undefined) {
      return links.listen(endpoint, (link) => this.#accept(link, handler, { protocol, endpoint }), context);
    }
    if (handler.exchange !== undefined && exchanges?.listen !== undefined) {
      return exchanges.listen(endpoint, (exchange) => this.#serve(exchange, handler), context);
    }
    const takes = handler.link === undefined ? "exchanges" : "links";
    throw new PolywireError(
      "unsupported",
      `cannot listen on "${endpoint}": the handler takes ${takes}, ${protocol.name} has none`,
    );
  }

  #admit(handler: Handler, peer: Peer): Admission | Promise<Admission> {
    if (this.#state !== "open") return { accepted: false, status: 503, reason: "closing" };
    const { clock } = this.#host;
    return admit(handler.admit?.bind(handler), peer, { clock, report: (error) => this.#failed(error) });
  }

  #accept(link: Link, handler: Handler, { protocol, endpoint }: { protocol: AnyProtocol; endpoint: Endpoint }): void {
    const accepted = new AcceptedLink(link, this.#owner, this.#roster.place(protocol.name, endpoint));
    this.#roster.add(accepted);
    try {
      handler.link?.(accepted);
    } catch (thrown) {
      this.#failed(PolywireError.from(thrown, "internal", `the handler of "${endpoint}" threw`));
      accepted.close({ discard: true });
    }
  }

  #serve(exchange: Exchange, handler: Handler): void {
    try {
      handler.exchange?.(exchange);
    } catch (thrown) {
      this.#failed(PolywireError.from(thrown, "internal", `the handler of "${exchange.path}" threw`));
      exchange.respond({ status: 500 });
    }
  }

  readonly #owner: ConnectionOwner & AcceptedLinkOwner = {
    connectionClosed: (connection, info) => this.#roster.remove(connection, info),
    connectionFailed: (_connection, error) => this.#failed(error),
    linkClosed: (link, info) => this.#roster.remove(link, info),
  };

  #failed(error: PolywireError): void {
    this.#host.logger.log("error", "network", "program code threw", { error });
    // A listener for "error" that throws is logged, not told to itself.
    if (this.#isReporting) return;
    this.#isReporting = true;
    this.#events.emit("error", error);
    this.#isReporting = false;
  }

  #notOpen(): PolywireError {
    return new PolywireError("closed", `the network is ${this.#state}: make a new one`);
  }
}
