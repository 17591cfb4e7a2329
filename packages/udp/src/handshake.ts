import type { Socket } from "node:dgram";
import { type DialContext, type Endpoint, PolywireError, type Timer } from "@polywire/core";
import { readRefusal, readWelcome } from "./answers.ts";
import type { HeaderLink, LinkIds } from "./header-link.ts";
import { helloPacket, requestBytes } from "./hello.ts";
import type { CompleteDialOptions } from "./options.ts";
import { type ConnectionId, HEADER_BYTES, hasId, malformed, packet, TYPE, typeOf } from "./packet.ts";

/** The first datagram is one of few and small ones: half of RFC 6298's second is bold enough. */
const FIRST_REPEAT_MS = 500;
/** What RFC 8085, section 3.1, allows to whoever knows nothing of the network. */
const MOST_REPEAT_MS = 3_000;
/** A cookie lives 30 s over there. */
const COOKIE_LIFE_MS = 20_000;
const NO_COOKIE = Buffer.alloc(0);
/** Data that overtakes the welcome. */
const MAX_EARLY = 64;
/** Statuses that another try may not meet again. */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What both sides agreed on. */
export interface Agreement {
  readonly ids: LinkIds;
  readonly datagramBytes: number;
  readonly subprotocol: string | undefined;
}

export interface HandshakeParts {
  readonly endpoint: Endpoint;
  readonly context: DialContext;
  readonly options: CompleteDialOptions;
  readonly id: ConnectionId;
}

/** The dialling side of a handshake: asks until it is answered or the caller has waited long enough. */
export class Handshake {
  readonly done: Promise<Agreement>;
  readonly #socket: Socket;
  readonly #parts: HandshakeParts;
  readonly #request: Buffer;
  readonly #early: Buffer[] = [];
  #cookie = NO_COOKIE;
  #cookieAtMs = 0;
  #repeatMs = FIRST_REPEAT_MS;
  #timer: Timer | undefined = undefined;
  #isSettled = false;
  #link: HeaderLink | undefined = undefined;
  #resolve: (agreement: Agreement) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(socket: Socket, parts: HandshakeParts) {
    const { endpoint, context, options } = parts;
    this.#socket = socket;
    this.#parts = parts;
    const { path, query } = endpoint;
    const { subprotocols } = options;
    this.#request = requestBytes({ path, query, subprotocols, headers: context.metadata });
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    socket.on("message", (datagram) => this.#arrived(datagram));
    context.signal.addEventListener("abort", this.#abort, { once: true });
    if (context.signal.aborted) this.#abort();
    else this.#ask();
  }

  /** The socket says that the peer cannot be reached. */
  failed(error: Error): void {
    this.#fail(PolywireError.from(error, "host-unreachable", `connect to "${this.#parts.endpoint}"`));
  }

  /** From here on every datagram is the link's. */
  handOver(link: HeaderLink): void {
    this.#link = link;
    for (const datagram of this.#early.splice(0)) link.arrived(datagram);
  }

  #ask(): void {
    if (this.#isSettled) return;
    const { endpoint, context, options, id } = this.#parts;
    const { mode, maxDatagramBytes } = options;
    const nowMs = context.clock.now();
    if (nowMs - this.#cookieAtMs > COOKIE_LIFE_MS) this.#cookie = NO_COOKIE;
    try {
      const hello = { id, mode, maxDatagramBytes, cookie: this.#cookie, request: this.#request, endpoint };
      this.#socket.send(helloPacket(hello), this.#sent);
    } catch (thrown) {
      return this.#fail(thrown);
    }
    this.#timer?.cancel();
    this.#timer = context.clock.setTimer(() => this.#ask(), this.#repeatMs);
    this.#repeatMs = Math.min(this.#repeatMs * 2, MOST_REPEAT_MS);
  }

  #arrived(datagram: Buffer): void {
    const { options, id } = this.#parts;
    const isOurs = datagram.length <= options.maxDatagramBytes && malformed(datagram) === undefined;
    if (!isOurs) return;
    const type = typeOf(datagram);
    // Who knows nothing of a link can only say by which id it was called.
    const expected = type === TYPE.unknown && this.#link !== undefined ? this.#link.ids.peer : id;
    if (!hasId(datagram, expected)) return;
    if (type === TYPE.unknown) return this.#unknown();
    if (this.#link !== undefined) {
      // An answer that was repeated says nothing new.
      if (type > TYPE.refuse) this.#link.arrived(datagram);
    } else if (type === TYPE.cookie) this.#takeCookie(datagram);
    else if (type === TYPE.welcome) this.#welcomed(datagram);
    else if (type === TYPE.refuse) this.#refused(datagram);
    else if (this.#early.length < MAX_EARLY) this.#early.push(datagram);
  }

  #takeCookie(datagram: Buffer): void {
    if (this.#isSettled || this.#cookie.length > 0) return;
    this.#cookie = Buffer.from(datagram.subarray(HEADER_BYTES));
    this.#cookieAtMs = this.#parts.context.clock.now();
    this.#repeatMs = FIRST_REPEAT_MS;
    this.#ask();
  }

  #welcomed(datagram: Buffer): void {
    const welcome = readWelcome(datagram);
    if (welcome === undefined || this.#isSettled) return;
    const datagramBytes = Math.min(welcome.maxDatagramBytes, this.#parts.options.maxDatagramBytes);
    this.#settle();
    const ids = { own: this.#parts.id, peer: welcome.id };
    this.#resolve({ ids, datagramBytes, subprotocol: welcome.subprotocol });
  }

  #refused(datagram: Buffer): void {
    const { status, reason } = readRefusal(datagram);
    const message = `connect to "${this.#parts.endpoint}": the listener answered ${status} ${printable(reason)}`;
    const retryable = RETRYABLE_STATUS.has(status);
    this.#fail(new PolywireError("handshake-failed", `${message}: check path and credentials`, { retryable }));
  }

  #unknown(): void {
    const { endpoint, options } = this.#parts;
    if (this.#link !== undefined) {
      return this.#link.unknownToPeer(new PolywireError("connection-reset", "the peer knows nothing of the link"));
    }
    const message = `connect to "${endpoint}": nobody listens there in ${options.mode} mode`;
    this.#fail(new PolywireError("connection-refused", message));
  }

  readonly #abort = (): void => {
    const { context, id } = this.#parts;
    // The listener must not keep a link that nobody wants.
    this.#socket.send(packet(TYPE.unknown, id, 0), this.#sent);
    this.#fail(context.signal.reason);
  };

  readonly #sent = (error: Error | null): void => {
    if (error !== null) this.failed(error);
  };

  #fail(error: unknown): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#timer?.cancel();
    this.#parts.context.signal.removeEventListener("abort", this.#abort);
  }
}

/** The listener's own words, without what could forge a log line. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "").slice(0, 100);
}
