import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import { createSecureServer, type Http2Session } from "node:http2";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import {
  type Endpoint,
  type LinkLimits,
  type ListenContext,
  listenAt,
  PolywireError,
  type SharedServer,
  type TurnedAway,
} from "@polywire/core";
import { Handshakes } from "./handshakes.ts";
import type { CompleteListenOptions } from "./options.ts";
import { canonicalTarget, MAX_TARGET_LENGTH, type Target } from "./target.ts";

const MAX_HEADER_BYTES = 16_384;
/** How often Node looks for requests that take too long. */
const SWEEP_MS = 2_000;
/** Requests at once on one connection of HTTP/2, which Node leaves open to any number. RFC 9113 advises 100 or more. */
const MAX_STREAMS = 100;

/** How many of us answer the requests of one server: two networks may share it. */
const sharers = new WeakMap<Server, number>();
/** Responses that somebody answers. */
const taken = new WeakSet<ServerResponse>();

/** What answers the requests below a path. */
export interface Door {
  request(
    exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
    target: Target,
    proceed: (() => void) | undefined,
  ): void;
}

type ServerContext = Pick<ListenContext, "limits" | "turnedAway">;

/** One HTTP server with the listeners on it, by path. */
export class RequestServer implements SharedServer {
  readonly server: Server;
  readonly scheme: string;
  readonly tls: CompleteListenOptions["tls"];
  readonly #doors = new Map<string, Door>();
  readonly #isOwn: boolean;
  readonly #maxConnections: number;
  readonly #handshakes: Handshakes | undefined;
  readonly #idleTimeoutMs: number;
  readonly #turnedAway: ServerContext["turnedAway"];
  readonly #closed: () => void;
  readonly #connections = new Set<Socket>();
  readonly #sessions = new Set<Http2Session>();
  #isClosing = false;

