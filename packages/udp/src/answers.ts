import { type ConnectionId, fitReason, HEADER_BYTES, packet, readId, TYPE, writeId } from "./packet.ts";

/** What a listener answers to a peer that dials. */
export interface Welcome {
  readonly id: ConnectionId;
  readonly maxDatagramBytes: number;
  readonly subprotocol: string | undefined;
}

export function cookiePacket(to: ConnectionId, cookie: Buffer): Buffer {
  const datagram = packet(TYPE.cookie, to, cookie.length);
  cookie.copy(datagram, HEADER_BYTES);
  return datagram;
}

export function welcomePacket(to: ConnectionId, { id, maxDatagramBytes, subprotocol = "" }: Welcome): Buffer {
  const name = Buffer.from(subprotocol);
  const datagram = packet(TYPE.welcome, to, 11 + name.length);
  writeId(datagram, id, HEADER_BYTES);
  datagram.writeUInt16BE(maxDatagramBytes, HEADER_BYTES + 8);
  datagram[HEADER_BYTES + 10] = name.length;
  name.copy(datagram, HEADER_BYTES + 11);
  return datagram;
}

/** Nothing for one that cannot be read. */
export function readWelcome(datagram: Buffer): Welcome | undefined {
  const at = HEADER_BYTES + 11;
  const name = datagram.toString("utf8", at);
  if (datagram[at - 1] !== datagram.length - at) return undefined;
  const maxDatagramBytes = datagram.readUInt16BE(at - 3);
  return { id: readId(datagram, HEADER_BYTES), maxDatagramBytes, subprotocol: name === "" ? undefined : name };
}

export function refusePacket(to: ConnectionId, status: number, reason: string): Buffer {
  const text = Buffer.from(fitReason(reason));
  const datagram = packet(TYPE.refuse, to, 4 + text.length);
  datagram.writeUInt16BE(status, HEADER_BYTES);
  datagram.writeUInt16BE(text.length, HEADER_BYTES + 2);
  text.copy(datagram, HEADER_BYTES + 4);
  return datagram;
}

export function readRefusal(datagram: Buffer): { readonly status: number; readonly reason: string } {
  return { status: datagram.readUInt16BE(HEADER_BYTES), reason: datagram.toString("utf8", HEADER_BYTES + 4) };
}
