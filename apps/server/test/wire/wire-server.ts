import { type AnyProtocol, type Handler, type Listener, Network } from "@polywire/core";
import { type CentrifugeOptions, centrifuge } from "@polywire/dialect-centrifuge";
import {
  type Broker,
  type ChannelRule,
  Hub,
  type HubOptions,
  MemoryBroker,
  type SessionHost,
} from "@polywire/realtime";
import { type Command, type Encoding, encodings } from "./encodings.ts";
import { LossyBroker } from "./lossy-broker.ts";
import { TestClock } from "./test-clock.ts";
import { inMemory, type Transport, type Wire } from "./transports.ts";
import { FENCE, WireClient } from "./wire-client.ts";

/** Something wrong with a server, planted between its parts; whatever is absent is sound. */
export interface Defect {
  readonly options?: (options: HubOptions) => HubOptions;
  readonly broker?: (broker: Broker) => Broker;
  /** What the dialect takes for the hub. */
  readonly host?: (hub: SessionHost) => SessionHost;
  /** What the network takes for the dialect. */
  readonly handler?: (handler: Handler, circumstances: Circumstances) => Handler;
}

export interface Circumstances {
  readonly transport: Transport;
  readonly encoding: Encoding;
  readonly defect?: Defect;
  /** How long clients wait for what must come. */
  readonly patienceMs?: number;
}

const MINUTE_MS = 60_000;

/** One channel of each sort, by the first word of its name. */
const CHANNELS: readonly ChannelRule[] = [
  {
    match: "news*",
    publish: "clients",
    history: { size: 10, ttlMs: MINUTE_MS, metaTtlMs: 60 * MINUTE_MS },
    recovery: true,
    read: "subscribers",
  },
  { match: "log*", publish: "clients", history: { size: 10, ttlMs: MINUTE_MS }, read: "clients" },
  { match: "room*", publish: "subscribers", presence: true, joinLeave: true },
  { match: "bytes*", publish: "clients", data: "binary" },
  { match: "closed*", kind: "private" },
  { match: "plain*", publish: "clients" },
  { match: "document*", history: { size: 10, ttlMs: MINUTE_MS }, recovery: true, delta: "fossil" },
  { match: "a-long-name*", compaction: true, joinLeave: true },
  { match: "tagged*", history: { size: 10, ttlMs: MINUTE_MS }, recovery: true, tagsFilter: true },
  { match: "price*", history: { size: 10, ttlMs: MINUTE_MS }, recovery: "cache" },
  { match: "quiet*" },
  { match: "watched*", positioning: true },
  { match: "ticker*", overflow: "drop-oldest" },
  { match: "sample*", overflow: "drop-newest" },
  { match: "quote*", overflow: "keep-latest", overflowKey: "symbol" },
];

/** A server with everything in it, on a wire of its own and a clock that stands still. */
export class WireServer implements AsyncDisposable {
  readonly hub: Hub;
  readonly clock: TestClock;
  /** Loses and delays what a law wants lost or late. */
  readonly broker: LossyBroker;
  readonly network: Network<readonly AnyProtocol[]>;
  readonly #circumstances: Circumstances;
  readonly #wire: Wire;
  /** Where clients come from whose encoding the transport does not carry. */
  readonly #side: Wire | undefined;
  #listener: Listener | undefined = undefined;
  #sideListener: Listener | undefined = undefined;

  private constructor(circumstances: Circumstances, options: HubOptions) {
    const { defect, transport } = circumstances;
    this.#circumstances = circumstances;
    this.#wire = transport.open();
    this.#side = transport.speaksOneEncoding === true ? inMemory.open() : undefined;
    this.clock = options.clock instanceof TestClock ? options.clock : new TestClock();
    this.broker = new LossyBroker(new MemoryBroker({ clock: this.clock }));
    const sound: HubOptions = {
      channels: CHANNELS,
      pings: { intervalMs: 0 },
      ...options,
      clock: this.clock,
      broker: defect?.broker?.(this.broker) ?? this.broker,
      procedures: { [FENCE]: () => new TextEncoder().encode("{}"), ...options.procedures },
    };
    this.hub = new Hub(defect?.options?.(sound) ?? sound);
    this.network = new Network({
      protocols: [...this.#wire.protocols, ...(this.#side?.protocols ?? [])],
      services: [this.hub],
    });
  }

  static async start(
    circumstances: Circumstances,
    options: HubOptions = {},
    dialect: CentrifugeOptions = {},
  ): Promise<WireServer> {
    const server = new WireServer(circumstances, options);
    const host = circumstances.defect?.host?.(server.hub) ?? server.hub;
    const handler = centrifuge(host, { clock: server.clock, ...circumstances.transport.dialect, ...dialect });
    const listening = circumstances.defect?.handler?.(handler, circumstances) ?? handler;
    const { handles, address, listenOptions } = server.#wire;
    const { exchange: _, ...links } = listening;
    const served = handles === "links" ? links : listening;
    server.#listener = await server.network.listen(address, served, listenOptions);
    if (server.#side !== undefined) {
      const others = centrifuge(host, { clock: server.clock, ...dialect });
      server.#sideListener = await server.network.listen(server.#side.address, others);
    }
    return server;
  }

  /** A client that has its link and has said nothing. */
  dial(encoding: Encoding = this.#circumstances.encoding): Promise<WireClient> {
    const { patienceMs = 10_000 } = this.#circumstances;
    const isOther = this.#side !== undefined && !this.#circumstances.transport.encodings.includes(encoding);
    const wire = isOther ? (this.#side as Wire) : this.#wire;
    const listener = isOther ? this.#sideListener : this.#listener;
    return WireClient.dial({ wire, address: String(listener?.endpoint), encoding, patienceMs });
  }

  async connect(request: Command = {}, encoding?: Encoding): Promise<WireClient> {
    const client = await this.dial(encoding);
    const { error } = await client.connect(request);
    if (error !== undefined) throw new Error(`not connected: ${JSON.stringify(error)}`);
    return client;
  }

  async subscriber(channel: string, request: Command = {}, encoding?: Encoding): Promise<WireClient> {
    const client = await this.connect({}, encoding);
    await client.subscribe(channel, request);
    return client;
  }

  /** A client of the encoding that the law is not about. */
  get otherEncoding(): Encoding {
    const { encoding } = this.#circumstances;
    return encodings.find(({ name }) => name !== encoding.name) ?? encoding;
  }

  async publish(channel: string, ...data: readonly unknown[]): Promise<void> {
    for (const one of data) await this.hub.publish(channel, one);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.broker.release();
    await this.#wire[Symbol.asyncDispose]();
    await this.#side?.[Symbol.asyncDispose]();
    await this.network.close({ timeoutMs: 2_000 });
  }
}
