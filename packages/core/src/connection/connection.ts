import { MAX_DELAY_MS } from "../contract/clock.ts";
import type { CloseInfo, CloseReason } from "../contract/close.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link, Refusal, SendResult } from "../contract/link.ts";
import type { Payload, Prepared } from "../contract/payload.ts";
import type { CheckupHost } from "../health/checkup.ts";
import type { Health } from "../health/health-record.ts";
import type { CompleteVitals } from "../health/options.ts";
import type { Quality } from "../quality/quality-meter.ts";
import { Cancellation, unlessAborted } from "../wire/cancellation.ts";
import type { ConnectionEvents } from "./connection-events.ts";
import { Conversation } from "./conversation.ts";
import { EventStream, type EventStreamOptions } from "./event-stream.ts";
import type { ListenOptions } from "./events.ts";
import { type Explanation, explanationOf } from "./explanation.ts";
import type { MessageSteps } from "./interceptors.ts";
import { endError, type KeeperHost, type KeeperOptions } from "./link-keeper.ts";
import type { PendingOptions } from "./options.ts";
import type { ConnectionState } from "./states.ts";

/** Why a `send` was refused: see {@link Refusal}; `not-ready`: there is no link, and what may wait for one is at its limit. */
export type ConnectionRefusal = Refusal | "not-ready";

/** Where a connection stands in its network. */
export interface ConnectionPlace {
  readonly id: string;
  /** The protocol's name: `ws`. */
  readonly protocol: string;
  /** What was dialled, or the listener's. */
  readonly endpoint: Endpoint;
  /** On the network's clock. */
  readonly openedAtMs: number;
}

/** The network behind a connection. */
export interface ConnectionHost extends KeeperHost, CheckupHost {
  /** Somebody listens on the network for how good its links are. */
  readonly isQualityWatched: boolean;
  /** What every message passes, where there are interceptors of messages. */
  readonly steps: MessageSteps | undefined;
  /** Told of every event but `data` and `drain`, before the listeners. */
  tapped<Name extends keyof ConnectionEvents>(connection: Connection, name: Name, event: ConnectionEvents[Name]): void;
  /** Code of the program threw. */
  failed(connection: Connection, error: PolywireError): void;
}

/** What a connection is made from. */
export interface ConnectionParts<L extends Link> extends KeeperOptions {
  readonly place: ConnectionPlace;
  readonly pending: Required<PendingOptions>;
  readonly vitals: CompleteVitals;
  /** One dial, with its deadline; `mark` hears of its phases. */
  dial(signal: AbortSignal, mark: (phase: string) => void): Promise<L>;
}

export interface ReadyOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, in milliseconds. As long as it takes by default. */
  readonly timeoutMs?: number | undefined;
}

/** What is behind a connection, for the network: the last step of its interceptors. */
export let conversationOf: (connection: Connection) => Conversation<Link>;

/**
 * What a program holds of a conversation that it dialled. It survives lost links. Nothing is read before somebody listens
 * for `data`, so no first message is lost; from then on messages are pushed synchronously.
 *
 * Every link is a new conversation for the peer: what the last one had not sent is dropped and counted. What is sent while
 * there is no link waits, up to a limit, where the wire carries whole messages reliably; it leaves after the listeners of
 * `connect` and `reconnected` had their say.
 */
export class Connection<L extends Link = Link> {
  readonly place: ConnectionPlace;
  readonly #host: ConnectionHost;
  readonly #conversation: Conversation<L>;

  static {
    conversationOf = (connection) => connection.#conversation;
  }

  constructor(host: ConnectionHost, parts: ConnectionParts<L>) {
    this.place = parts.place;
    this.#host = host;
    this.#conversation = new Conversation(this as Connection, host, parts);
  }

  get id(): string {
    return this.place.id;
  }

  get endpoint(): Endpoint {
    return this.place.endpoint;
  }

  get state(): ConnectionState {
    return this.#conversation.keeper.state;
  }

  /** How the peer is, as far as it is known. */
  get health(): Health {
    return this.#conversation.vitals.health;
  }

  /** How good the network is, as far as it was measured on the link there is. */
  get quality(): Quality {
    return this.#conversation.vitals.quality;
  }

  /** How it ended, once it did. */
  get closeInfo(): CloseInfo | undefined {
    return this.#conversation.keeper.closeInfo;
  }

  /**
   * The link there is, or the last there was, for what only its protocol can do. It is opened already.
   *
   * @throws PolywireError `invalid-state` before the first.
   */
  get link(): L {
    const { lastLink } = this.#conversation.keeper;
    if (lastLink !== undefined) return lastLink;
    throw new PolywireError("invalid-state", `the connection to "${this.endpoint}" had no link yet: await ready()`);
  }

  /** Links there have been. */
  get generation(): number {
    return this.#conversation.keeper.generation;
  }

  get messagesIn(): number {
    return this.#conversation.messagesIn;
  }

  get messagesOut(): number {
    return this.#conversation.messagesOut;
  }

