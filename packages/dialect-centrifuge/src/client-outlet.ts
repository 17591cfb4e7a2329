import type { DataFormat, Link, Payload, SendResult } from "@polywire/core";
import {
  type ChannelEvent,
  type ClientError,
  type ClientSession,
  DISCONNECTS,
  type Disconnect,
  ERRORS,
  type Outlet,
  type SubscribeResult,
  type Unsubscribe,
} from "@polywire/realtime";
import type { Broadcast } from "./broadcast.ts";
import type { Codec } from "./codec.ts";
import type { CompleteOptions } from "./options.ts";
import { subscribePush } from "./results.ts";

/** Bad commands further apart than this are forgiven. */
const BAD_COMMANDS_WINDOW_MS = 10_000;

/** What all clients of one encoding share. */
export interface EncodingGroup {
  readonly codec: Codec;
  readonly broadcast: Broadcast;
  readonly options: CompleteOptions;
  /** Its clients are told of their end in a push, also where a close has a code. */
  readonly tellsEnd: boolean;
}

/** Who reads a client's commands. */
export interface CommandSource {
  /** A command has its reply. */
  answered(): void;
  /** The client does not take its replies as fast as it asks for them; `Sink.drain` comes when it has caught up. */
  fellBehind(): void;
}

/** The way out to one client: what the hub tells it, and the answers to its commands. */
export class ClientOutlet implements Outlet {
  readonly #link: Link;
  readonly #group: EncodingGroup;
  readonly #source: CommandSource;
  /** Its end is told in the protocol's own words: the wire has none, or hides them from a client of bare messages. */
  readonly #tellsEnd: boolean;
  /** What the client is told of a channel may name it by its number. */
  knowsNumbers = true;
  #session: ClientSession | undefined = undefined;
  #badCommands = 0;
  #firstBadCommandMs = 0;

  constructor(link: Link, group: EncodingGroup, source: CommandSource) {
    this.#link = link;
    this.#group = group;
    this.#source = source;
    this.#tellsEnd = !link.traits.closeCodes || group.tellsEnd;
  }

  /** The session that uses this outlet, once there is one: it ends when its client cannot be told something. */
  set session(session: ClientSession) {
    this.#session = session;
  }

  get codec(): Codec {
    return this.#group.codec;
  }

  get encoding(): string {
    return this.codec.name;
  }

  get address(): string | undefined {
    return this.#link.peer.address;
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  get isClosed(): boolean {
    return this.#link.refusal === "closed";
  }

  event(event: ChannelEvent, form = 0): SendResult {
    return this.#group.broadcast.send(this.#link, event, form);
  }

  unsubscribed(channel: string, unsubscribe: Unsubscribe): void {
    this.#push(this.codec.pushUnsubscribe(channel, unsubscribe.code, unsubscribe.reason));
  }

  subscribed(channel: string, result: SubscribeResult): void {
    this.#push(this.codec.pushSubscribe(channel, subscribePush(result)));
  }

  message(data: Uint8Array, format: DataFormat): SendResult {
    return this.#link.send(this.codec.pushMessage(data, format));
  }

  ping(): void {
    this.#check(this.#group.broadcast.ping(this.#link));
  }

  disconnect(disconnect: Disconnect, discard: boolean): void {
    const { code } = disconnect;
    const reason = plainText(disconnect.reason);
    if (this.#tellsEnd && !discard) this.#link.send(this.codec.pushDisconnect(code, reason));
    this.#link.close(discard ? { code, reason, discard } : { code, reason });
  }

  /** Sends a reply. A client that is too far behind to take it is ended as slow; before that, its commands wait. */
  tell(payload: Payload): void {
    this.#replied(this.#link.send(payload));
  }

  /** Like {@link tell}, but says false, with nothing sent, where the link carries no message of this size. */
  tellIfFits(payload: Payload): boolean {
    const result = this.#link.send(payload);
    if (result === "refused" && this.#link.refusal === "too-large") return false;
    this.#replied(result);
    return true;
  }

  answerError(id: number, error: ClientError): void {
    this.tell(this.codec.error(id, error));
    if (error.code === ERRORS.badRequest.code) this.#countBadCommand();
  }

  #replied(result: SendResult): void {
    if (result === "wait") this.#source.fellBehind();
    else this.#check(result);
    this.#source.answered();
  }

  #push(payload: Payload): void {
    this.#check(this.#link.send(payload));
  }

  #check(result: SendResult): void {
    if (result === "refused" && this.#link.refusal !== "closed") this.#session?.disconnect(DISCONNECTS.slow);
  }

  #countBadCommand(): void {
    const { clock, maxBadCommands } = this.#group.options;
    const now = clock.now();
    if (this.#badCommands === 0 || now - this.#firstBadCommandMs > BAD_COMMANDS_WINDOW_MS) {
      this.#badCommands = 0;
      this.#firstBadCommandMs = now;
    }
    this.#badCommands++;
    if (this.#badCommands >= maxBadCommands) this.#session?.disconnect(DISCONNECTS.tooManyErrors);
  }
}

/**
 * Close reasons are shown as text. Clients of the protocol's first version looked for JSON in them, and some still do, so
 * one that happens to be JSON gets a full stop.
 */
function plainText(reason: string): string {
  try {
    JSON.parse(reason);
    return `${reason}.`;
  } catch {
    return reason;
  }
}
