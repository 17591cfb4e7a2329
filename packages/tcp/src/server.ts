import { chmodSync, unlinkSync } from "node:fs";
import { connect, createServer as createTcpServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { type Endpoint, type LinkLimits, PolywireError } from "@polywire/core";
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
    await listening(server, endpoint, { host: endpoint.host, port: endpoint.port ?? 0 });
    return;
  }
  const path = socketPath(endpoint);
  try {
    await listening(server, endpoint, { path });
  } catch (thrown) {
    if (!PolywireError.is(thrown) || thrown.code !== "address-in-use" || (await isAnswered(path))) throw thrown;
    unlinkSync(path);
    await listening(server, endpoint, { path });
  }
  chmodSync(path, mode);
}

function listening(
  server: Server,
  endpoint: Endpoint,
  place: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: Error): void => reject(PolywireError.from(thrown, "internal", `listen on "${endpoint}"`));
    server.once("error", fail);
    server.listen(place, () => {
      server.off("error", fail);
      // Running out of descriptors must not end the process.
      server.on("error", () => {});
      resolve();
    });
  });
}

/** Whether a process listens at the path. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
