import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type DialContext, type Endpoint, PolywireError } from "@polywire/core";
import { FRAMINGS } from "./frame.ts";
import { TcpLink } from "./link.ts";
import type { CompleteDialOptions } from "./options.ts";
import { SocketPeer } from "./peer.ts";
import { socketPath } from "./socket-path.ts";
import { traitsFor } from "./traits.ts";

/** Fulfilled with an open link, TLS included; see {@link DialContext.signal} for how it ends early. */
export function dial(endpoint: Endpoint, context: DialContext, options: CompleteDialOptions): Promise<TcpLink> {
  return new Promise((resolve, reject) => {
    context.signal.throwIfAborted();
    const socket = startSocket(endpoint, options);
    // Nothing is read before the link is opened.
    socket.pause();
    const connected = endpoint.scheme === "tcps" ? "secureConnect" : "connect";
    const settle = (): void => {
      context.signal.removeEventListener("abort", abort);
      socket.off(connected, succeed);
      socket.off("close", closed);
    };
    const fail = (error: unknown): void => {
      settle();
      reject(error);
      socket.destroy();
    };
    const abort = (): void => fail(context.signal.reason);
    const failed = (thrown: Error): void => fail(dialError(endpoint, thrown));
    const closed = (): void =>
      fail(new PolywireError("connection-reset", `connect to "${endpoint}": the peer hung up`));
    const succeed = (): void => {
      if (options.subprotocols.length > 0 && !(socket as TLSSocket).alpnProtocol) {
        const offered = options.subprotocols.join(", ");
        return fail(
          new PolywireError("handshake-failed", `connect to "${endpoint}": the peer took none of ${offered}`),
        );
      }
      settle();
      if (endpoint.scheme === "tcps") context.mark("tls");
      const link = makeLink(socket, endpoint, { context, options });
      socket.off("error", failed);
      link.handOver();
      resolve(link);
    };
    socket.once("lookup", () => context.mark("dns"));
    socket.once("connect", () => context.mark("connect"));
    context.signal.addEventListener("abort", abort, { once: true });
    socket.on(connected, succeed);
    socket.on("error", failed);
    socket.on("close", closed);
  });
}

/** @throws PolywireError `invalid-argument` for what Node finds wrong at once. */
function startSocket(endpoint: Endpoint, options: CompleteDialOptions): Socket {
  try {
    return openSocket(endpoint, options);
  } catch (thrown) {
    throw PolywireError.from(thrown, "invalid-argument", `connect to "${endpoint}"`);
  }
}

function openSocket(endpoint: Endpoint, options: CompleteDialOptions): Socket {
  const { noDelay, keepAliveMs, attemptTimeoutMs, lookup, localAddress, subprotocols, tls } = options;
  if (endpoint.scheme === "unix") return connectTcp({ path: socketPath(endpoint), allowHalfOpen: true });
  const { host, port = 0 } = endpoint;
  const common = {
    host,
    port,
    noDelay,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    allowHalfOpen: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptTimeoutMs,
    lookup,
    ...(localAddress === undefined ? {} : { localAddress }),
  };
  if (endpoint.scheme === "tcp") return connectTcp(common);
  const servername = isIP(host) === 0 ? host : "";
  const alpn = subprotocols.length > 0 && { ALPNProtocols: [...subprotocols] };
  return connectTls({ servername, ...tls, ...common, ...alpn });
}

function makeLink(
  socket: Socket,
  { scheme }: Endpoint,
  { context, options }: { readonly context: DialContext; readonly options: CompleteDialOptions },
): TcpLink {
  const { clock, limits, logger, turn } = context;
  return new TcpLink(socket, new SocketPeer(socket), {
    traits: traitsFor(options.framing, limits),
    framing: FRAMINGS[options.framing],
    limits,
    clock,
    turn,
    logger,
    deadlines: { ...options, firstByteTimeoutMs: undefined },
    canReset: scheme === "tcp",
    gone() {},
  });
}

/** What Node says of an option that it cannot use, such as a certificate that is none. */
const ARGUMENT_ERROR = /^ERR_(?:INVALID_|OUT_OF_RANGE|TLS_INVALID_|TLS_PROTOCOL_VERSION_CONFLICT|OSSL_)/;

function dialError(endpoint: Endpoint, thrown: Error & { code?: string }): PolywireError {
  const { code = "" } = thrown;
  // A Unix socket that is not there is a server that is not there.
  if (code === "ENOENT" && endpoint.scheme === "unix") {
    return new PolywireError("connection-refused", `connect to "${endpoint}": no socket is there: start the server`, {
      cause: thrown,
    });
  }
  const isArgument = ARGUMENT_ERROR.test(code);
  const fallback = isArgument ? "invalid-argument" : "handshake-failed";
  return PolywireError.from(thrown, fallback, `connect to "${endpoint}"`);
}
