import type { Connection } from "../connection/connection.ts";
import { EventStream, type EventStreamOptions } from "../connection/event-stream.ts";
import { Events, type ListenOptions as SubscribeOptions } from "../connection/events.ts";
import type { Intercepting, Interceptor } from "../connection/interceptors.ts";
import type { ConnectionOptions } from "../connection/options.ts";
import { completeBudget, type ReconnectBudgetOptions } from "../connection/reconnect-budget.ts";
import { type Clock, type Random, systemClock } from "../contract/clock.ts";
import { type Endpoint, parseEndpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Exchanger } from "../contract/exchange.ts";
import { completeLimits, type LinkLimits } from "../contract/limits.ts";
import type { Link } from "../contract/link.ts";
import type { Listener } from "../contract/listener.ts";
import { type Logger, silentLogger } from "../contract/log.ts";
import type { DialContext, HostContext } from "../contract/protocol.ts";
import type { Service } from "../contract/service.ts";
import { Rounds } from "../health/rounds.ts";
import { ExchangeCounts } from "../metrics/exchange-counts.ts";
import type { MetricFamily } from "../metrics/family.ts";
import { placeFamilies } from "../metrics/place-families.ts";
import { serviceFamilies } from "../metrics/service-families.ts";
import type { PoolSnapshot } from "../pool/figures.ts";
import { type PoolOptions, splitPoolOptions } from "../pool/options.ts";
import type { Pool } from "../pool/pool.ts";
import { Pools } from "../pool/pools.ts";
import { Cancellation, checkTimeout, unlessAborted } from "../wire/cancellation.ts";
import { checkCountOption } from "../wire/option-checks.ts";
import { Turn } from "../wire/turn.ts";
import type { AcceptedLinkOwner } from "./accepted-link.ts";
import { Connector, type Target } from "./connector.ts";
import { type ConnectOptions, Dialer } from "./dialer.ts";
import { interceptExchanges } from "./intercept-exchanges.ts";
import { checkExchanger } from "./protocol-results.ts";
import { ProtocolTable } from "./protocol-table.ts";
import { type Handler, type ListenOptions, Reception } from "./reception.ts";
import { type ConnectionSnapshot, type NetworkEvents, Roster } from "./roster.ts";
import type {
  AnyProtocol,
  DialOptionsFor,
  ExchangerFor,
  LinkFor,
  ListenerFor,
  ListenOptionsFor,
  UrlOf,
} from "./schemes.ts";

const DEFAULT_CLOSE_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_DIALS = 100;

export interface NetworkOptions<Protocols extends readonly AnyProtocol[]> {
  /** The wires this network can use. Two that claim one scheme or name are an error. */
  readonly protocols: Protocols;
  /** What lives on the network besides: the hub. */
  readonly services?: readonly Service[];
  readonly limits?: Partial<LinkLimits>;
  /** What stands between the program and its wires, the outermost first. */
  readonly interceptors?: readonly Interceptor[];
  /** How fast connections that lost their links may dial again, all together. */
  readonly reconnectBudget?: ReconnectBudgetOptions;
  /** Most dials under way at once; further ones wait. 100. */
  readonly maxDials?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export type NetworkState = "open" | "closing" | "closed";

/** A snapshot for people and programs; plain data. */
export interface NetworkSnapshot {
  readonly state: NetworkState;
  readonly protocols: readonly string[];
  readonly listeners: readonly string[];
  readonly connections: readonly ConnectionSnapshot[];
  readonly pools: readonly PoolSnapshot[];
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
  readonly #whenClosed = new AbortController();
  readonly #listeners = new Set<Listener>();
  readonly #exchangers = new Set<Exchanger>();
  readonly #exchangeCounts: ExchangeCounts;
  readonly #dialer: Dialer;
  readonly #intercepting: Intercepting;
  readonly #connector: Connector;
  readonly #pools: Pools;
  readonly #rounds: Rounds;
  readonly #reception: Reception;
  #state: NetworkState = "open";
  #servicesStarted = 0;
  #isReporting = false;
  #closing: Promise<void> | undefined = undefined;

