import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type Clock, type DialContext, type Endpoint, PolywireError, type Timer } from "@polywire/core";
import { RESET } from "./closing.ts";
import { Keepalive, type KeptAlive } from "./keepalive.ts";
import type { CallConnection } from "./link.ts";
import type { CompleteDialOptions } from "./options.ts";
import { ConnectionPeer } from "./peer.ts";
import { RoundTrips } from "./round-trips.ts";
import { defaultPort } from "./server.ts";

const CONNECTION_WINDOW_BYTES = 1_048_576;
/**
 * Calls of one connection until it is replaced: every link that closes is a reset, and servers take many of them for an
 * attack (CVE-2023-44487). Node's own ends a connection after 1,000 in a row.
 */
const MAX_CALLS = 500;
/** What a server says of pings it finds too many (gRPC's keepalive guide). */
const TOO_MANY_PINGS = "too_many_pings";

/** What Node says of an option that it cannot use, such as a certificate that is none. */
const ARGUMENT_ERROR = /^ERR_(?:INVALID_|OUT_OF_RANGE|TLS_INVALID_|TLS_PROTOCOL_VERSION_CONFLICT|OSSL_)/;

export interface ConnectParts {
  readonly context: Pick<DialContext, "clock" | "limits" | "mark" | "signal">;
  readonly options: CompleteDialOptions;
  /** How much longer keepalive waits than it was told, by address: servers may find it too eager. */
  readonly patience: Map<string, number>;
  readonly lookup: LookupFunction;
}

/** Who shares a connection among links. */
export interface SharingOwner {
  /** Nothing is under way on a connection that would take calls. */
  idle(connection: ClientConnection): void;
  gone(connection: ClientConnection): void;
}

/** One HTTP/2 connection to a server. */
export class ClientConnection implements CallConnection, KeptAlive {
  readonly peer: ConnectionPeer;
  loss: PolywireError | boolean = false;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #closeTimeoutMs: number;
  readonly #keepalive: Keepalive | undefined;
  readonly #maxStreams: number;
  /** Absent where one exchanger has it to itself. */
  owner: SharingOwner | undefined = undefined;
  #calls = 0;
  #made = 0;
  readonly #roundTrips: RoundTrips = new RoundTrips((answered) => this.#askServer(answered));
  #deadline: Timer | undefined = undefined;
  #isUsable = true;
  #isDraining = false;
  #isOver = false;
  #closeTimer: Timer | undefined = undefined;

