import type { Server as HttpServer } from "node:http";
import type { ConnectionOptions, TlsOptions } from "node:tls";
import {
  checkBooleanOption,
  checkCountOption,
  checkObjectOption,
  checkOptionNames,
  type Endpoint,
  MAX_DELAY_MS,
  PolywireError,
} from "@polywire/core";

/** Goes with `network.open("http://…")`. */
export interface HttpDialOptions {
  /** For `https`: everything `tls.connect` takes but the address. */
  readonly tls?: HttpTlsDialOptions;
  /** Request headers of every request, below those of the request itself. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Most connections to the server at once. 32. */
  readonly connections?: number;
  /** HTTP/2, where the server offers it by ALPN. False. */
  readonly http2?: boolean;
  /** Longest time to a connection, TLS included. 5,000. */
  readonly connectTimeoutMs?: number;
  /** Longest time from a request to the head of its response. 10,000. */
  readonly headersTimeoutMs?: number;
  /** Longest silence within a response's body. 10,000. */
  readonly bodyGapTimeoutMs?: number;
  /** Largest response body, before and after it is decompressed. 10 MiB. */
  readonly maxResponseBytes?: number;
  /** Asks for compressed responses (zstd, br, gzip, deflate) and decompresses their bodies. False. */
  readonly decompress?: boolean;
  /**
   * How often a request is sent again whose connection broke off before a byte of its response, or that was answered with 429
   * or 503 and a `Retry-After` that its deadline has room for. Only methods that may be repeated (RFC 9110, section 9.2.2),
   * and only bodies that are whole. 2.
   */
  readonly retries?: number;
}

export type HttpTlsDialOptions = Omit<ConnectionOptions, "host" | "port" | "path" | "socket" | "ALPNProtocols">;

/** Goes with `network.listen("http://…")`. */
export interface HttpListenOptions {
  /**
   * A Node HTTP or HTTPS server to share instead of a port of our own. Whoever made it makes it listen and closes it;
   * its limits on headers and time are its own.
   */
  readonly server?: HttpServer;
  /** For `https` on a port of our own: certificate, key and everything else `https.createServer` takes. */
  readonly tls?: TlsOptions;
  /** For `https`: HTTP/2 beside HTTP/1.1, chosen by ALPN. True. */
  readonly http2?: boolean;
  /** Largest request body. 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Longest time to the end of a request. 30,000. */
  readonly requestTimeoutMs?: number;
  /** How long a connection without a request is kept. 5,000. */
  readonly keepAliveTimeoutMs?: number;
  /** Longest time until the handler answers; then 503 is answered for it. 30,000. */
  readonly answerTimeoutMs?: number;
}

const DIAL_NAMES = [
  "tls",
  "headers",
  "connections",
  "http2",
  "connectTimeoutMs",
  "headersTimeoutMs",
  "bodyGapTimeoutMs",
  "maxResponseBytes",
  "decompress",
  "retries",
];
const LISTEN_NAMES = [
  "server",
  "tls",
  "http2",
  "maxBodyBytes",
  "requestTimeoutMs",
  "keepAliveTimeoutMs",
  "answerTimeoutMs",
];
const ADDRESS_OPTIONS = ["host", "port", "path", "socket", "ALPNProtocols"];
const MAX_CONNECTIONS = 10_000;
const MAX_RETRIES = 10;

export type CompleteDialOptions = Required<HttpDialOptions>;

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeDialOptions(endpoint: Endpoint): CompleteDialOptions {
  const given = endpoint.options as HttpDialOptions;
  checkOptionNames("", given, DIAL_NAMES);
  const { tls = {}, headers = {}, connections = 32, http2 = false, retries = 2 } = given;
  const { connectTimeoutMs = 5_000, headersTimeoutMs = 10_000, bodyGapTimeoutMs = 10_000 } = given;
  const { maxResponseBytes = 10_485_760, decompress = false } = given;
  checkTls(endpoint, given.tls);
  checkObjectOption("headers", headers);
  checkCountOption("connections", connections, MAX_CONNECTIONS);
  checkBooleanOption("http2", http2);
  checkCountOption("connectTimeoutMs", connectTimeoutMs, MAX_DELAY_MS);
  checkCountOption("headersTimeoutMs", headersTimeoutMs, MAX_DELAY_MS);
  checkCountOption("bodyGapTimeoutMs", bodyGapTimeoutMs, MAX_DELAY_MS);
  checkCountOption("maxResponseBytes", maxResponseBytes);
  checkBooleanOption("decompress", decompress);
  if (retries !== 0) checkCountOption("retries", retries, MAX_RETRIES);
  return {
    tls,
    headers,
    connections,
    http2,
    connectTimeoutMs,
    headersTimeoutMs,
    bodyGapTimeoutMs,
    maxResponseBytes,
    decompress,
    retries,
  };
}

export type CompleteListenOptions = Required<Omit<HttpListenOptions, "server" | "tls">> & {
  readonly server: HttpServer | undefined;
  readonly tls: TlsOptions | undefined;
};

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeListenOptions(endpoint: Endpoint): CompleteListenOptions {
  const given = endpoint.options as HttpListenOptions;
  checkOptionNames("", given, LISTEN_NAMES);
  const { server, tls, http2 = true, maxBodyBytes = 1_048_576, requestTimeoutMs = 30_000 } = given;
  const { keepAliveTimeoutMs = 5_000, answerTimeoutMs = 30_000 } = given;
  checkTls(endpoint, tls);
  if (tls !== undefined && server !== undefined) throw wrong("tls", "the server handed in has its own");
  if (server !== undefined && (typeof server?.on !== "function" || typeof server.address !== "function")) {
    throw wrong("server", "give a server of node:http or node:https");
  }
  checkBooleanOption("http2", http2);
  checkCountOption("maxBodyBytes", maxBodyBytes);
  checkCountOption("requestTimeoutMs", requestTimeoutMs, MAX_DELAY_MS);
  checkCountOption("keepAliveTimeoutMs", keepAliveTimeoutMs, MAX_DELAY_MS);
  checkCountOption("answerTimeoutMs", answerTimeoutMs, MAX_DELAY_MS);
  return { server, tls, http2, maxBodyBytes, requestTimeoutMs, keepAliveTimeoutMs, answerTimeoutMs };
}

function checkTls(endpoint: Endpoint, tls: object | undefined): void {
  if (tls === undefined) return;
  checkObjectOption("tls", tls);
  if (endpoint.scheme !== "https") throw wrong("tls", "it goes with https:// only");
  for (const name of ADDRESS_OPTIONS) {
    if (!Object.hasOwn(tls, name)) continue;
    throw wrong(`tls.${name}`, name === "ALPNProtocols" ? "use the option http2" : "the URL has the address");
  }
}

function wrong(name: string, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `option ${name}: ${problem}`);
}
