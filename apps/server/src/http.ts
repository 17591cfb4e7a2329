import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Logger, PolywireError } from "@polywire/core";
import type { ListenAddress } from "./config/address.ts";
import type { SocketBudget } from "./socket-budget.ts";

/** Limits of the HTTP side. */
interface HttpLimits {
  /** Bytes of a request's line and headers. */
  readonly headerBytes: number;
  /** From the socket's opening, or the last answer, to the end of the headers. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How often the timeouts are looked at. */
  readonly sweepMs: number;
}

const DEFAULT_HTTP_LIMITS: HttpLimits = {
  headerBytes: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 5_000,
  sweepMs: 2_000,
};

const LOGGED_CHARACTERS = 256;

/** Nothing but what this server serves may run, load or connect in its pages. */
const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

/** What a path answers to GET and HEAD. */
export type Route = () => Answer;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpOptions {
  /** By exact path. */
  readonly routes: ReadonlyMap<string, Route>;
  /** Paths that answer upgrades alone. */
  readonly upgradePaths: ReadonlySet<string>;
  /** Counts the sockets, links included; those over it are closed before anything is read. */
  readonly sockets: SocketBudget;
  readonly logger: Logger;
  readonly limits?: Partial<HttpLimits>;
}

/** An HTTP server bound to an address. */
export interface HttpListener {
  /** With the port that the system gave for port 0. */
  readonly address: ListenAddress;
  /** For what shares the address: the WebSocket listener. */
  readonly server: Server;
  /** Stops accepting at once; requests under way are answered. */
  stop(): void;
  /** Fulfilled when every socket is closed; after `stop`. What is left of HTTP is cut off. */
  close(): Promise<void>;
}

/** A page, a script, a picture: kept in memory, cached by the browser until it changes. */
export function staticRoute(contentType: string, body: Buffer): Route {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  const headers = { "content-type": contentType, "cache-control": "no-cache", etag };
  return function serveStatic(): Answer {
    return { status: 200, headers, body };
  };
}

/** A snapshot that is never cached. */
export function jsonRoute(snapshot: () => { readonly status: number; readonly body: object }): Route {
  return function serveJson(): Answer {
    const { status, body } = snapshot();
    return {
      status,
      headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
      body: Buffer.from(`${JSON.stringify(body)}\n`),
    };
  };
}

/**
 * Binds an HTTP server.
 *
 * @throws PolywireError `address-in-use`, `permission-denied` or another, naming the address.
 */
export async function listenHttp(address: ListenAddress, options: HttpOptions): Promise<HttpListener> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.sweepMs,
      requireHostHeader: true,
      insecureHTTPParser: false,
      noDelay: true,
    },
    (request, response) => serve(request, response, { ...options, isStopping: !server.listening }),
  );
  options.sockets.watch(server);
  const port = await bind(server, address);
  const url = address.port === port ? address.url : address.url.replace(/:\d+$/, `:${port}`);
  return {
    address: { ...address, url, port },
    server,
    stop() {
      server.close();
      server.closeIdleConnections();
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function bind(server: Server, { host, port, url }: ListenAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(bindError(error, { url, port }));
    server.once("error", failed);
    server.listen({ host, port }, () => {
      server.off("error", failed);
      server.on("error", () => {}); // What accepting fails with is over at once and concerns one peer.
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Why an address could not be bound, and what to do. */
export function bindError(error: NodeJS.ErrnoException, { url, port }: { url: string; port: number }): PolywireError {
  const advice = new Map([
    ["EADDRINUSE", `port ${port} is in use by another program: stop it, or choose another port`],
    ["EACCES", `port ${port} needs a right that this user does not have: choose a port from 1024 on`],
    ["EADDRNOTAVAIL", "this machine does not have that address"],
    ["ENOTFOUND", "the host name has no address"],
  ]);
  const reason = advice.get(error.code ?? "") ?? error.code ?? error.message;
  const { code } = PolywireError.from(error, "not-available");
  return new PolywireError(code, `cannot listen at ${url}: ${reason}`, { cause: error });
}

function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpOptions & { readonly isStopping: boolean },
): void {
  const path = pathOf(request);
  const answer = answerTo(request, path, options);
  const { status, headers, body } = answer;
  const isUnchanged = status === 200 && headers.etag !== undefined && request.headers["if-none-match"] === headers.etag;
  // A body that nobody reads would be taken for the next request.
  const hasBody =
    request.headers["transfer-encoding"] !== undefined || (request.headers["content-length"] ?? "0") !== "0";
  response.writeHead(isUnchanged ? 304 : status, {
    ...SECURITY_HEADERS,
    ...headers,
    ...(isUnchanged ? {} : { "content-length": body.length }),
    ...(hasBody || options.isStopping ? { connection: "close" } : {}),
  });
  response.end(isUnchanged || request.method === "HEAD" ? undefined : body);
  options.logger.log("debug", "http", "request answered", {
    method: request.method,
    path: path.slice(0, LOGGED_CHARACTERS),
    status: response.statusCode,
    address: request.socket.remoteAddress,
    userAgent: request.headers["user-agent"]?.slice(0, LOGGED_CHARACTERS),
  });
}

/** The path without its query, which may hold secrets. */
function pathOf(request: IncomingMessage): string {
  return request.url?.split("?", 1)[0] ?? "";
}

function answerTo(request: IncomingMessage, path: string, { routes, upgradePaths }: HttpOptions): Answer {
  // The absolute form is for proxies, and this is none.
  if (!path.startsWith("/")) return plain(400, "Bad request: the path must begin with a slash");
  if ((request.headers["transfer-encoding"] ?? "chunked") !== "chunked")
    return plain(400, "Bad request: unknown coding");
  const route = routes.get(path);
  if (route === undefined && !upgradePaths.has(path)) return plain(404, "Not found");
  if (request.method !== "GET" && request.method !== "HEAD")
    return plain(405, "Method not allowed", { allow: "GET, HEAD" });
  if (route !== undefined) return route();
  return plain(426, "Upgrade required: this path speaks WebSocket", {
    upgrade: "websocket",
    connection: "Upgrade, close",
  });
}

function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers },
    body: Buffer.from(`${text}\n`),
  };
}