  private constructor(
    session: ClientHttp2Session,
    socket: Socket,
    { endpoint, parts }: { endpoint: Endpoint; parts: ConnectParts },
  ) {
    const { clock, limits } = parts.context;
    this.#session = session;
    this.#socket = socket;
    this.#clock = clock;
    this.#closeTimeoutMs = limits.closeTimeoutMs;
    this.#maxStreams = parts.options.maxStreams;
    this.peer = new ConnectionPeer(socket);
    const { keepalive } = parts.options;
    const key = `${endpoint.scheme} ${endpoint.host} ${endpoint.port}`;
    const factor = parts.patience.get(key) ?? 1;
    this.#keepalive =
      keepalive &&
      new Keepalive({ session, socket }, this, {
        clock,
        options: { ...keepalive, intervalMs: keepalive.intervalMs * factor },
      });
    session.on("goaway", (code: number, _lastStream: number, data?: Uint8Array) => {
      this.#isUsable = false;
      this.#isDraining = code === RESET.noError;
      const isComplaint = code === RESET.enhanceYourCalm && data !== undefined;
      this.#checkIdle();
      // gRPC's keepalive guide: twice the interval from here on.
      if (isComplaint && Buffer.from(data).toString("latin1") === TOO_MANY_PINGS) parts.patience.set(key, factor * 2);
    });
    session.on("close", () => this.#closed());
  }

  /** Fulfilled when the server has sent its settings, so that it is known to speak HTTP/2. */
  static async connect(endpoint: Endpoint, parts: ConnectParts): Promise<ClientConnection> {
    const { context, options } = parts;
    const socket = await connectSocket(endpoint, parts);
    const { host, port = defaultPort(endpoint), scheme } = endpoint;
    const authority = `${scheme === "grpcs" ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
    const session = connectHttp2(authority, {
      createConnection: () => socket,
      maxSessionMemory: options.maxSessionMegabytes,
      settings: {
        enablePush: false,
        initialWindowSize: options.windowBytes,
        maxHeaderListSize: options.maxMetadataBytes,
      },
    });
    session.on("error", ignore);
    await settingsOf({ session, socket }, endpoint, context.signal);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    return new ClientConnection(session, socket, { endpoint, parts });
  }

  /** It takes new calls. */
  get isUsable(): boolean {
    return this.#isUsable && !this.#session.closed && !this.#session.destroyed;
  }

  /** Calls that can be added now: as many as we and the server allow at once. */
  get room(): number {
    if (!this.isUsable || this.#made >= MAX_CALLS) return 0;
    return this.streams - this.#calls;
  }

  /** Calls at once that we and the server allow. */
  get streams(): number {
    const { maxConcurrentStreams = this.#maxStreams } = this.#session.remoteSettings;
    return Math.min(this.#maxStreams, maxConcurrentStreams);
  }

  /** Calls were made on it before. */
  get wasUsed(): boolean {
    return this.#made > 0;
  }

  get isBusy(): boolean {
    return this.#calls > 0;
  }

  /** A new call. @throws PolywireError `connection-reset` if the connection takes none any more. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(headers, { endStream: false });
    } catch (cause) {
      throw PolywireError.from(cause, "connection-reset", "the connection takes no more calls");
    }
    // In the same tick it is made: a stream without one would end the process.
    stream.on("error", ignore);
    this.#calls++;
    this.#made++;
    this.#session.ref();
    stream.once("close", () => {
      this.#calls--;
      // Its link may want to know how the server took its end.
      queueMicrotask(() => this.#checkIdle());
    });
    return stream;
  }

  /** Takes no more calls, and ends with its last. */
  retire(): void {
    this.#isUsable = false;
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#calls > 0 || this.#roundTrips.isWaiting || this.#isOver) return;
    if (!this.#isUsable || (this.owner !== undefined && this.#made >= MAX_CALLS)) return this.close();
    if (this.owner === undefined) return;
    // It is kept for the next link, not to keep a program from its end.
    this.#session.unref();
    this.owner.idle(this);
  }

  settle(done: (isSettled: boolean) => void): void {
    // A server that takes no more calls ends the connection with its last: nothing is left to ask.
    if (this.#isDraining || this.#session.destroyed) return done(this.#isDraining);
    this.#roundTrips.ask(done);
  }

  roundTrip(answered: () => void): void {
    if (!this.#session.destroyed) this.#roundTrips.ask((isAnswered) => void (isAnswered && answered()));
  }

  /**
   * By a SETTINGS frame, which the server has to answer in its turn (RFC 9113, section 6.5.3): servers count pings, and
   * find too many of them a reason to hang up.
   */
  #askServer(answered: (isAnswered: boolean) => void): void {
    const settled = (isAnswered: boolean): void => {
      deadline.cancel();
      answered(isAnswered || this.#isDraining);
      this.#checkIdle();
    };
    const deadline = this.#clock.setTimer(() => {
      // What it does not hear it cannot take either. Whether it is gone is for the keepalive to find out.
      this.#isUsable = false;
      settled(false);
    }, this.#closeTimeoutMs);
    this.#deadline = deadline;
    if (this.#session.destroyed) queueMicrotask(() => settled(false));
    else this.#session.settings({}, (error) => settled(error === null));
  }

  /** For the keepalive. */
  silent(error: PolywireError): void {
    this.loss = error;
    this.#session.destroy();
  }

  /** Ends with its last call. A peer that does not take part is cut off. */
  close(): void {
    if (this.#isOver || this.#closeTimer !== undefined) return;
    this.#closeTimer = this.#clock.setTimer(() => this.#cutOff(), this.#closeTimeoutMs);
    if (!this.#session.destroyed) this.#session.close();
  }

  #cutOff(): void {
    this.#session.destroy();
    // The session may have ended long ago, waiting for the server's end of the socket.
    this.#socket.destroy();
  }

  #closed(): void {
    this.#isOver = true;
    if (this.loss === false) this.loss = true;
    this.#keepalive?.stop();
    this.#closeTimer?.cancel();
    this.#deadline?.cancel();
    this.#roundTrips.end(this.#isDraining);
    this.owner?.gone(this);
  }
}

function connectSocket(endpoint: Endpoint, { context, options, lookup }: ConnectParts): Promise<Socket> {
  const { host, scheme, port = defaultPort(endpoint) } = endpoint;
  const { signal } = context;
  const isSecure = scheme === "grpcs";
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = open();
    const settle = (): void => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
    };
    const fail = (thrown: Error & { code?: string }): void => {
      settle();
      socket.on("error", ignore);
      socket.destroy();
      reject(dialError(endpoint, thrown));
    };
    const abort = (): void => {
      settle();
      socket.on("error", ignore);
      socket.destroy();
      reject(signal.reason as Error);
    };
    socket.on("error", fail);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("lookup", () => context.mark("dns"));
    socket.once("connect", () => context.mark("connect"));
    socket.once(isSecure ? "secureConnect" : "connect", () => {
      if (isSecure) context.mark("tls");
      if (isSecure && (socket as TLSSocket).alpnProtocol !== "h2") {
        fail(new PolywireError("handshake-failed", `connect to "${endpoint}": the server does not offer HTTP/2`));
        return;
      }
      settle();
      // The session has its own from its first turn on.
      socket.on("error", ignore);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });

  function open(): Socket {
    try {
      if (!isSecure) return connectTcp({ host, port, lookup });
      const servername = isIP(host) === 0 ? host : "";
      return connectTls({ servername, lookup, ...options.tls, ALPNProtocols: ["h2"], host, port });
    } catch (thrown) {
      throw dialError(endpoint, thrown as Error & { code?: string });
    }
  }
}

function settingsOf(
  { session, socket }: { readonly session: ClientHttp2Session; readonly socket: Socket },
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener("abort", abort);
      session.off("error", failed);
      socket.off("error", failed);
      session.off("close", closed);
      session.off("remoteSettings", arrived);
    };
    const abort = (): void => {
      settle();
      session.destroy();
      reject(signal.reason as Error);
    };
    const failed = (thrown: Error & { code?: string }): void => {
      settle();
      session.destroy();
      const problem = `connect to "${endpoint}": the server does not speak HTTP/2: check the port`;
      const isProtocol = thrown.code?.startsWith("ERR_HTTP2_") === true;
      reject(
        isProtocol ? new PolywireError("handshake-failed", problem, { cause: thrown }) : dialError(endpoint, thrown),
      );
    };
    const closed = (): void => {
      settle();
      const problem = `connect to "${endpoint}": the server closed the connection before it spoke HTTP/2`;
      reject(new PolywireError("connection-reset", problem));
    };
    const arrived = (): void => {
      settle();
      resolve();
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    session.on("error", failed);
    // Node's session does not end by an alert that comes after the handshake, such as that our certificate is refused.
    socket.on("error", failed);
    session.on("close", closed);
    session.on("remoteSettings", arrived);
  });
}

function dialError(endpoint: Endpoint, thrown: Error & { code?: string }): PolywireError {
  const { code = "" } = thrown;
  const isArgument = ARGUMENT_ERROR.test(code);
  const fallback = isArgument ? "invalid-argument" : "handshake-failed";
  return PolywireError.from(thrown, fallback, `connect to "${endpoint}"`);
}

function ignore(): void {}
