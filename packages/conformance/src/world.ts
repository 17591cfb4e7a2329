import assert from "node:assert/strict";
import {
  ACCEPTED,
  type Admission,
  type AnyProtocol,
  CONTRACT_VERSION,
  completeLimits,
  type DialContext,
  type Endpoint,
  type Exchange,
  type Exchanger,
  type HostContext,
  type Link,
  type LinkLimits,
  type ListenContext,
  type Listener,
  type Peer,
  parseEndpoint,
  silentLogger,
  type Traits,
  Turn,
  type TurnedAway,
} from "@polywire/core";
import { bytesOf } from "./laws/arrival.ts";
import { Ledger } from "./ledger.ts";
import type { Patience } from "./patience.ts";
import { Probe } from "./probe.ts";
import { INTRODUCTION, type Reactions, Recorder } from "./recorder.ts";
import type { Subject } from "./subject.ts";

/** Short, so that a law about what happens at the end of a limit does not take long. */
const LIMITS: Partial<LinkLimits> = { handshakeTimeoutMs: 3_000, closeTimeoutMs: 400 };

export interface DialSettings {
  readonly signal?: AbortSignal;
  readonly limits?: Partial<LinkLimits>;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly reactions?: Reactions;
}

export interface ListenSettings {
  readonly limits?: Partial<LinkLimits>;
  readonly admit?: (peer: Peer) => Admission | Promise<Admission>;
  /** What the sink of each accepted link does besides recording. */
  readonly reactions?: (index: number) => Reactions;
  /** Leaves it to the law to open accepted links. */
  readonly openLater?: boolean;
  /** Where to listen; the subject's URL by default. */
  readonly at?: Endpoint;
}

/** A listener with what it accepted. */
export interface Listening {
  readonly listener: Listener;
  readonly accepted: Probe[];
}

export interface Pair {
  /** The dialled link. */
  readonly client: Probe;
  /** The accepted link. */
  readonly server: Probe;
}

/** Both sides know that there is a link, and that it has ended. Plain datagrams tell neither. */
export function hasConversations({ kind, handshake }: Traits): boolean {
  return kind !== "datagram" || handshake;
}

/** One law's own protocol, listeners and links; everything is gone when the law is over. */
export class World {
  readonly subject: Subject;
  readonly protocol: AnyProtocol;
  readonly patience: Patience;
  readonly ledger: Ledger = new Ledger();
  /** Why listeners turned peers away by themselves, in order. */
  readonly turnedAway: TurnedAway[] = [];
  readonly #listeners: Listener[] = [];
  readonly #exchangers: Exchanger[] = [];
  readonly #probes: Probe[] = [];
  readonly #turn: Turn;

  constructor(subject: Subject, patience: Patience) {
    this.subject = subject;
    this.protocol = subject.protocol();
    this.patience = patience;
    this.#turn = new Turn(this.ledger.clock);
    assert.equal(this.protocol.contractVersion, CONTRACT_VERSION, "contractVersion");
  }

  /** What the protocol promises where the laws reach it. */
  get traits(): Traits {
    return this.protocol.traits(parseEndpoint(this.subject.url, this.subject.dialOptions));
  }

  /** A payload that these links can carry, and that tells of every shift and swap. */
  bytes(seed: number, byteLength: number): Uint8Array {
    const bytes = bytesOf(seed, byteLength);
    // Printable characters: one line of text.
    if (this.traits.content === "line")
      for (let at = 0; at < byteLength; at++) bytes[at] = 0x21 + ((bytes[at] as number) % 94);
    return bytes;
  }

