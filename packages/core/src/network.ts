import { AcceptedLink, type AcceptedLinkOwner } from "./accepted-link.ts";
import { Cancellation } from "./cancellation.ts";
import { type Clock, type Random, systemClock } from "./clock.ts";
import type { CloseInfo } from "./close.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { type Endpoint, parseEndpoint } from "./endpoint.ts";
import { PolywireError } from "./error.ts";
import { Events, type ListenOptions as SubscribeOptions } from "./events.ts";
import type { Exchange } from "./exchange.ts";
import { completeLimits, DEFAULT_LIMITS, type LinkLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import type { Listener } from "./listener.ts";
import { type Logger, silentLogger } from "./log.ts";
import { ACCEPTED, type Admission, type Peer } from "./peer.ts";
import { CONTRACT_VERSION, type DialContext, type HostContext, type ListenContext, type Protocol } from "./protocol.ts";
import type { AnyProtocol, DialOptionsFor, ExchangerFor, LinkFor, ListenOptionsFor, UrlOf } from "./schemes.ts";
import type { Service } from "./service.ts";
import { Turn } from "./turn.ts";

/** Longest wait for a program's own admission check. */
const ADMISSION_TIMEOUT_MS = 5_000;
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

export interface NetworkEvents {
  /** A link was dialled or accepted. */
  connect: { readonly id: string; readonly protocol: string; readonly endpoint: string; readonly direction: Direction };
  /** One that had connected is gone. */
  disconnect: {
    readonly id: string;
    readonly protocol: string;
    readonly direction: Direction;
    readonly closeInfo: CloseInfo;
  };
  error: PolywireError;
}

export type Direction = "dialled" | "accepted";

/** A snapshot for people and programs; plain data. */
export interface NetworkSnapshot {
  readonly state: "open" | "draining" | "closed";
  readonly protocols: readonly string[];
  readonly listeners: readonly string[];
  readonly connections: readonly ConnectionSnapshot[];
  readonly services: Readonly<Record<string, unknown>>;
}

export interface ConnectionSnapshot {
  readonly id: string;
  readonly direction: Direction;
  readonly endpoint: string;
  readonly ageMs: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly refusals: number;
  readonly bufferedBytes: number;
}

/**
 * What a program builds from a list of protocols: it dials, listens, watches and counts. Construction is free; work
 * begins with `connect`, `open` and `listen`.
 */
export class Network<const Protocols extends readonly AnyProtocol[]> {
  readonly #protocols = new Map<string, AnyProtocol>();
  readonly #services: readonly Service[];
  readonly #host: HostContext;
  readonly #events: Events<NetworkEvents>;
  readonly #listeners = new Set<Listener>();
  readonly #connections = new Map<string, Connection | AcceptedLink>();
  readonly #dials = new Set<AbortController>();
  #state: "open" | "draining" | "closed" = "open";
  #areServicesStarted = false;
  #nextId: number;
  #closing: Promise<void> | undefined = undefined;

  constructor(options: NetworkOptions<Protocols>) {
    const { clock = systemClock, random = Math.random, logger = silentLogger, services = [] } = options;
    this.#host = {
      clock,
      random,
      logger,
      turn: new Turn(clock),
      limits: completeLimits(options.limits, DEFAULT_LIMITS),
    };
    this.#services = [...services];
    this.#nextId = Math.floor(random() * 0xffff_ffff);
    this.#events = new Events((error) => this.#failed(error));
    for (const protocol of options.protocols) this.#register(protocol);
  }

  /** Dials; the type of the connection follows from the URL's scheme. */
  async connect<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options: ConnectOptions & DialOptionsFor<Protocols, Url> = {} as ConnectOptions & DialOptionsFor<Protocols, Url>,
  ): Promise<Connection<LinkFor<Protocols, Url>>> {
    const { protocol, endpoint } = this.#resolve(url, options);
    const { links } = protocol;
    if (links === undefined)
      throw new PolywireError(
        "unsupported",
        `${protocol.name} carries requests, not links: use network.open("${endpoint}")`,
      );
    const link = await this.#dial(endpoint, options, (context) => links.dial(endpoint, context));
    const connection = new Connection(link, this.#connectionOwner, this.#place(protocol, endpoint));
    this.#connections.set(connection.id, connection as Connection);
    this.#connected(connection.id, protocol, { endpoint, direction: "dialled" });
    return connection as Connection<LinkFor<Protocols, Url>>;
  }

  /** Opens what makes exchanges (requests and responses) towards the endpoint. */
  async open<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options: ConnectOptions & DialOptionsFor<Protocols, Url> = {} as ConnectOptions & DialOptionsFor<Protocols, Url>,
  ): Promise<ExchangerFor<Protocols, Url>> {
    const { protocol, endpoint } = this.#resolve(url, options);
    const { exchanges } = protocol;
    if (exchanges === undefined)
      throw new PolywireError(
        "unsupported",
        `${protocol.name} carries links, not requests: use network.connect("${endpoint}")`,
      );
    return (await this.#dial(endpoint, options, (context) => exchanges.open(endpoint, context))) as ExchangerFor<
      Protocols,
      Url
    >;
  }

  /** Binds the address and hands every peer to the handler. */
  async listen<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    handler: Handler | ((link: LinkFor<Protocols, Url>) => void),
    options: ListenOptions & ListenOptionsFor<Protocols, Url> = {} as ListenOptions & ListenOptionsFor<Protocols, Url>,
  ): Promise<Listener> {
    const { protocol, endpoint } = this.#resolve(url, options);
    const serving: Handler = typeof handler === "function" ? { link: handler as (link: Link) => void } : handler;
    const limits = completeLimits({ ...serving.limits, ...options.limits }, this.#host.limits);
    const context: ListenContext = { ...this.#host, limits, admit: (peer) => this.#admit(serving, peer) };
    const listener = await this.#bind(protocol, endpoint, serving, context);
    if (this.#state !== "open") {
      await listener.close();
      throw this.#notOpen();
    }
    this.#listeners.add(listener);
    this.#host.logger.log("info", "network", "listening", {
      endpoint: String(listener.endpoint),
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
    const now = this.#host.clock.now();
    const connections = [...this.#connections.values()].map((held) => snapshot(held, now));
    return {
      state: this.#state,
      protocols: [...new Set([...this.#protocols.values()].map((protocol) => protocol.name))],
      listeners: [...this.#listeners].map((listener) => String(listener.endpoint)),
      connections,
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
    this.#state = "draining";
    const cancellation = new Cancellation({ clock: this.#host.clock, timeoutMs, purpose: "close the network" });
    try {
      for (const dial of this.#dials) dial.abort(this.#notOpen());
      const freed = [...this.#listeners].map((listener) => listener.close());
      this.#listeners.clear();
      await this.#eachService((service) => service.drain?.(cancellation.signal));
      await Promise.allSettled(freed);
      for (const held of this.#connections.values()) held.close();
      await this.#untilNoConnections(cancellation.signal);
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

  #untilNoConnections(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#connections.size > 0) return;
        unsubscribe();
        resolve();
      };
      const unsubscribe = this.#events.on("disconnect", check, { priority: -1 });
      const cutOff = (): void => {
        for (const held of this.#connections.values()) held.close({ discard: true });
        unsubscribe();
        resolve();
      };
      if (signal.aborted) cutOff();
      else signal.addEventListener("abort", cutOff, { once: true });
      check();
    });
  }

  #register(protocol: AnyProtocol): void {
    if (protocol?.contractVersion !== CONTRACT_VERSION) {
      throw new PolywireError(
        "incompatible",
        `protocol "${String(protocol?.name)}" was built for contract version ${String(protocol?.contractVersion)}, ` +
          `this @polywire/core speaks ${CONTRACT_VERSION}: install matching versions of both`,
      );
    }
    if ([...this.#protocols.values()].some((other) => other.name === protocol.name)) {
      throw new PolywireError("invalid-argument", `protocol "${protocol.name}" is given twice`);
    }
    for (const scheme of protocol.schemes) {
      const other = this.#protocols.get(scheme);
      if (other !== undefined) {
        throw new PolywireError(
          "invalid-argument",
          `both "${other.name}" and "${protocol.name}" claim the scheme "${scheme}"`,
        );
      }
      this.#protocols.set(scheme, protocol);
    }
  }

  #resolve(url: string, options: object): { protocol: AnyProtocol; endpoint: Endpoint } {
    if (this.#state !== "open") throw this.#notOpen();
    this.#startServices();
    const {
      signal: _signal,
      timeoutMs: _timeoutMs,
      limits: _limits,
      metadata: _metadata,
      ...own
    } = options as ConnectOptions;
    const endpoint = parseEndpoint(url, own);
    const protocol = this.#protocols.get(endpoint.scheme);
    if (protocol === undefined) {
      const known = [...this.#protocols.keys()].join(", ");
      throw new PolywireError("unknown-scheme", `no protocol for "${endpoint}": this network knows ${known || "none"}`);
    }
    return { protocol, endpoint };
  }

  #startServices(): void {
    if (this.#areServicesStarted) return;
    this.#areServicesStarted = true;
    for (const service of this.#services) service.start?.({ logger: this.#host.logger });
  }

  async #dial<Result>(
    endpoint: Endpoint,
    options: ConnectOptions,
    dial: (context: DialContext) => Promise<Result>,
  ): Promise<Result> {
    const { clock } = this.#host;
    const { signal, timeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, limits, metadata = new Map() } = options;
    const cancellation = new Cancellation({ clock, signal, timeoutMs, purpose: `connect to ${endpoint}` });
    const controller = new AbortController();
    const abort = (): void => controller.abort(cancellation.signal.reason);
    cancellation.signal.addEventListener("abort", abort, { once: true });
    if (cancellation.signal.aborted) abort();
    this.#dials.add(controller);
    try {
      controller.signal.throwIfAborted();
      return await dial({
        ...this.#host,
        limits: completeLimits(limits, this.#host.limits),
        signal: controller.signal,
        mark: () => {},
        metadata,
      });
    } catch (thrown) {
      throw PolywireError.from(thrown, "internal", `connect to ${endpoint}`);
    } finally {
      this.#dials.delete(controller);
      cancellation.release();
    }
  }

  #bind(protocol: AnyProtocol, endpoint: Endpoint, handler: Handler, context: ListenContext): Promise<Listener> {
    const { links, exchanges } = protocol;
    if (handler.link !== undefined && links?.listen !== undefined) {
      return links.listen(endpoint, (link) => this.#accept(link, protocol, { endpoint, handler }), context);
    }
    if (handler.exchange !== undefined && exchanges?.listen !== undefined) {
      return exchanges.listen(endpoint, (exchange) => this.#serve(exchange, handler), context);
    }
    throw new PolywireError(
      "unsupported",
      `the handler given for "${endpoint}" takes ${handler.link ? "links" : "exchanges"}, which ${protocol.name} cannot listen for`,
    );
  }

  #accept(link: Link, protocol: AnyProtocol, { endpoint, handler }: { endpoint: Endpoint; handler: Handler }): void {
    const { id, openedAtMs } = this.#place(protocol, endpoint);
    const accepted = new AcceptedLink(link, this.#acceptedOwner, { id, listenerDisplay: endpoint.display, openedAtMs });
    this.#connections.set(id, accepted);
    this.#connected(id, protocol, { endpoint, direction: "accepted" });
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

  #admit(handler: Handler, peer: Peer): Admission | Promise<Admission> {
    if (this.#state !== "open") return { accepted: false, status: 503, reason: "closing" };
    if (handler.admit === undefined) return ACCEPTED;
    try {
      const verdict = handler.admit(peer);
      return verdict instanceof Promise ? this.#admitInTime(verdict) : verdict;
    } catch (thrown) {
      return this.#refused(thrown);
    }
  }

  async #admitInTime(verdict: Promise<Admission>): Promise<Admission> {
    const cancellation = new Cancellation({
      clock: this.#host.clock,
      timeoutMs: ADMISSION_TIMEOUT_MS,
      purpose: "admit a peer",
    });
    try {
      return await new Promise<Admission>((resolve, reject) => {
        cancellation.signal.addEventListener("abort", () => reject(cancellation.signal.reason), { once: true });
        verdict.then(resolve, reject);
      });
    } catch (thrown) {
      return this.#refused(thrown);
    } finally {
      cancellation.release();
    }
  }

  #refused(thrown: unknown): Admission {
    this.#failed(PolywireError.from(thrown, "internal", "the check of a peer failed, so it was refused"));
    return { accepted: false, status: 503, reason: "not available" };
  }

  #place(
    protocol: AnyProtocol,
    endpoint: Endpoint,
  ): { id: string; protocol: string; endpoint: Endpoint; openedAtMs: number } {
    this.#nextId = (this.#nextId + 1) >>> 0;
    const id = `conn_${this.#nextId.toString(16).padStart(8, "0")}`;
    return { id, protocol: protocol.name, endpoint, openedAtMs: this.#host.clock.now() };
  }

  #connected(
    id: string,
    protocol: AnyProtocol,
    { endpoint, direction }: { endpoint: Endpoint; direction: Direction },
  ): void {
    this.#host.logger.log("debug", "network", "connection opened", {
      connection: id,
      endpoint: endpoint.display,
      protocol: protocol.name,
      direction,
    });
    if (this.#events.has("connect"))
      this.#events.emit("connect", { id, protocol: protocol.name, endpoint: endpoint.display, direction });
  }

  readonly #connectionOwner: ConnectionOwner = {
    connectionClosed: (connection, info) => this.#disconnected(connection.id, "dialled", info),
    connectionFailed: (_connection, error) => this.#failed(error),
  };

  readonly #acceptedOwner: AcceptedLinkOwner = {
    linkClosed: (link, info) => this.#disconnected(link.id, "accepted", info),
  };

  #disconnected(id: string, direction: Direction, closeInfo: CloseInfo): void {
    const held = this.#connections.get(id);
    if (held === undefined) return;
    this.#connections.delete(id);
    const { by, clean, code, reason } = closeInfo;
    this.#host.logger.log("debug", "network", "connection closed", {
      connection: id,
      direction,
      by,
      clean,
      code,
      reason,
    });
    if (!this.#events.has("disconnect")) return;
    const protocol = held instanceof Connection ? held.protocol : schemeOf(held.listenerDisplay);
    this.#events.emit("disconnect", {
      id,
      protocol: this.#protocols.get(protocol)?.name ?? protocol,
      direction,
      closeInfo,
    });
  }

  #failed(error: PolywireError): void {
    this.#host.logger.log("error", "network", "program code threw", { error });
    if (this.#events.has("error")) this.#events.emit("error", error);
  }

  #notOpen(): PolywireError {
    return new PolywireError("closed", `the network is ${this.#state}`);
  }
}

function snapshot(held: Connection | AcceptedLink, now: number): ConnectionSnapshot {
  const isDialled = held instanceof Connection;
  return {
    id: held.id,
    direction: isDialled ? "dialled" : "accepted",
    endpoint: isDialled ? held.endpoint.display : held.listenerDisplay,
    ageMs: now - held.openedAtMs,
    messagesIn: held.messagesIn,
    messagesOut: held.messagesOut,
    refusals: held.refusals,
    bufferedBytes: held.bufferedBytes,
  };
}

function schemeOf(display: string): string {
  return display.slice(0, display.indexOf(":"));
}