  get refusals(): number {
    return this.#conversation.refusals;
  }

  /** Why the last `send` was refused, if one was. */
  get refusal(): ConnectionRefusal | undefined {
    return this.#conversation.refusal;
  }

  /** Bytes accepted by `send` that have not left: those that wait for a link, and those that the link holds. */
  get bufferedBytes(): number {
    return this.#conversation.bufferedBytes;
  }

  /** Bytes that the links so far had accepted and never sent. */
  get bytesLost(): number {
    return this.#conversation.keeper.bytesLost;
  }

  /** Messages that waited for a link in vain: they gave way to newer ones, or no link came. */
  get pendingDropped(): number {
    return this.#conversation.pendingDropped;
  }

  /** Begins to dial, where nothing has begun. */
  connect(): void {
    this.#conversation.keeper.start();
  }

  /**
   * Fulfilled as soon as there is a link. Begins to dial, where nothing has begun.
   *
   * @throws PolywireError why the connection ended; `aborted`, `timed-out`.
   */
  async ready({ signal, timeoutMs = MAX_DELAY_MS }: ReadyOptions = {}): Promise<void> {
    const purpose = `wait for a link to "${this.endpoint}"`;
    const cancellation = new Cancellation({ clock: this.#host.clock, signal, timeoutMs, purpose });
    const over = new AbortController();
    try {
      this.connect();
      if (this.state === "ready") return;
      const { closeInfo } = this;
      if (closeInfo !== undefined) throw endError(closeInfo);
      const settled = new Promise<void>((resolve, reject) => {
        this.on("connect", () => resolve(), { signal: over.signal });
        this.on("close", (info) => reject(endError(info)), { signal: over.signal });
      });
      await unlessAborted(settled, cancellation.signal);
    } finally {
      over.abort();
      cancellation.release();
    }
  }

  /**
   * Accepts or refuses one message at once and never throws for the state of the network: see {@link Link.send}. Without a
   * link a message that may wait for one is told `wait`, any other is refused as `not-ready`.
   */
  send(payload: Payload | Prepared): SendResult {
    return this.#conversation.send(payload);
  }

  /**
   * The round trip of a ping, in milliseconds.
   *
   * @throws PolywireError `timed-out`; `not-available` without a link; `unsupported`; why the link was lost meanwhile.
   */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#conversation.pingInFlight((roundTripMs) => {
        if (roundTripMs !== undefined) return resolve(roundTripMs);
        reject(new PolywireError("timed-out", `"${this.endpoint}" did not answer a ping in time`));
      }, reject);
    });
  }

  /** Returns the function that unsubscribes. The first `data` listener starts the reading. */
  on<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: (event: ConnectionEvents[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    const unsubscribe = this.#conversation.events.on(name, listener, options);
    if (name === "data") this.#conversation.listened();
    return unsubscribe;
  }

  /**
   * Events for `for await`, collected from now on. Ends after `close`. For messages there is {@link messages}, which slows the peer
   * down where this would have to drop.
   *
   * @throws PolywireError `invalid-argument` for `data`, and naming the option that is wrong.
   */
  events<Name extends Exclude<keyof ConnectionEvents, "data">>(
    name: Name,
    options?: EventStreamOptions,
  ): EventStream<ConnectionEvents[Name]> {
    if ((name as string) === "data") {
      throw new PolywireError("invalid-argument", 'events("data"): use messages(connection) for messages');
    }
    const whenOver = (over: () => void): (() => void) => {
      if (this.state === "closed") over();
      return this.on("close", over);
    };
    return EventStream.of({ events: this.#conversation.events, whenOver }, name, options);
  }

  /** No message is delivered from here to `resume`, whatever link it comes on. */
  pause(): void {
    this.#conversation.pause();
  }

  resume(): void {
    this.#conversation.resume();
  }

  /**
   * Ends our direction once what was sent has left; the peer may go on. The connection is over when it ends too: no other
   * link follows.
   *
   * @throws PolywireError `unsupported` where the wire has no half-close; `not-available` without a link.
   */
  end(): void {
    this.#conversation.end();
  }

  /** Dials now instead of at the end of the wait, where there is one: the network is known to be back. */
  reconnectNow(): void {
    this.#conversation.keeper.hurry();
  }

  /**
   * Ends the connection: what the link has accepted leaves first, unless the reason says to discard it. Fulfilled with how
   * it ended, also when it had ended already.
   */
  close(reason: CloseReason = {}): Promise<CloseInfo> {
    const closed = new Promise<CloseInfo>((resolve) => {
      const { closeInfo } = this;
      if (closeInfo !== undefined) resolve(closeInfo);
      else this.on("close", resolve, { once: true });
    });
    this.#conversation.keeper.close(reason);
    return closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What happened to it, and why it is where it is. Its `toString` is for people and language models. */
  explain(): Explanation {
    return explanationOf(this as Connection, this.#conversation.keeper);
  }
}
