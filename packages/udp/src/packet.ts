/** Begins every datagram with a header. No UTF-8 text has this byte anywhere, so text and JSON are told apart by it. */
export const MAGIC = 0xf5;
const VERSION = 1;
/** Magic, version with type, connection id, length of the datagram. */
export const HEADER_BYTES = 12;

/** What a datagram is. The README has the fields of each. */
export const TYPE = {
  hello: 1,
  cookie: 2,
  welcome: 3,
  refuse: 4,
  data: 5,
  ack: 6,
  ping: 7,
  pong: 8,
  fin: 9,
  finAck: 10,
  reset: 11,
  unknown: 12,
} as const;

/** Smallest length of each type, header included; also the list of types there are. */
const LEAST_BYTES: readonly number[] = [0, 30, 48, 23, 16, 17, 25, 16, 16, 18, 12, 12, 12];

/** 64 random bits. The receiver of a datagram chose the id in it. */
export interface ConnectionId {
  readonly high: number;
  readonly low: number;
}

/** Why a datagram is no packet of ours. */
export type Malformed = "short" | "badMagic" | "badVersion" | "badType" | "badLength";

/** Says what is wrong with the header; nothing is, if it says nothing. */
export function malformed(datagram: Buffer): Malformed | undefined {
  if (datagram.length < HEADER_BYTES) return "short";
  if (datagram[0] !== MAGIC) return "badMagic";
  const versionAndType = datagram[1] as number;
  if (versionAndType >> 4 !== VERSION) return "badVersion";
  const least = LEAST_BYTES[versionAndType & 0x0f] ?? 0;
  if (least === 0) return "badType";
  if (datagram.readUInt16BE(10) !== datagram.length || datagram.length < least) return "badLength";
  return undefined;
}

export function typeOf(datagram: Buffer): number {
  return (datagram[1] as number) & 0x0f;
}

export function hasId(datagram: Buffer, { high, low }: ConnectionId): boolean {
  return datagram.readUInt32BE(6) === low && datagram.readUInt32BE(2) === high;
}

export function idOf(datagram: Buffer): ConnectionId {
  return readId(datagram, 2);
}

export function readId(datagram: Buffer, offset: number): ConnectionId {
  return { high: datagram.readUInt32BE(offset), low: datagram.readUInt32BE(offset + 4) };
}

export function writeId(datagram: Buffer, { high, low }: ConnectionId, offset: number): void {
  datagram.writeUInt32BE(high, offset);
  datagram.writeUInt32BE(low, offset + 4);
}

/** A datagram with its header written and the rest zero. */
export function packet(type: number, to: ConnectionId, bodyBytes: number): Buffer {
  const datagram = Buffer.alloc(HEADER_BYTES + bodyBytes);
  datagram[0] = MAGIC;
  datagram[1] = (VERSION << 4) | type;
  writeId(datagram, to, 2);
  datagram.writeUInt16BE(datagram.length, 10);
  return datagram;
}

/** A ping or its answer. */
export function pingPacket(type: number, to: ConnectionId, token: number): Buffer {
  const datagram = packet(type, to, 4);
  datagram.writeUInt32BE(token, HEADER_BYTES);
  return datagram;
}

export function pingToken(datagram: Buffer): number {
  return datagram.readUInt32BE(HEADER_BYTES);
}

/** How a close travels: a byte that says whether there is a code, the code, the reason. */
export function closeBody(code: number | undefined, reason: string): Buffer {
  const text = Buffer.from(fitReason(reason));
  const body = Buffer.alloc(6 + text.length);
  body[0] = code === undefined ? 0 : 1;
  body.writeUInt32BE(code ?? 0, 1);
  body[5] = text.length;
  text.copy(body, 6);
  return body;
}

/** Nothing for what is no close body. */
export function readCloseBody(
  body: Buffer,
): { readonly code: number | undefined; readonly reason: string } | undefined {
  if (body.length < 6 || body.length !== 6 + (body[5] as number)) return undefined;
  return { code: body[0] === 1 ? body.readUInt32BE(1) : undefined, reason: body.toString("utf8", 6) };
}

const MAX_REASON_BYTES = 123;

/** The reason, cut between characters to what a close may hold on every wire. */
export function fitReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  let end = MAX_REASON_BYTES;
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/**
 * Numbers of packets have 32 bits and do not begin anew. A link that comes near the last of them closes, with room for
 * all that is under way; dialling again begins at 0.
 */
export const LAST_NUMBER = 0xfff0_0000;
export const SPENT_REASON = "the link has used up its packet numbers: dial again";