  constructor(options: NetworkOptions<Protocols>) {
    const { clock = systemClock, random = Math.random, logger = silentLogger, services = [] } = options;
    const { interceptors = [], maxDials = DEFAULT_MAX_DIALS } = options;
    checkCountOption("maxDials", maxDials);
    const { signal: closed } = this.#whenClosed;
    this.#host = { clock, random, logger, turn: new Turn(clock), limits: completeLimits(options.limits), closed };
    this.#rounds = new Rounds(clock);
    this.#dialer = new Dialer(this.#host, maxDials);
    this.#intercepting = { interceptors: [...interceptors], host: this.#host };
    this.#exchangeCounts = new ExchangeCounts(clock);
    this.#protocols = new ProtocolTable(options.protocols);
    this.#services = [...services];
    this.#events = new Events((error) => this.#failed(error));
    this.#roster = new Roster({ clock, random, logger, events: this.#events });
    this.#connector = new Connector(this.#host, {
      dialer: this.#dialer,
      roster: this.#roster,
      intercepting: this.#intercepting,
      budget: completeBudget(options.reconnectBudget),
      rounds: this.#rounds,
      failed: (error) => this.#failed(error),
    });
    this.#pools = new Pools(this.#host, (error) => this.#failed(error));
    this.#reception = new Reception(this.#host, this.#roster, {
      intercepting: this.#intercepting,
      isOpen: () => this.#state === "open",
      failed: (error) => this.#failed(error),
      linkClosed: (link, info) => this.#owner.linkClosed(link, info),
    });
  }

  /**
   * Dials, and gives the connection once there is a link. From then on it survives lost links, unless its options say
   * otherwise. Its type follows from the URL's scheme.
   *
   * @throws PolywireError what was wrong with the first dial.
   */
  async connect<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options?: ConnectOptions & ConnectionOptions & DialOptionsFor<Protocols, Url>,
  ): Promise<Connection<LinkFor<Protocols, Url>>> {
    const { target, common } = this.#resolve(url, options);
    const connection = this.#connector.connection(target, common, true);
    await connection.ready();
    return connection as Connection<LinkFor<Protocols, Url>>;
  }

  /** A connection without a link yet: it dials, and goes on dialling, from `connect()`, `ready()` or the first `send` on. */
  connection<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options?: ConnectOptions & ConnectionOptions & DialOptionsFor<Protocols, Url>,
  ): Connection<LinkFor<Protocols, Url>> {
    const { target, common } = this.#resolve(url, options);
    return this.#connector.connection(target, common, false) as Connection<LinkFor<Protocols, Url>>;
  }

  /**
   * A pool of links to one endpoint, for conversations that are too short for a dial each. Nothing is dialled before
   * somebody acquires a link, unless `min` says so.
   */
  pool<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options?: PoolOptions & PoolDialOptions & Omit<DialOptionsFor<Protocols, Url>, keyof PoolOptions>,
  ): Pool<LinkFor<Protocols, Url>> {
    const { own, dial } = splitPoolOptions(options);
    const { target, common } = this.#resolve(url, dial);
    const { protocol, endpoint } = target;
    const dialStep = this.#connector.dialStep(target, common);
    return this.#pools.make({ protocol: protocol.name, endpoint, options: own, dial: dialStep }) as Pool<
      LinkFor<Protocols, Url>
    >;
  }

  /** Opens what makes exchanges (requests and responses) towards the endpoint. */
  async open<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    options?: ConnectOptions & DialOptionsFor<Protocols, Url>,
  ): Promise<ExchangerFor<Protocols, Url>> {
    const { target, common } = this.#resolve(url, options);
    const { protocol, endpoint } = target;
    const { exchanges } = protocol;
    if (exchanges === undefined) {
      throw new PolywireError(
        "unsupported",
        `${protocol.name} carries no requests: use network.connect("${endpoint}")`,
      );
    }
    const run = async (context: DialContext): Promise<Exchanger> =>
      checkExchanger(await exchanges.open(endpoint, context), protocol);
    const discard = (late: Exchanger): void =>
      void late.close().catch((thrown) => this.#failed(PolywireError.from(thrown)));
    const exchanger = await this.#dialer.dial({ endpoint, protocol: protocol.name, run, discard }, common);
    this.#exchangeCounts.watch(exchanger, protocol.name);
    interceptExchanges(exchanger, target, this.#intercepting);
    this.#exchangers.add(exchanger);
    void exchanger.closed.then(() => this.#exchangers.delete(exchanger));
    return exchanger as ExchangerFor<Protocols, Url>;
  }

  /** Binds the address and hands every peer to the handler. */
  async listen<const Url extends string>(
    url: UrlOf<Protocols, Url>,
    handler: Handler | ((link: LinkFor<Protocols, Url>) => void),
    options?: ListenOptions & ListenOptionsFor<Protocols, Url>,
  ): Promise<ListenerFor<Protocols, Url>> {
    const { target, common } = this.#resolve(url, options, "listen");
    const serving: Handler = typeof handler === "function" ? { link: handler as (link: Link) => void } : handler;
    const listener = await this.#reception.bind(target, serving, common);
    if (this.#state !== "open") {
      await listener.close();
      throw this.#notOpen();
    }
    this.#listeners.add(listener);
    this.#host.logger.log("info", "network", "listening", {
      endpoint: listener.endpoint.display,
      protocol: target.protocol.name,
    });
    const bound: Listener = {
      endpoint: listener.endpoint,
      server: listener.server,
      close: () => {
        this.#listeners.delete(listener);
        return listener.close();
      },
    };
    return bound as ListenerFor<Protocols, Url>;
  }

  /** Returns the function that unsubscribes. */
  on<Name extends keyof NetworkEvents>(
    name: Name,
    listener: (event: NetworkEvents[Name]) => void,
    options?: SubscribeOptions,
  ): () => void {
    return this.#events.on(name, listener, options);
  }

  /** Events for `for await`, collected from now on. Ends when the network is closed. */
  events<Name extends keyof NetworkEvents>(name: Name, options?: EventStreamOptions): EventStream<NetworkEvents[Name]> {
    const { signal } = this.#whenClosed;
    const whenOver = (over: () => void): (() => void) => {
      if (signal.aborted) over();
      signal.addEventListener("abort", over, { once: true });
      return () => signal.removeEventListener("abort", over);
    };
    return EventStream.of({ events: this.#events, whenOver }, name, options);
  }

  inspect(): NetworkSnapshot {
    return {
      state: this.#state,
      protocols: this.#protocols.names,
      listeners: [...this.#listeners].map((listener) => listener.endpoint.display),
      connections: this.#roster.inspect(),
      pools: this.#pools.inspect(),
      services: Object.fromEntries(this.#services.map((service) => [service.name, this.#inspect(service)])),
    };
  }

  /**
   * What the network and its services have counted, as plain data: computed when asked for, for once in some seconds.
   * `@polywire/metrics` makes Prometheus and OpenTelemetry of it.
   */
  metrics(): readonly MetricFamily[] {
    const protocolOf = ({ endpoint }: { readonly endpoint: Endpoint }): string => this.#protocols.find(endpoint).name;
    return [
      ...this.#roster.metrics(),
      ...this.#dialer.metrics(),
      ...placeFamilies({ listeners: this.#listeners, exchangers: this.#exchangers, protocolOf }),
      ...this.#pools.metrics(),
      ...this.#reception.metrics(),
      ...this.#exchangeCounts.families(),
      ...serviceFamilies(this.#services, (error) => this.#failed(error)),
    ];
  }

  /**
   * Ends everything: stops accepting, lets services drain, closes every exchanger, pool and connection, then the services. What
   * is not done after `timeoutMs` (30,000 by default) is cut off. Idempotent.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs = DEFAULT_CLOSE_TIMEOUT_MS } = options;
    checkTimeout(timeoutMs);
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const cancellation = new Cancellation({ clock: this.#host.clock, timeoutMs, purpose: "close the network" });
    this.#state = "closing";
    try {
      const pooled = this.#pools.closeAll(cancellation.signal);
      this.#dialer.abortAll(this.#notOpen());
      const freed = [...this.#listeners].map((listener) => this.#inTime(() => listener.close(), cancellation.signal));
      this.#listeners.clear();
      await this.#eachService((service) => service.drain?.(cancellation.signal), cancellation.signal);
      const asked = [...this.#exchangers].map((each) => this.#inTime(() => each.close(), cancellation.signal));
      await Promise.all([...freed, ...asked, pooled]);
      await this.#roster.closeAll(cancellation.signal);
      await this.#eachService((service) => service.close?.(), cancellation.signal);
    } finally {
      this.#state = "closed";
      this.#whenClosed.abort(this.#notOpen());
      cancellation.release();
    }
  }

  /** One that throws is reported, and takes nobody else's snapshot away. */
  #inspect(service: Service): unknown {
    try {
      return service.inspect?.() ?? {};
    } catch (thrown) {
      this.#failed(PolywireError.from(thrown, "internal", `the service "${service.name}" could not tell how it is`));
      return {};
    }
  }

  async #eachService(work: (service: Service) => Promise<void> | undefined, signal: AbortSignal): Promise<void> {
    const started = this.#services.slice(0, this.#servicesStarted);
    await Promise.all(started.map((service) => this.#inTime(() => work(service), signal)));
  }

  /** Waits for the work, but not past the signal; what fails is reported. */
  async #inTime(work: () => Promise<void> | undefined, signal: AbortSignal): Promise<void> {
    try {
      await unlessAborted(Promise.resolve(work()), signal);
    } catch (thrown) {
      this.#failed(PolywireError.from(thrown));
    }
  }

  /** One that fails fails the call, and is started again by the next. */
  #startServices(): void {
    for (; this.#servicesStarted < this.#services.length; this.#servicesStarted++) {
      const service = this.#services[this.#servicesStarted] as Service;
      try {
        service.start?.({ logger: this.#host.logger });
      } catch (thrown) {
        throw PolywireError.from(thrown, "internal", `the service "${service.name}" could not start`);
      }
    }
  }

  #resolve(
    url: string,
    options: object | undefined,
    purpose: "dial" | "listen" = "dial",
  ): { target: Target; common: CommonOptions } {
    if (this.#state !== "open") throw this.#notOpen();
    this.#startServices();
    const { common, own } = splitOptions(options, purpose);
    const endpoint = parseEndpoint(url, own);
    return { target: { protocol: this.#protocols.find(endpoint), endpoint }, common };
  }

  readonly #owner: AcceptedLinkOwner = {
    linkClosed: (link, info) => {
      this.#roster.acceptedClosed(link, info);
      // What a sink threw: the link is all that its plugin can close.
      if (info.by === "local" && info.error?.code === "internal") this.#failed(info.error);
    },
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

/** What a pool's dials have in common with others: its leases have signals of their own. */
export type PoolDialOptions = Omit<ConnectOptions, "signal">;

type CommonOptions = ConnectOptions & ConnectionOptions & ListenOptions;

/** Takes what every protocol has from the options; what is left is the protocol's own. */
function splitOptions(
  options: object | undefined,
  purpose: "dial" | "listen",
): { common: CommonOptions; own: Readonly<Record<string, unknown>> } {
  try {
    if (purpose === "listen") {
      // A listener's health is its protocol's own affair: gRPC serves a service of that name.
      const { limits, origins, ...own } = (options ?? {}) as ListenOptions;
      return { common: { limits, origins } as CommonOptions, own };
    }
    const { signal, timeoutMs, limits, metadata, origins, reconnect, pending, health, quality, ...own } = (options ??
      {}) as CommonOptions;
    const common = { signal, timeoutMs, limits, metadata, origins, reconnect, pending, health, quality };
    return { common: common as CommonOptions, own };
  } catch (cause) {
    throw new PolywireError("invalid-argument", "an option cannot be read: its getter threw", { cause });
  }
}
