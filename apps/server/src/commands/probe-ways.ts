import {
  type AnyProtocol,
  type Checkable,
  type Connection,
  type Endpoint,
  type Exchanger,
  type Network,
  PolywireError,
  type QualityProfile,
  type TimelineEntry,
  unlessAborted,
} from "@polywire/core";
import type { ProbeFlags } from "./probe.ts";
import type { Asked } from "./probe-samples.ts";

/** One way to measure a wire. */
export interface Probe extends Asked {
  readonly endpoint: string;
  /** What is measured: `ping`, `connect`, `request`… */
  readonly how: string;
  readonly profile: QualityProfile;
  /** @throws PolywireError why there can be no answers. */
  open(signal: AbortSignal): Promise<void>;
  /** How the connection came about, as far as it did. */
  timeline(): readonly TimelineEntry[];
}

type AnyNetwork = Network<readonly AnyProtocol[]>;

interface Place {
  readonly url: string;
  readonly endpoint: Endpoint;
  readonly protocol: AnyProtocol | undefined;
  readonly flags: ProbeFlags;
  /** For every dial. */
  readonly options: object;
}

/** The way that fits the wire and the flags. */
export function openProbe(network: AnyNetwork, place: Place): Probe {
  const { protocol, endpoint, flags } = place;
  const carriesRequests = protocol?.exchanges !== undefined;
  const namesNothing = endpoint.path === "" || endpoint.path === "/";
  if (carriesRequests && (protocol.links === undefined || namesNothing)) return new RequestProbe(network, place);
  if (flags.send !== undefined) return new LinkProbe(network, place, "message");
  const dialOnly = protocol !== undefined && protocol.traits(endpoint).kind === "stream";
  return dialOnly ? new DialProbe(network, place) : new LinkProbe(network, place, "ping");
}

/** By requests, or by the check that the wire has of its own. */
class RequestProbe implements Probe {
  readonly endpoint: string;
  readonly profile = "rpc";
  readonly #network: AnyNetwork;
  readonly #place: Place;
  #exchanger: (Exchanger & Partial<Checkable>) | undefined = undefined;

  constructor(network: AnyNetwork, place: Place) {
    this.#network = network;
    this.#place = place;
    this.endpoint = place.endpoint.display;
  }

  get how(): string {
    return this.#exchanger?.check === undefined ? "request" : "health check";
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#exchanger = await this.#network.open(this.#place.url, {
      ...this.#place.options,
      health: false,
      signal,
    } as object);
  }

  async ask(signal: AbortSignal): Promise<void> {
    const exchanger = this.#exchanger as Exchanger & Partial<Checkable>;
    if (exchanger.check !== undefined) return exchanger.check(signal);
    const method = (this.#place.flags.method ?? "GET").toUpperCase();
    const response = await exchanger.request({ method }, { signal });
    await response.body.bytes(Number.MAX_SAFE_INTEGER);
    if (response.status >= 500) throw new PolywireError("not-available", `it answered ${response.status}`);
  }

  timeline(): readonly TimelineEntry[] {
    return this.#network.inspect().exchangers[0]?.timeline ?? [];
  }
}

/** On one connection, which comes back when it is lost: by its ping, or by messages that are answered. */
class LinkProbe implements Probe {
  readonly endpoint: string;
  readonly profile = "realtime";
  readonly how: "ping" | "message";
  readonly #network: AnyNetwork;
  readonly #place: Place;
  #connection: Connection | undefined = undefined;
  #answered: () => void = () => {};

  constructor(network: AnyNetwork, place: Place, how: "ping" | "message") {
    this.#network = network;
    this.#place = place;
    this.how = how;
    this.endpoint = place.endpoint.display;
  }

  async open(signal: AbortSignal): Promise<void> {
    const { url, options, flags, endpoint } = this.#place;
    // A ping needs a header, which datagrams have in every mode but the plain one.
    const mode = flags.mode ?? (endpoint.scheme === "udp" && this.how === "ping" ? "reliable" : undefined);
    const { framing } = flags;
    const own = { ...(mode !== undefined && { mode }), ...(framing !== undefined && { framing }) };
    const connection = this.#network.connection(url, { ...options, ...own, health: false } as object);
    this.#connection = connection;
    // The first failure is told; later ones are samples without an answer.
    const failed = new Promise<never>((_, reject) => {
      connection.on("reconnecting", ({ error }) => reject(error), { once: true });
    });
    failed.catch(() => {});
    await Promise.race([connection.ready({ signal }), failed]);
    if (this.how === "ping" && connection.link.traits.ping === "none") {
      throw new PolywireError("unsupported", `"${endpoint}" has no ping here: give --send, or another --mode`);
    }
    connection.on("data", () => this.#answered());
  }

  async ask(signal: AbortSignal): Promise<void> {
    const connection = this.#connection as Connection;
    const { state } = connection;
    if (state !== "ready") throw new PolywireError("not-available", `there is no link: ${state}`);
    if (this.how === "ping") return void (await unlessAborted(connection.ping(), signal));
    const answered = new Promise<void>((resolve) => {
      this.#answered = resolve;
    });
    if (connection.send(this.#place.flags.send ?? "") === "refused") {
      throw new PolywireError("overflow", `not sent: ${connection.refusal}`);
    }
    await unlessAborted(answered, signal);
  }

  timeline(): readonly TimelineEntry[] {
    return this.#connection?.explain().timeline ?? [];
  }
}

/** By one more connection each time, for a wire without a ping. */
class DialProbe implements Probe {
  readonly endpoint: string;
  readonly profile = "realtime";
  readonly how = "connect";
  readonly #network: AnyNetwork;
  readonly #place: Place;
  #last: Connection | undefined = undefined;

  constructor(network: AnyNetwork, place: Place) {
    this.#network = network;
    this.#place = place;
    this.endpoint = place.endpoint.display;
  }

  open(signal: AbortSignal): Promise<void> {
    return this.ask(signal);
  }

  async ask(signal: AbortSignal): Promise<void> {
    const { url, options } = this.#place;
    const connection = this.#network.connection(url, { ...options, health: false, reconnect: false } as object);
    this.#last = connection;
    try {
      await connection.ready({ signal });
    } finally {
      void connection.close({ discard: true });
    }
  }

  timeline(): readonly TimelineEntry[] {
    return this.#last?.explain().timeline ?? [];
  }
}