  private constructor(
    server: Server,
    {
      scheme,
      tls,
      isOwn,
      maxConnections,
      maxHandshakes,
      idleTimeoutMs,
      turnedAway,
      closed,
    }: {
      readonly scheme: string;
      readonly tls: CompleteListenOptions["tls"];
      readonly isOwn: boolean;
      readonly maxConnections: number;
      readonly maxHandshakes: number;
      readonly idleTimeoutMs: number;
      readonly turnedAway: ServerContext["turnedAway"];
      readonly closed: () => void;
    },
  ) {
    this.server = server;
    this.scheme = scheme;
    this.tls = tls;
    this.#isOwn = isOwn;
    this.#maxConnections = maxConnections;
    this.#handshakes = isOwn && scheme === "https" ? new Handshakes(server, maxHandshakes) : undefined;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#turnedAway = turnedAway;
    this.#closed = closed;
    sharers.set(server, (sharers.get(server) ?? 0) + 1);
    server.on("request", this.#onRequest);
    server.on("checkContinue", this.#onCheckContinue);
    if (!isOwn) return;
    server.on("connection", this.#onConnection);
    server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
      onClientError(error, socket, turnedAway);
    });
    server.on("session", this.#onSession);
  }

  /** Fulfilled when bound. `closed` is called when the last listener has gone. */
  static async open(
    endpoint: Endpoint,
    { options, context, closed }: { options: CompleteListenOptions; context: ServerContext; closed: () => void },
  ): Promise<RequestServer> {
    const { limits } = context;
    const server = makeServer(endpoint, options, limits);
    const { scheme } = endpoint;
    const own = new RequestServer(server, {
      scheme,
      tls: options.tls,
      isOwn: true,
      maxConnections: limits.maxLinks,
      maxHandshakes: limits.maxHandshakes,
      turnedAway: (cause) => context.turnedAway(cause),
      idleTimeoutMs: options.keepAliveTimeoutMs,
      closed,
    });
    const port = endpoint.port ?? (endpoint.scheme === "https" ? 443 : 80);
    await listenAt(server, { host: endpoint.host, port }, endpoint);
    return own;
  }

  /** A server that the program made and shares with us. */
  static share(server: Server, scheme: string, closed: () => void): RequestServer {
    const parts = {
      maxConnections: Number.POSITIVE_INFINITY,
      maxHandshakes: Number.POSITIVE_INFINITY,
      idleTimeoutMs: 0,
      // Its connections are the program's: it judges them.
      turnedAway: () => {},
    };
    return new RequestServer(server, { scheme, tls: undefined, isOwn: false, ...parts, closed });
  }

  get port(): number | undefined {
    const address = this.server.address();
    return typeof address === "object" ? address?.port : undefined;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** @throws PolywireError `address-in-use` if the path is taken. */
  add(path: string, door: Door, endpoint: Endpoint): void {
    if (this.#doors.has(path)) {
      throw new PolywireError("address-in-use", `listen on "${endpoint}": this network listens on that path already`);
    }
    this.#doors.set(path, door);
  }

  remove(path: string): void {
    this.#doors.delete(path);
    if (this.#doors.size > 0) return;
    this.#isClosing = true;
    this.#closed();
    if (this.#isOwn) return this.#close();
    sharers.set(this.server, (sharers.get(this.server) ?? 1) - 1);
    this.server.off("request", this.#onRequest);
    this.server.off("checkContinue", this.#onCheckContinue);
  }

  /**
   * Frees the address. Requests under way are answered, also those that are still being sent; connections without one are
   * closed: by Node where there was one before, by us where nothing has come yet. What was upgraded is somebody else's.
   */
  #close(): void {
    this.server.close();
    for (const socket of this.#connections) if (socket.bytesRead === 0) socket.destroy();
    for (const session of this.#sessions) session.close();
  }

  readonly #onConnection = (socket: Socket): void => {
    const isFull = this.#connections.size >= this.#maxConnections;
    if (isFull || this.#handshakes?.takes(socket) === false) {
      this.#turnedAway("full");
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.once("close", () => void this.#connections.delete(socket));
  };

  readonly #onSession = (session: Http2Session): void => {
    this.#sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => void this.#sessions.delete(session));
    let streams = 0;
    session.on("stream", (stream) => {
      streams++;
      stream.once("close", () => void streams--);
    });
    // A stream may be silent for long; a session without any is of no use.
    session.setTimeout(this.#idleTimeoutMs, () => {
      if (streams === 0) session.close();
    });
  };

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    this.#serve(request, response, undefined);
  };

  readonly #onCheckContinue = (request: IncomingMessage, response: ServerResponse): void => {
    this.#serve(request, response, () => response.writeContinue());
  };

  #serve(request: IncomingMessage, response: ServerResponse, proceed: (() => void) | undefined): void {
    request.on("error", () => {});
    const { url = "", headers } = request;
    const target = canonicalTarget(url);
    const isCoded = (headers["transfer-encoding"] ?? "chunked") !== "chunked";
    const door = target && this.#find(target.path);
    if (url.length > MAX_TARGET_LENGTH) {
      this.#leave(request, response, { status: 414, reason: "the target is too long" });
    } else if (target === undefined || isCoded || hasTwoHosts(request)) {
      this.#leave(request, response, { status: 400, reason: "this is no request for a server of origin" });
    } else if (this.#isClosing) {
      this.#leave(request, response, { status: 503, reason: "closing" });
    } else if (door === undefined) {
      this.#leave(request, response, { status: 404, reason: "nothing is here" });
    } else {
      taken.add(response);
      door.request({ request, response }, target, proceed);
    }
  }

  /** What is not ours may be for others who listen on the same server; the last of us refuses it. */
  #leave(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
    const isForOthers = this.server.listenerCount("request") > (sharers.get(this.server) ?? 1);
    if (isForOthers) return;
    queueMicrotask(() => {
      if (taken.has(response)) return;
      taken.add(response);
      refuse(request, response, refusal);
    });
  }

  /** The path itself, else the longest one above it that ends in a slash. */
  #find(path: string): Door | undefined {
    const exact = this.#doors.get(path);
    if (exact !== undefined) return exact;
    for (let end = path.lastIndexOf("/"); end >= 0; end = path.lastIndexOf("/", end - 1)) {
      const above = this.#doors.get(path.slice(0, end + 1));
      if (above !== undefined) return above;
      if (end === 0) return undefined;
    }
    return undefined;
  }
}

/** RFC 9112, section 3.2: whoever stands before us may have gone by the other one. Node keeps the first in silence. */
function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return hosts > 1;
}

export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** A refusal that will not last: who comes back a second later may be let in. */
const LATER = 503;

/** Answers for nobody, and lets no further request come on the connection of a body that nobody reads. */
export function refuse(request: IncomingMessage, response: ServerResponse, { status, reason }: Refusal): void {
  const body = `${reason}\n`;
  response.on("error", () => {});
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff",
    ...(status === LATER && { "retry-after": "1" }),
    ...(request.httpVersionMajor < 2 && { connection: "close" }),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function makeServer(endpoint: Endpoint, options: CompleteListenOptions, limits: LinkLimits): Server {
  const settings = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: limits.handshakeTimeoutMs,
    requestTimeout: Math.max(options.requestTimeoutMs, limits.handshakeTimeoutMs),
    connectionsCheckingInterval: Math.min(SWEEP_MS, limits.handshakeTimeoutMs),
    keepAliveTimeout: options.keepAliveTimeoutMs,
    requireHostHeader: true,
    insecureHTTPParser: false,
    noDelay: true,
  };
  if (endpoint.scheme === "http") return createServer(settings);
  const { tls } = options;
  if (tls === undefined) {
    throw new PolywireError(
      "invalid-argument",
      `listen on "${endpoint}": https needs the option tls with a certificate and its key`,
    );
  }
  const secure = { handshakeTimeout: limits.handshakeTimeoutMs, ...tls, ...settings };
  try {
    if (!options.http2) return createTlsServer(secure);
    const server = createSecureServer({
      ...secure,
      allowHTTP1: true,
      maxSessionMemory: 10,
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES },
    });
    // Its requests and responses have the members that are used here.
    return server as unknown as Server;
  } catch (thrown) {
    throw PolywireError.from(thrown, "invalid-argument", `listen on "${endpoint}"`);
  }
}

function onClientError(
  error: Error & { code?: string },
  socket: Socket,
  turnedAway: (cause: TurnedAway) => void,
): void {
  socket.on("error", destroySocket);
  const { code = "" } = error;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") turnedAway("late");
  else if (code.startsWith("HPE_") || code.startsWith("ERR_SSL_")) turnedAway("malformed");
  if (!socket.writable || socket.bytesWritten > 0) socket.destroy();
  else if (code === "HPE_HEADER_OVERFLOW") refuseSocket(socket, 431, "headers are over 16 KiB");
  else if (code === "ERR_HTTP_REQUEST_TIMEOUT") refuseSocket(socket, 408, "the request took too long");
  else if (code.startsWith("HPE_")) refuseSocket(socket, 400, "this is no HTTP request");
  else socket.destroy();
}

function refuseSocket(socket: Socket, status: number, reason: string): void {
  const body = `${reason}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    "X-Content-Type-Options: nosniff",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

function destroySocket(this: Socket): void {
  this.destroy();
}
