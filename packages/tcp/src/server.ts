import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer as createTcpServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { isMainThread } from "node:worker_threads";
import { type Endpoint, type LinkLimits, listenAt, PolywireError } from "@polywire/core";
import type { CompleteListenOptions } from "./options.ts";
import { socketPath } from "./socket-path.ts";

/** Node's server for the endpoint, not bound yet. */
export function createServer(endpoint: Endpoint, options: CompleteListenOptions, limits: LinkLimits): Server {
  const { noDelay, keepAliveMs, tls, subprotocols } = options;
  const common = {
    noDelay,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    allowHalfOpen: true,
  };
  if (endpoint.scheme !== "tcps") return createTcpServer({ ...common, pauseOnConnect: true });
  const alpn = subprotocols.length > 0 && { ALPNProtocols: [...subprotocols] };
  try {
    return createTlsServer({ handshakeTimeout: limits.handshakeTimeoutMs, ...tls, ...common, ...alpn });
  } catch (thrown) {
    throw PolywireError.from(thrown, "invalid-argument", `listen on "${endpoint}"`);
  }
}

/** Fulfilled when the server is bound. A socket file that a dead process left behind is replaced. */
export async function bind(server: Server, endpoint: Endpoint, { mode }: CompleteListenOptions): Promise<void> {
  if (endpoint.scheme !== "unix") {
    await listenAt(server, { host: endpoint.host, port: endpoint.port ?? 0 }, endpoint);
    return;
  }
  const path = socketPath(endpoint);
  try {
    await listeningAt(path, { server, endpoint, mode });
  } catch (thrown) {
    if (!PolywireError.is(thrown) || thrown.code !== "address-in-use" || !(await isLeftBehind(path))) throw thrown;
    unlinkSync(path);
    await listeningAt(path, { server, endpoint, mode });
  }
}

/** The file has its permissions from the start: a later change would leave a moment for somebody to slip in. */
function listeningAt(
  path: string,
  { server, endpoint, mode }: { readonly server: Server; readonly endpoint: Endpoint; readonly mode: number },
): Promise<void> {
  // Worker threads may not change it, and have to live with that moment.
  const before = isMainThread ? process.umask(0o777 & ~mode) : undefined;
  try {
    const bound = listenAt(server, { path }, endpoint);
    // Binding is done by now. Were it not, the file would be somebody else's.
    if (server.listening) chmodSync(path, mode);
    return bound;
  } finally {
    if (before !== undefined) process.umask(before);
  }
}

/** Whether a socket is there that no process listens at. Any other file, and any doubt, is somebody's. */
function isLeftBehind(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
  });
}