  readonly #turnedAway = (cause: TurnedAway): void => {
    this.turnedAway.push(cause);
  };

  async listen(settings: ListenSettings = {}): Promise<Listening> {
    const { limits, admit = () => ACCEPTED, reactions, openLater = false } = settings;
    const accepted: Probe[] = [];
    const accept = (link: Link): void => {
      const index = accepted.length;
      const probe = this.#probe(link, `accepted link ${index}`, reactions?.(index));
      accepted.push(probe);
      if (!openLater) probe.open();
    };
    const context: ListenContext = { ...this.#host(limits), admit, turnedAway: this.#turnedAway };
    const { links } = this.protocol;
    assert.ok(links?.listen !== undefined, "a law about links needs links.listen");
    const listener = await this.patience.within(links.listen(this.#listenAt(settings), accept, context), "listen()");
    this.#listeners.push(listener);
    return { listener, accepted };
  }

  async dial(endpoint: Endpoint, settings: DialSettings = {}): Promise<Probe> {
    const link = await this.patience.within(this.dialRaw(endpoint, settings), "dial()");
    const probe = this.#probe(link, "dialled link", settings.reactions);
    probe.open();
    return probe;
  }

  /** Dials without opening. */
  dialRaw(endpoint: Endpoint, settings: DialSettings = {}): Promise<Link> {
    const { links } = this.protocol;
    assert.ok(links !== undefined, "a law about links needs links");
    return links.dial(this.#dialAt(endpoint, settings), this.#dialContext(settings));
  }

  /** A link of a new listener, both ends opened. */
  async pair(
    settings: { readonly client?: DialSettings; readonly server?: ListenSettings } = {},
  ): Promise<Pair & Listening> {
    const listening = await this.listen(settings.server);
    return { ...(await this.pairAt(listening, settings.client)), ...listening };
  }

  /** One more link of this listener. */
  async pairAt({ listener, accepted }: Listening, settings?: DialSettings): Promise<Pair> {
    const index = accepted.length;
    const client = await this.dial(listener.endpoint, settings);
    if (!hasConversations(client.link.traits)) await this.#introduce(client, () => accepted.length > index);
    await this.patience.until(() => accepted.length > index, "the listener to accept the link");
    return { client, server: accepted[index] as Probe };
  }

  async serve(
    serve: (exchange: Exchange) => void,
    settings: Pick<ListenSettings, "limits" | "admit"> = {},
  ): Promise<Listener> {
    const { limits, admit = () => ACCEPTED } = settings;
    const { exchanges } = this.protocol;
    assert.ok(exchanges?.listen !== undefined, "a law about exchanges needs exchanges.listen");
    const context: ListenContext = { ...this.#host(limits), admit, turnedAway: this.#turnedAway };
    const listener = await this.patience.within(exchanges.listen(this.#listenAt(settings), serve, context), "listen()");
    this.#listeners.push(listener);
    return listener;
  }

  async openExchanger(endpoint: Endpoint, settings: DialSettings = {}): Promise<Exchanger> {
    const { exchanges } = this.protocol;
    assert.ok(exchanges !== undefined, "a law about exchanges needs exchanges");
    const opening = exchanges.open(this.#dialAt(endpoint, settings), this.#dialContext(settings));
    const exchanger = await this.patience.within(opening, "open()");
    this.#exchangers.push(exchanger);
    return exchanger;
  }

  /** A recorder for a link that the law got some other way. */
  probe(link: Link, name: string, reactions?: Reactions): Probe {
    return this.#probe(link, name, reactions);
  }

  /** Closes everything, and waits until it is. */
  async end(patience: Patience): Promise<void> {
    for (const { link } of this.#probes) link.close({ discard: true });
    const open = (): Probe[] => this.#probes.filter(({ recorder }) => recorder.closeInfos.length === 0);
    for (const probe of open()) if (!probe.recorder.isOpened) probe.open();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await Promise.all(this.#exchangers.map((exchanger) => exchanger.close()));
    await patience.until(
      () => open().length === 0,
      () => `closed of ${open().map(({ name }) => name)}, which the law closed at its end`,
    );
  }

  /** Promises that a sink saw broken. */
  get violations(): readonly string[] {
    return this.#probes.flatMap(({ recorder }) => recorder.violations);
  }

  /** A listener without handshakes hears of its peer by what the peer sends, which may get lost. */
  async #introduce({ link }: Probe, isAccepted: () => boolean): Promise<void> {
    await this.patience.until(() => {
      if (!isAccepted()) link.send(INTRODUCTION);
      return isAccepted();
    }, "the listener to hear of its peer");
    await this.patience.settle();
  }

  #probe(link: Link, name: string, reactions: Reactions | undefined): Probe {
    const probe = new Probe(link, new Recorder(name, reactions), this.patience);
    this.#probes.push(probe);
    return probe;
  }

  #listenAt({ at }: ListenSettings): Endpoint {
    return parseEndpoint(at?.href ?? this.subject.url, this.subject.listenOptions);
  }

  #dialAt(endpoint: Endpoint, { options }: DialSettings): Endpoint {
    return parseEndpoint(endpoint.href, { ...this.subject.dialOptions, ...options });
  }

  #dialContext({ limits, signal, metadata = new Map() }: DialSettings): DialContext {
    const own = this.ledger.watch(signal ?? new AbortController().signal);
    return { ...this.#host(limits), signal: own, metadata, mark: () => {} };
  }

  #host(limits: Partial<LinkLimits> | undefined): HostContext {
    return {
      clock: this.ledger.clock,
      turn: this.#turn,
      random: Math.random,
      logger: silentLogger,
      limits: completeLimits({ ...LIMITS, ...limits }),
    };
  }
}
