import type { CloseInfo, CloseReason } from "../contract/close.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link, Refusal, SendResult, Sink } from "../contract/link.ts";
import { copyPayload, type Payload, type Prepared } from "../contract/payload.ts";
import { Events, type ListenOptions } from "./events.ts";

export interface ConnectionEvents {
  /** One message. Bytes are borrowed until the listener returns. */
  data: Payload;
  /** The peer has caught up after a `send` that said `wait`. */
  drain: undefined;
  /** The peer has ended its side. Without a listener the connection closes then. */
  end: undefined;
  /** A listener or the wire failed; the connection may live on. */
  error: PolywireError;
  /** The connection is over. Comes exactly once, last. */
  close: CloseInfo;
}

/** `ready` from birth, for `network.connect` waits for the link; `closed` for good. */
export type ConnectionState = "ready" | "closed";

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

export interface ConnectionOwner {
  connectionClosed(connection: Connection, info: CloseInfo): void;
  connectionFailed(connection: Connection, error: PolywireError): void;
}

/**
 * What a program holds of a conversation it dialled. Nothing is read before somebody listens for `data`, so no first
 * message is lost; from then on messages are pushed synchronously.
 *
 * Its life is that of its one link: a connection that outlives lost links, with states, health and quality, replaces
 * the link below without changing what is here.
 */
export class Connection<L extends Link = Link> implements Sink {
  readonly place: ConnectionPlace;
  /** The link, for what only its protocol can do. Its sink is this connection. */
  readonly link: L;
  messagesIn = 0;
  messagesOut = 0;
  refusals = 0;
  readonly #owner: ConnectionOwner;
  readonly #events: Events<ConnectionEvents>;
  #state: ConnectionState = "ready";
  #isReading = false;
  #closeInfo: CloseInfo | undefined = undefined;

  constructor(link: L, owner: ConnectionOwner, place: ConnectionPlace) {
    this.link = link;
    this.place = place;
    this.#owner = owner;
    this.#events = new Events((error) => this.#fail(error));
    link.open(this);
    link.pause();
  }

  get id(): string {
    return this.place.id;
  }

  get endpoint(): Endpoint {
    return this.place.endpoint;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** How it ended, once it did. */
  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo;
  }

  get bufferedBytes(): number {
    return this.link.bufferedBytes;
  }

  /** Why the last `send` was refused, if one was. */
  get refusal(): Refusal | undefined {
    return this.link.refusal;
  }

  /** See {@link Link.send}. */
  send(payload: Payload | Prepared): SendResult {
    const result = this.link.send(payload);
    if (result === "refused") this.refusals++;
    else this.messagesOut++;
    return result;
  }

  /** Returns the function that unsubscribes. The first `data` listener starts the reading. */
  on<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: (event: ConnectionEvents[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    const unsubscribe = this.#events.on(name, listener, options);
    if (name === "data" && !this.#isReading) {
      this.#isReading = true;
      this.link.resume();
    }
    return unsubscribe;
  }

  pause(): void {
    this.#isReading = true;
    this.link.pause();
  }

  resume(): void {
    this.#isReading = true;
    this.link.resume();
  }

  /** Fulfilled with how it ended, also when it had ended already. */
  close(reason?: CloseReason): Promise<CloseInfo> {
    const closed = new Promise<CloseInfo>((resolve) => {
      if (this.#closeInfo !== undefined) resolve(this.#closeInfo);
      else this.#events.on("close", resolve, { once: true });
    });
    this.link.close(reason);
    return closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  message(payload: Payload): void {
    this.messagesIn++;
    this.#events.emit("data", payload);
  }

  drain(): void {
    this.#events.emit("drain", undefined);
  }

  ended(): void | false {
    if (!this.#events.has("end")) return false;
    this.#events.emit("end", undefined);
    return undefined;
  }

  closed(info: CloseInfo): void {
    this.#state = "closed";
    this.#closeInfo = info;
    this.#owner.connectionClosed(this as Connection, info);
    if (this.#events.has("error") && info.error !== undefined) this.#events.emit("error", info.error);
    this.#events.emit("close", info);
  }

  #fail(error: PolywireError): void {
    this.#owner.connectionFailed(this as Connection, error);
  }
}

/** Most messages that {@link messages} holds for a consumer that is behind, before it pauses the connection. */
const MAX_WAITING_MESSAGES = 64;

/**
 * The connection's messages for `for await`. Bytes are copied, so they may be kept. A consumer that is behind pauses
 * the connection. Ends when the connection closes; throws its error when it was cut off.
 */
export async function* messages(connection: Connection): AsyncGenerator<Payload, void, undefined> {
  const waiting: Payload[] = [];
  let wake: () => void = () => {};
  const stops = [
    connection.on("data", (payload) => {
      waiting.push(copyPayload(payload));
      if (waiting.length >= MAX_WAITING_MESSAGES) connection.pause();
      wake();
    }),
    connection.on("close", () => wake()),
  ];
  try {
    for (;;) {
      const batch = waiting.splice(0);
      yield* batch;
      if (waiting.length > 0) continue;
      const { closeInfo } = connection;
      if (closeInfo?.error !== undefined) throw closeInfo.error;
      if (closeInfo !== undefined) return;
      connection.resume();
      // Resuming may deliver at once.
      if (waiting.length === 0 && connection.state !== "closed") {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    for (const stop of stops) stop();
  }
}
