import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type SessionOptions,
} from "node:http2";
import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import { type Endpoint, type ListenContext, listenAt, PolywireError, type SharedServer } from "@polywire/core";
import { type ArrivedCall, type Route, refuseCall, UNKNOWN_PATH } from "./call.ts";
import { RESET } from "./closing.ts";
import { HealthService } from "./health-service.ts";
import { headerOf, isGrpc, metadataBytes } from "./metadata.ts";
import type { CompleteListenOptions } from "./options.ts";
import { callTarget, Routes } from "./routes.ts";
import { ServerConnection } from "./server-connection.ts";
import { GRPC_STATUS } from "./status.ts";
import { decodeTimeout } from "./timeout.ts";

/** Window of a whole connection: what all its calls may have under way. */
const CONNECTION_WINDOW_BYTES = 1_048_576;

export interface ServerParts {
  readonly options: CompleteListenOptions;
  readonly context: ListenContext;
  /** The last listener has gone. */
  readonly closed: () => void;
}

/** One HTTP/2 server and the listeners on it, by path. */
export class GrpcServer implements SharedServer {
  readonly scheme: string;
  readonly tls: TlsOptions | undefined;
  readonly routes: Routes = new Routes();
  readonly health: HealthService;
  /** Node's own. */
  readonly server: Http2Server;
  readonly #options: CompleteListenOptions;
  readonly #context: ListenContext;
  readonly #connections = new Set<ServerConnection>();
  readonly #closed: () => void;
  /** Connections that have not asked for anything yet. */
  #silent = 0;
  #port: number | undefined = undefined;
  #arriving: Socket | undefined = undefined;
  #isClosed = false;

  private constructor(server: Http2Server, endpoint: Endpoint, { options, context, closed }: ServerParts) {
    this.scheme = endpoint.scheme;
    this.tls = options.tls;
    this.server = server;
    this.#options = options;
    this.#context = context;
    this.#closed = closed;
    this.health = new HealthService(context);
    // Node makes the session of a connection in its own listener of this event, and lends no more than a proxy of its socket.
    const connection = endpoint.scheme === "grpcs" ? "secureConnection" : "connection";
    server.prependListener(connection, (socket: Socket) => {
      this.#arriving = socket;
    });
    server.on("session", (session) => this.#connected(session, this.#arriving as Socket));
    server.on("stream", (stream, headers) => this.#arrived(stream, headers));
    server.on("sessionError", ignore);
    const malformed = (socket: Socket): void => {
      context.turnedAway("malformed");
      socket.destroy();
    };
    server.on("tlsClientError", (_error: Error, socket: Socket) => malformed(socket));
    server.on("unknownProtocol", malformed);
    server.on("timeout", ignore);
  }

  /** Fulfilled when bound. */
  static async open(endpoint: Endpoint, parts: ServerParts): Promise<GrpcServer> {
    const { options, context } = parts;
    const settings: SessionOptions = {
      maxSessionMemory: options.maxSessionMegabytes,
      settings: {
        enablePush: false,
        maxConcurrentStreams: options.maxStreams,
        maxHeaderListSize: options.maxMetadataBytes,
        initialWindowSize: options.windowBytes,
      },
    };
    const server =
      endpoint.scheme === "grpcs"
        ? createSecureServer({
            handshakeTimeout: context.limits.handshakeTimeoutMs,
            ...options.tls,
            ...settings,
            allowHTTP1: false,
          })
        : createServer(settings);
    const grpc = new GrpcServer(server, endpoint, parts);
    const port = endpoint.port ?? defaultPort(endpoint);
    await listenAt(server, { host: endpoint.host, port }, endpoint);
    const address = server.address();
    grpc.#port = typeof address === "object" ? address?.port : undefined;
    return grpc;
  }

  get port(): number | undefined {
    return this.#port;
  }

  /** @throws PolywireError `address-in-use` if the path is taken. */
  add(path: string, route: Route, endpoint: Endpoint): void {
    this.routes.add(path, route, endpoint);
    this.health.serving(path);
  }

  remove(path: string): void {
    this.routes.remove(path);
    this.health.notServing(path);
    this.release();
  }

  /** A listener that has no path of its own has gone, or one that had has. */
  release(): void {
    if (this.routes.size > 0 || this.#isClosed) return;
    this.#isClosed = true;
    this.#closed();
    this.health.close();
    this.server.close();
    // Calls under way live on; the rest of their connections ends with them.
    for (const connection of this.#connections) connection.drain();
  }

  #connected(session: ServerHttp2Session, socket: Socket): void {
    this.#arriving = undefined;
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const { clock, limits, random } = this.#context;
    const connection = new ServerConnection({ session, socket }, this.#options, {
      clock,
      random,
      handshakeTimeoutMs: limits.handshakeTimeoutMs,
      closeTimeoutMs: limits.closeTimeoutMs,
      asked: () => this.#silent--,
      gone: () => {
        this.#connections.delete(connection);
        if (!connection.hasAsked) this.#silent--;
      },
    });
    this.#connections.add(connection);
    this.#silent++;
    if (this.#isClosed) connection.drain();
    else if (this.#silent > limits.maxHandshakes) {
      this.#context.turnedAway("busy");
      connection.calm("too many connections ask for nothing");
    }
  }

  #arrived(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // In the same tick it is made: a stream without one would end the process.
    stream.on("error", ignore);
    try {
      this.#route(stream, headers);
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", "take a call");
      this.#context.logger.log("error", "grpc", "a call failed for a bug in the program", { error });
      stream.close(RESET.internalError);
    }
  }

  #route(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const session = stream.session as ServerHttp2Session | undefined;
    const connection = session && ServerConnection.of(session);
    if (connection === undefined) return void stream.close(RESET.cancel);
    connection.opened(stream);
    if (headers[":method"] !== "POST") return void stream.close(1);
    if (!isGrpc(headers["content-type"])) return refuseHttp(stream, 415);
    if (metadataBytes(headers) > this.#options.maxMetadataBytes)
      return refuseCall(stream, {
        code: GRPC_STATUS.RESOURCE_EXHAUSTED,
        message: `metadata is over ${this.#options.maxMetadataBytes} bytes`,
        status: 431,
      });
    const timeoutMs = decodeTimeout(headerOf(headers, "grpc-timeout"));
    if (Number.isNaN(timeoutMs))
      return refuseCall(stream, { code: GRPC_STATUS.INTERNAL, message: "grpc-timeout is invalid" });
    const target = callTarget(headers[":path"]);
    if (target === undefined) return refuseCall(stream, UNKNOWN_PATH);
    const call: ArrivedCall = { stream, headers, ...target, peer: connection.peer, connection, timeoutMs };
    const route =
      this.routes.find(target.path) ?? (this.#options.health ? this.health.routes.get(target.path) : undefined);
    if (route === undefined) refuseCall(stream, UNKNOWN_PATH);
    else route.take(call);
  }
}

/** Says no to what is no gRPC. */
function refuseHttp(stream: ServerHttp2Stream, status: number): void {
  stream.resume();
  stream.respond({ ":status": status, "grpc-status": String(GRPC_STATUS.UNKNOWN) }, { endStream: true });
}

export function defaultPort({ scheme }: Endpoint): number {
  return scheme === "grpcs" ? 443 : 80;
}

function ignore(): void {}
