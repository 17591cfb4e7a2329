import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import { type Endpoint, type ListenContext, listenAt, PolywireError, type TurnedAway } from "@polywire/core";
import { destroySocket, refuse, requestTarget, type Target } from "./upgrade.ts";

const MAX_HEADER_BYTES = 16_384;
/** How often Node looks for requests that take too long. */
const SWEEP_MS = 2_000;
const KEEP_ALIVE_MS = 5_000;

/** What a path of a server leads to. */
export interface Door {
  upgrade(request: IncomingMessage, target: Target, head: Buffer): void;
}

/** One HTTP server and the WebSocket listeners on it, by path. */
export abstract class DoorKeeper {
  readonly server: HttpServer;
  protected readonly doors: Map<string, Door> = new Map();

  constructor(server: HttpServer) {
    this.server = server;
    server.on("upgrade", this.#onUpgrade);
  }

  /** Links that live on the server's connections, whatever their path. */
  links = 0;

  /** @throws PolywireError `address-in-use` if the path is taken. */
  add(path: string, door: Door, endpoint: Endpoint): void {
    if (this.doors.has(path)) {
      throw new PolywireError("address-in-use", `listen on "${endpoint}": this network listens on that path already`);
    }
    this.doors.set(path, door);
  }

  remove(path: string): void {
    this.doors.delete(path);
    if (this.doors.size > 0) return;
    this.server.off("upgrade", this.#onUpgrade);
    this.close();
  }

  /** The port it is bound to, if it is. */
  get port(): number | undefined {
    const address = this.server.address();
    return typeof address === "object" ? address?.port : undefined;
  }

  /** Nobody listens here any more. */
  protected abstract close(): void;
  protected abstract unknownPath(socket: Socket): void;

  readonly #onUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    const target = requestTarget(request);
    const door = target && this.doors.get(canonicalPath(target.path));
    if (target === undefined || door === undefined) {
      this.unknownPath(socket);
      return;
    }
    door.upgrade(request, target, head);
  };
}

/** An empty path and a slash are the same. */
export function canonicalPath(path: string): string {
  return path === "" ? "/" : path;
}

interface OwnServerParts {
  readonly tls: TlsOptions | undefined;
  readonly context: Pick<ListenContext, "limits" | "turnedAway">;
  readonly closed: () => void;
}

/** A server of our own: it answers what is not for a listener, and guards against slow and too many peers. */
export class OwnServer extends DoorKeeper {
  readonly scheme: string;
  readonly tls: TlsOptions | undefined;
  readonly #context: OwnServerParts["context"];
  readonly #closed: () => void;
  #connections = 0;

  private constructor(server: HttpServer, scheme: string, { tls, context, closed }: OwnServerParts) {
    super(server);
    this.scheme = scheme;
    this.tls = tls;
    this.#context = context;
    this.#closed = closed;
    server.on("connection", this.#onConnection);
    server.on("request", this.#onRequest);
    server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
      onClientError(error, socket, (cause) => context.turnedAway(cause));
    });
  }

  /** Fulfilled when bound. `closed` is called when the last listener has gone. */
  static async open(endpoint: Endpoint, options: OwnServerParts): Promise<OwnServer> {
    const { limits } = options.context;
    const settings = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: limits.handshakeTimeoutMs,
      requestTimeout: limits.handshakeTimeoutMs,
      connectionsCheckingInterval: Math.min(SWEEP_MS, limits.handshakeTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    const server =
      endpoint.scheme === "wss"
        ? createTlsServer({ handshakeTimeout: limits.handshakeTimeoutMs, ...options.tls, ...settings })
        : createServer(settings);
    const own = new OwnServer(server, endpoint.scheme, options);
    const port = endpoint.port ?? (endpoint.scheme === "wss" ? 443 : 80);
    await listenAt(server, { host: endpoint.host, port }, endpoint);
    return own;
  }

  protected override close(): void {
    this.#closed();
    this.server.close();
    // Closing alone would leave connections that have not asked for anything yet, with nobody to time them out.
    this.server.closeAllConnections();
  }

  protected override unknownPath(socket: Socket): void {
    refuse(socket, 404, "nothing is here");
  }

  readonly #onConnection = (socket: Socket): void => {
    this.#connections++;
    socket.on("close", this.#onDisconnection);
    if (this.#connections - this.links <= this.#context.limits.maxHandshakes) return;
    this.#context.turnedAway("busy");
    socket.destroy();
  };

  readonly #onDisconnection = (): void => {
    this.#connections--;
  };

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const path = canonicalPath(requestTarget(request)?.path ?? "");
    const isHere = this.doors.has(path);
    response.writeHead(isHere ? 426 : 404, {
      connection: "close",
      "content-type": "text/plain; charset=utf-8",
      ...(isHere && { upgrade: "websocket" }),
    });
    response.end(isHere ? "this is a WebSocket\n" : "nothing is here\n");
  };
}

/** A server that the program made and shares with us. */
export class SharedServer extends DoorKeeper {
  readonly #context: Pick<ListenContext, "clock" | "limits">;
  readonly #closed: () => void;

  constructor(server: HttpServer, context: Pick<ListenContext, "clock" | "limits">, closed: () => void) {
    super(server);
    this.#context = context;
    this.#closed = closed;
  }

  protected override close(): void {
    this.#closed();
  }

  protected override unknownPath(socket: Socket): void {
    socket.on("error", destroySocket);
    if (this.server.listenerCount("upgrade") === 1) {
      refuse(socket, 404, "nothing is here");
      return;
    }
    // Others listen for upgrades, too. If it is none of theirs either, nobody else would ever end it.
    const { clock, limits } = this.#context;
    clock.setTimer(() => {
      if (socket.bytesWritten === 0) refuse(socket, 404, "nothing is here");
    }, limits.handshakeTimeoutMs);
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
  else if (code === "HPE_HEADER_OVERFLOW") refuse(socket, 431, "headers are over 16 KiB");
  else if (code === "ERR_HTTP_REQUEST_TIMEOUT") refuse(socket, 408, "the request took too long");
  else if (code.startsWith("HPE_")) refuse(socket, 400, "this is no HTTP request");
  else socket.destroy();
}
