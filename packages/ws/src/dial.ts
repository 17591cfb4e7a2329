import type { ClientRequest, IncomingMessage } from "node:http";
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type DialContext, type Endpoint, PolywireError, type Traits } from "@polywire/core";
import type { MaskSource } from "./frame.ts";
import { Heartbeat } from "./heartbeat.ts";
import { WebSocketLink } from "./link.ts";
import { LinkSocket } from "./link-socket.ts";
import { type CompleteDialOptions, DEFAULT_HEARTBEAT } from "./options.ts";
import { SocketPeer } from "./peer.ts";
import { socketSettings } from "./settings.ts";

const MAX_HEADER_BYTES = 16_384;

/** Statuses that another try may not meet again. */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

interface DialParts {
  readonly context: DialContext;
  readonly options: CompleteDialOptions;
  readonly traits: Traits;
  readonly masks: MaskSource;
  readonly lookup: LookupFunction;
}

/** Fulfilled with an open link; see {@link DialContext.signal} for how it ends early. */
export function dial(endpoint: Endpoint, parts: DialParts): Promise<WebSocketLink> {
  const { context } = parts;
  return new Promise((resolve, reject) => {
    context.signal.throwIfAborted();
    let socket: Socket | undefined;
    const webSocket = openSocket(endpoint, parts, (opened) => {
      socket = opened;
    });
    const settle = (): void => {
      context.signal.removeEventListener("abort", abort);
      webSocket.off("open", succeed);
      webSocket.off("unexpected-response", refused);
    };
    const fail = (error: unknown): void => {
      settle();
      reject(error);
    };
    const abort = (): void => {
      fail(context.signal.reason);
      webSocket.terminate();
    };
    const refused = (request: ClientRequest, response: IncomingMessage): void => {
      fail(refusal(endpoint, response));
      request.destroy();
    };
    const succeed = (): void => {
      settle();
      webSocket.off("error", failed);
      context.mark("handshake");
      const link = makeLink(webSocket, { endpoint, socket: socket as Socket, parts });
      link.handOver();
      resolve(link);
    };
    // Stays until the link has its own: the library tells of its own clean-up as an error, too.
    const failed = (thrown: Error): void => fail(dialError(endpoint, thrown));
    context.signal.addEventListener("abort", abort, { once: true });
    webSocket.on("open", succeed);
    webSocket.on("unexpected-response", refused);
    webSocket.on("error", failed);
  });
}

function openSocket(
  endpoint: Endpoint,
  { context, options, lookup }: DialParts,
  connecting: (socket: Socket) => void,
): LinkSocket {
  const settings = {
    ...socketSettings(context.limits, options),
    followRedirects: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headers: { ...Object.fromEntries(context.metadata), ...options.headers },
    createConnection: (): Socket => {
      const { host, scheme, port = scheme === "wss" ? 443 : 80 } = endpoint;
      const socket =
        scheme === "wss"
          ? connectTls({ servername: isIP(host) === 0 ? host : "", lookup, ...options.tls, host, port })
          : connectTcp({ host, port, lookup });
      socket.once("lookup", () => context.mark("dns"));
      socket.once("connect", () => context.mark("connect"));
      socket.once("secureConnect", () => context.mark("tls"));
      connecting(socket);
      return socket;
    },
  };
  try {
    return new LinkSocket(endpoint.href, [...options.subprotocols], settings);
  } catch (thrown) {
    throw PolywireError.from(thrown, "invalid-argument", `connect to "${endpoint}"`);
  }
}

function makeLink(
  webSocket: LinkSocket,
  { endpoint, socket, parts }: { endpoint: Endpoint; socket: Socket; parts: DialParts },
): WebSocketLink {
  const { context, options, traits, masks } = parts;
  const { clock, limits, logger, turn } = context;
  const { path, query } = endpoint;
  const subprotocol = webSocket.protocol;
  const peer = new SocketPeer(socket, { path, query, subprotocol: subprotocol || undefined, headers: undefined });
  const heartbeat = options.heartbeat && new Heartbeat(clock, options.heartbeat);
  const pingTimeoutMs = (options.heartbeat ?? DEFAULT_HEARTBEAT).timeoutMs;
  const place = { traits, limits, clock, logger, turn, masks, heartbeat, pingTimeoutMs, gone: () => {} };
  return new WebSocketLink(webSocket, { socket, peer, place });
}

function refusal(endpoint: Endpoint, { statusCode = 0, statusMessage = "" }: IncomingMessage): PolywireError {
  const isRedirect = statusCode >= 300 && statusCode < 400;
  const advice = isRedirect ? "redirects are not followed" : "check path and credentials";
  return new PolywireError(
    "handshake-failed",
    `connect to "${endpoint}": the server answered ${statusCode} ${printable(statusMessage)}: ${advice}`,
    { retryable: RETRYABLE_STATUS.has(statusCode) },
  );
}

/** The server's own words, without what could forge a log line. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "").slice(0, 100);
}

/** What Node says of an option that it cannot use, such as a certificate that is none. */
const ARGUMENT_ERROR = /^ERR_(?:INVALID_|OUT_OF_RANGE|TLS_INVALID_|TLS_PROTOCOL_VERSION_CONFLICT|OSSL_)/;

function dialError(endpoint: Endpoint, thrown: Error & { code?: string }): PolywireError {
  const { code = "" } = thrown;
  const isArgument = ARGUMENT_ERROR.test(code);
  const fallback = isArgument ? "invalid-argument" : "handshake-failed";
  return PolywireError.from(thrown, fallback, `connect to "${endpoint}"`);
}
