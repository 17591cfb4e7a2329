import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import type { LookupFunction } from "node:net";
import { type DialContext, type Endpoint, type Peer, PolywireError, unlessAborted } from "@polywire/core";
import { Handshake } from "./handshake.ts";
import type { DatagramLink, LinkPlace } from "./link.ts";
import type { CompleteDialOptions } from "./options.ts";
import { plainPeer, type Source } from "./peer.ts";
import { PlainLink } from "./plain-link.ts";
import { ReliableLink } from "./reliable-link.ts";
import { SequencedLink } from "./sequenced-link.ts";
import { traitsFor } from "./settings.ts";
import { closeSocket, connectSocket, openSocket, resolveHost } from "./socket.ts";
import { OwnWay } from "./way.ts";

/** A link to the endpoint: at once in plain mode, after the other side's verdict in the others. */
export async function dial(
  endpoint: Endpoint,
  context: DialContext,
  options: CompleteDialOptions & { readonly lookup: LookupFunction },
): Promise<DatagramLink> {
  const { signal } = context;
  signal.throwIfAborted();
  const { port } = endpoint;
  if (port === undefined || port === 0) {
    throw new PolywireError("invalid-argument", `"${endpoint}" names no port: write it like udp://127.0.0.1:7000`);
  }
  const { address, family } = await unlessAborted(resolveHost(endpoint, options.lookup), signal);
  context.mark("dns");
  const from = { address, port };
  let failed: (error: Error) => void = () => {};
  const socket = openSocket(family, options, (error) => failed(error));
  try {
    await unlessAborted(connectSocket(socket, from), signal);
    context.mark("connect");
    setMulticast(socket, options);
    if (options.mode === "plain") return plainLink(socket, { context, options, from }, (handler) => (failed = handler));
    const handshake = new Handshake(socket, { endpoint, context, options, id: newId() });
    failed = (error) => handshake.failed(error);
    const { ids, subprotocol, datagramBytes } = await handshake.done;
    context.mark("handshake");
    const { path, query } = endpoint;
    const peer: Peer = { ...plainPeer(from), path, query, ...(subprotocol !== undefined && { subprotocol }) };
    const place = placeOf(socket, { context, options, peer, datagramBytes });
    const { mode } = options;
    const link =
      mode === "reliable" ? new ReliableLink(place, { ...ids, datagramBytes }) : new SequencedLink(place, ids);
    failed = (error) => link.failed(error);
    handshake.handOver(link);
    link.arm();
    return link;
  } catch (thrown) {
    failed = () => {};
    void closeSocket(socket);
    throw signal.aborted ? signal.reason : PolywireError.from(thrown, "internal", `connect to "${endpoint}"`);
  }
}

function plainLink(
  socket: Socket,
  parts: { readonly context: DialContext; readonly options: CompleteDialOptions; readonly from: Source },
  onFailure: (handler: (error: Error) => void) => void,
): PlainLink {
  const { context, options, from } = parts;
  const datagramBytes = options.maxDatagramBytes;
  const link = new PlainLink(placeOf(socket, { context, options, peer: plainPeer(from), datagramBytes }), true);
  onFailure((error) => link.failed(error));
  socket.on("message", (datagram) => {
    // An empty datagram is no message, and one over the limit is nobody's of ours.
    if (datagram.length > 0 && datagram.length <= datagramBytes) link.arrived(datagram);
  });
  return link;
}

function placeOf(
  socket: Socket,
  parts: {
    readonly context: DialContext;
    readonly options: CompleteDialOptions;
    readonly peer: Peer;
    readonly datagramBytes: number;
  },
): LinkPlace {
  const { context, options, peer, datagramBytes } = parts;
  return {
    traits: traitsFor(options.mode, datagramBytes, context.limits),
    peer,
    host: context,
    options,
    way: new OwnWay(socket, context),
    dropped() {},
    gone() {},
    forgotten() {},
  };
}

function setMulticast(socket: Socket, { multicast }: CompleteDialOptions): void {
  if (multicast === undefined) return;
  const { interface: from, ttl, loopback } = multicast;
  if (from !== undefined) socket.setMulticastInterface(from);
  if (ttl !== undefined) socket.setMulticastTTL(ttl);
  if (loopback !== undefined) socket.setMulticastLoopback(loopback);
}

function newId(): { readonly high: number; readonly low: number } {
  const bytes = randomBytes(8);
  return { high: bytes.readUInt32BE(0), low: bytes.readUInt32BE(4) };
}
