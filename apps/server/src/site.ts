import { createHash } from "node:crypto";
import type { Exchange, Handler, Headers, Logger } from "@polywire/core";
import type { ExchangeClients } from "./client-wires.ts";

/** Longest text of a peer's that is logged. */
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

export interface SiteOptions {
  /** By exact path. */
  readonly routes: ReadonlyMap<string, Route>;
  /** Clients that come as requests, at a public address. */
  readonly clients?: ExchangeClients | undefined;
  readonly logger: Logger;
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

/** A text that is made anew for everyone who asks. */
export function textRoute(contentType: string, text: () => string): Route {
  return function serveText(): Answer {
    const headers = { "content-type": contentType, "cache-control": "no-store" };
    return { status: 200, headers, body: Buffer.from(text()) };
  };
}

/** Answers the requests of one HTTP address: pages and figures here, the clients' own requests by their handler. */
export function site(options: SiteOptions): Handler {
  const { clients, logger } = options;
  const admit = clients?.handler.admit?.bind(clients.handler);
  return {
    ...(admit === undefined ? {} : { admit }),
    ...(clients?.handler.limits === undefined ? {} : { limits: clients.handler.limits }),
    exchange(exchange) {
      if (clients?.paths.has(exchange.path) === true) return clients.handler.exchange?.(exchange);
      const status = serve(exchange, answerTo(exchange, options));
      if (logger.isEnabled?.("debug", "http") === false) return undefined;
      logger.log("debug", "http", "request answered", {
        method: exchange.method,
        path: exchange.path.slice(0, LOGGED_CHARACTERS),
        status,
        address: exchange.peer.address,
        userAgent: exchange.headers.get("user-agent")?.slice(0, LOGGED_CHARACTERS),
      });
    },
  };
}

function serve(exchange: Exchange, { status, headers, body }: Answer): number {
  const isUnchanged =
    status === 200 && headers.etag !== undefined && exchange.headers.get("if-none-match") === headers.etag;
  const told = isUnchanged ? 304 : status;
  const length = isUnchanged ? {} : { "content-length": String(body.length) };
  exchange.respond(
    { status: told, headers: asMap({ ...SECURITY_HEADERS, ...headers, ...length }) },
    isUnchanged ? undefined : body,
  );
  return told;
}

function answerTo({ path, method }: Exchange, { routes, clients }: SiteOptions): Answer {
  const route = routes.get(path);
  if (route === undefined && clients?.upgradePaths.has(path) !== true) return plain(404, "Not found");
  if (method !== "GET" && method !== "HEAD") return plain(405, "Method not allowed", { allow: "GET, HEAD" });
  if (route !== undefined) return route();
  return plain(426, "Upgrade required: this path speaks WebSocket", { upgrade: "websocket" });
}

function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers },
    body: Buffer.from(`${text}\n`),
  };
}

function asMap(headers: Readonly<Record<string, string>>): Headers {
  return new Map(Object.entries(headers));
}
