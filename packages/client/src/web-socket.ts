import {
  type AnyProtocol,
  type CloseInfo,
  type Connection,
  type ErrorCode,
  type Network,
  type Payload,
  PolywireError,
  parseEndpoint,
} from "@polywire/core";
import { delimited, linkMessages, type SdkFrame } from "./frames.ts";
import type { CompleteOptions } from "./options.ts";
import { dialledUrl, type Encoding, type Wire, wireFor } from "./wires.ts";

export interface SocketMessageEvent {
  readonly type: "message";
  /** Text, or bytes in memory of their own. */
  readonly data: string | ArrayBuffer;
}

export interface SocketErrorEvent {
  readonly type: "error";
  readonly message: string;
  readonly error: PolywireError;
}

export interface SocketCloseEvent {
  readonly type: "close";
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

interface SocketPlace {
  readonly network: Network<readonly AnyProtocol[]>;
  readonly settings: CompleteOptions;
  readonly subprotocols: readonly string[];
}

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** RFC 6455, section 7.4.1: no code was given; the connection was lost; a message was too large. */
const NO_CODE = 1005;
const LOST = 1006;
const TOO_LARGE = 1009;
/** From the range of codes after which the SDK does not come back. */
const MISCONFIGURED = 4500;

/** No retry helps against these: the program has to change. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set(["invalid-argument", "unknown-scheme", "unsupported", "incompatible"]);

/**
 * One connection of a network in the shape of a browser's WebSocket, as far as the SDK uses it: `on…` handlers, `send`,
 * `close`, `readyState`, `binaryType`, `bufferedAmount`.
 *
 * Nothing is lost silently: `send` throws whenever the frame was not accepted, and the SDK then fails its commands.
 */
export class LinkWebSocket {
  static readonly CONNECTING: 0 = CONNECTING;
  static readonly OPEN: 1 = OPEN;
  static readonly CLOSING: 2 = CLOSING;
  static readonly CLOSED: 3 = CLOSED;

  /** May hold secrets. */
  readonly url: string;
  /** Bytes always arrive as an `ArrayBuffer`. */
  binaryType: "arraybuffer" | "blob" = "arraybuffer";
  onopen: ((event: { readonly type: "open" }) => void) | null = null;
  onmessage: ((event: SocketMessageEvent) => void) | null = null;
  onerror: ((event: SocketErrorEvent) => void) | null = null;
  onclose: ((event: SocketCloseEvent) => void) | null = null;
  readonly #settings: CompleteOptions;
  readonly #encoding: Encoding;
  readonly #dialling = new AbortController();
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  #connection: Connection | undefined = undefined;
  #isJoined = true;
  #hasEnded = false;

