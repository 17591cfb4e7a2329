import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
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
    const socket = openSocket(endpoint, options);
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
      settle();
      context.mark(endpoint.scheme === "tcps" ? "tls" : "connect");
      const link = makeLink(socket, endpoint, { context, options });
      socket.off("error", failed);
      link.handOver();
      resolve(link);
    };
    socket.once("lookup", () => context.mark("dns"));
    context.signal.addEventListener("abort", abort, { once: true });
    socket.on(connected, succeed);
    socket.on("error", failed);
    socket.on("close", closed);
  });
}

function openSocket(endpoint: Endpoint, options: CompleteDialOptions): Socket {
  const { noDelay, keepAliveMs, attemptTimeoutMs, localAddress, subprotocols, tls } = options;
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
    ...(localAddress === undefined ? {} : { localAddress }),
  };
  if (endpoint.scheme === "tcp") return connectTcp(common);
  try {
    const servername = isIP(host) === 0 ? host : "";
    return connectTls({
      servername,
      ...tls,
      ...common,
      ...(subprotocols.length > 0 && { ALPNProtocols: [...subprotocols] }),
    });
  } catch (thrown) {
    throw PolywireError.from(thrown, "invalid-argument", `connect to "${endpoint}"`);
  }
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
    frameTimeoutMs: options.frameTimeoutMs,
    idleTimeoutMs: undefined,
    firstByteTimeoutMs: undefined,
    canReset: scheme === "tcp",
    gone() {},
  });
}

/** Everything that OpenSSL says about a certificate it does not trust. */
const VERIFY_ERROR =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH_EXCEEDED|CRL_)/;

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
  const fallback = VERIFY_ERROR.test(code) ? "tls-verify-failed" : isArgument ? "invalid-argument" : "handshake-failed";
  return PolywireError.from(thrown, fallback, `connect to "${endpoint}"`);
}
