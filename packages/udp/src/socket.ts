import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { type Endpoint, PolywireError } from "@polywire/core";
import type { CompleteOptions } from "./options.ts";

/** An address of the endpoint's host. @throws PolywireError `host-not-found`. */
export function resolveHost(
  endpoint: Endpoint,
  look: LookupFunction = lookup,
): Promise<{ readonly address: string; readonly family: 4 | 6 }> {
  const { host } = endpoint;
  const family = isIP(host);
  if (family !== 0) return Promise.resolve({ address: host, family: family as 4 | 6 });
  return new Promise((resolve, reject) => {
    look(host, { all: false }, (error, address, found) => {
      if (error === null) resolve({ address: address as string, family: found as 4 | 6 });
      else reject(PolywireError.from(error, "host-not-found", `look up "${endpoint}"`));
    });
  });
}

type Lookup = NonNullable<SocketOptions["lookup"]>;

/** Sockets are only given addresses: Node's own look-up would put every send off to another tick. */
const sameAddress: { readonly 4: Lookup; readonly 6: Lookup } = {
  4: (address, _options, callback) => callback(null, address, 4),
  6: (address, _options, callback) => callback(null, address, 6),
};

/** A socket with a handler for its errors. */
export function openSocket(family: 4 | 6, options: CompleteOptions, failed: (error: Error) => void): Socket {
  const { receiveBufferBytes, sendBufferBytes } = options;
  const socket = createSocket({
    type: family === 4 ? "udp4" : "udp6",
    lookup: sameAddress[family],
    ...(family === 6 && { ipv6Only: true }),
    ...(receiveBufferBytes !== undefined && { recvBufferSize: receiveBufferBytes }),
    ...(sendBufferBytes !== undefined && { sendBufferSize: sendBufferBytes }),
  });
  socket.on("error", failed);
  return socket;
}

/** Fulfilled when bound. @throws PolywireError `address-in-use`, `permission-denied`… */
export function bindSocket(socket: Socket, where: { readonly port: number; readonly address: string }): Promise<void> {
  return settled(socket, (done) => socket.bind({ ...where, exclusive: true }, done));
}

/** Fulfilled when datagrams go to and come from this address alone. */
export function connectSocket(
  socket: Socket,
  where: { readonly port: number; readonly address: string },
): Promise<void> {
  return settled(socket, (done) => {
    socket.connect(where.port, where.address, (error?: Error) => {
      if (error === undefined || error === null) done();
      else socket.emit("error", error);
    });
  });
}

function settled(socket: Socket, begin: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(error);
    socket.once("error", fail);
    begin(() => {
      socket.off("error", fail);
      resolve();
    });
  });
}

/** Closes a socket that may be closed already. Fulfilled when its address is free. */
export function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(resolve);
    } catch {
      resolve();
    }
  });
}