  constructor(url: string, { network, settings, subprotocols }: SocketPlace) {
    this.url = String(url);
    this.#settings = settings;
    this.#encoding = subprotocols.includes("centrifuge-protobuf") ? "protobuf" : "json";
    void this.#dial(network);
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  /** Bytes accepted by `send` that the operating system has not taken yet. */
  get bufferedAmount(): number {
    return this.#connection?.bufferedBytes ?? 0;
  }

  /** The subprotocol that the other side chose, if its wire has any. */
  get protocol(): string {
    return this.#connection?.link.peer.subprotocol ?? "";
  }

  /**
   * Sends one frame of the SDK.
   *
   * @throws PolywireError `invalid-state` before `onopen` and after the end, `too-large` with nothing sent and the
   * connection as it was, `overflow` if the peer has been behind for too long: the connection is cut then, so that the
   * SDK dials anew.
   */
  send(frame: SdkFrame | ArrayBuffer): void {
    const connection = this.#connection;
    if (connection === undefined || this.#readyState !== OPEN)
      throw new PolywireError("invalid-state", "the socket is not open: wait for onopen, or dial a new one");
    const bytes = frame instanceof ArrayBuffer ? new Uint8Array(frame) : frame;
    for (const message of linkMessages(bytes, this.#isJoined, connection.link.traits.maxMessageBytes)) {
      if (connection.send(message) === "refused") throw this.#cut(connection);
    }
  }

  /** Sends what was accepted, then closes; while connecting it aborts the dial. Idempotent. */
  close(code?: number, reason?: string): void {
    if (this.#readyState >= CLOSING) return;
    this.#readyState = CLOSING;
    if (this.#connection === undefined) this.#dialling.abort();
    else
      void this.#connection.close({
        ...(code === undefined ? {} : { code }),
        ...(reason === undefined ? {} : { reason }),
      });
  }

  async #dial(network: Network<readonly AnyProtocol[]>): Promise<void> {
    try {
      const endpoint = parseEndpoint(this.url);
      const wire = wireFor(endpoint, this.#encoding);
      this.#isJoined = (this.#settings.frames ?? wire.frames) === "joined";
      const connection = await network.connect(dialledUrl(endpoint, wire), this.#dialOptions(endpoint.scheme, wire));
      this.#established(connection);
    } catch (thrown) {
      this.#dialFailed(PolywireError.from(thrown));
    }
  }

  #dialOptions(scheme: string, wire: Wire): object {
    const { dial, headers, limits, timeoutMs } = this.#settings;
    const own = { ...wire.dial, ...dial.get(scheme) };
    // A WebSocket has one link; the SDK makes a new one when that is lost.
    return { ...own, signal: this.#dialling.signal, metadata: headers, limits, timeoutMs, reconnect: false };
  }

  #established(connection: Connection): void {
    connection.on("close", (info) => this.#linkClosed(info));
    if (connection.closeInfo !== undefined) return this.#linkClosed(connection.closeInfo);
    // Closed between the end of the dial and now.
    if (this.#readyState !== CONNECTING) return void connection.close({ discard: true });
    this.#connection = connection;
    this.#readyState = OPEN;
    this.#call(() => this.onopen?.({ type: "open" }));
    // Nothing is read before, so the handlers are in place for the first message.
    connection.on("data", (payload) => this.#message(payload));
  }

  #dialFailed(error: PolywireError): void {
    const wasAborted = this.#readyState !== CONNECTING;
    if (!wasAborted) this.#report(error);
    const isHopeless = !wasAborted && HOPELESS.has(error.code);
    this.#end({ code: isHopeless ? MISCONFIGURED : LOST, reason: isHopeless ? error.message : "", wasClean: false });
  }

  #message(payload: Payload): void {
    if (this.#readyState !== OPEN) return;
    const data = this.#encoding === "json" ? asText(payload) : this.#asFrame(payload);
    this.#call(() => this.onmessage?.({ type: "message", data }));
  }

  /** In memory of its own: the payload is only lent, and the SDK keeps parts of what it reads. */
  #asFrame(payload: Payload): ArrayBuffer {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    return this.#isJoined ? new Uint8Array(bytes).buffer : delimited(bytes);
  }

  /** A link that refuses cannot be trusted with the next frame either. */
  #cut(connection: Connection): PolywireError {
    const isOverflow = connection.refusal === "overflow";
    const error = isOverflow
      ? new PolywireError(
          "overflow",
          `${this.bufferedAmount} bytes wait for a peer that is behind: send less, or raise maxBufferedBytes`,
        )
      : new PolywireError("closed", "the link refused a frame and is closed: the SDK dials a new one", {
          retryable: true,
        });
    this.#readyState = CLOSING;
    this.#report(error);
    this.#end({ code: LOST, reason: "", wasClean: false });
    void connection.close({ discard: true });
    return error;
  }

  #linkClosed(info: CloseInfo): void {
    const { clean: wasClean, error } = info;
    if (error !== undefined && !this.#hasEnded) this.#report(error);
    const withoutCode = error?.code === "too-large" ? TOO_LARGE : wasClean ? NO_CODE : LOST;
    this.#end({ code: info.code ?? withoutCode, reason: info.code === undefined ? "" : info.reason, wasClean });
  }

  /**
   * `onclose` comes in a task of its own, as in a browser: the SDK works on what it has read in microtasks, and would
   * throw away the last messages, the reason for the end among them.
   */
  #end(end: Omit<SocketCloseEvent, "type">): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#readyState = CLOSING;
    this.#settings.clock.endOfTurn(() => {
      this.#readyState = CLOSED;
      this.#call(() => this.onclose?.({ type: "close", ...end }));
    });
  }

  #report(error: PolywireError): void {
    this.#tell(error);
    this.#call(() => this.onerror?.({ type: "error", message: error.message, error }));
  }

  #call(handler: () => void): void {
    try {
      handler();
    } catch (thrown) {
      this.#tell(PolywireError.from(thrown, "internal", "a handler of the socket threw"));
    }
  }

  #tell(error: PolywireError): void {
    try {
      this.#settings.onError(error);
    } catch {
      // Nobody is left to tell.
    }
  }
}

const decoder = new TextDecoder();

function asText(payload: Payload): string {
  return typeof payload === "string" ? payload : decoder.decode(payload);
}
