/** What a receiver has, told to the sender: in packets of their own and along with data. */
export interface Acknowledgement {
  /** Every segment below this number has arrived. */
  next: number;
  /** Bytes that the receiver takes beyond `next`. */
  windowBytes: number;
  /** The highest packet number that has arrived: packets long before it are lost. */
  latestPacket: number;
  /** Segments that arrived beyond a gap: from, to (exclusive), from, to… */
  ranges: readonly number[];
}

export const ACKNOWLEDGEMENT_BYTES = 13;
export const RANGE_BYTES = 8;
/** Ranges in a packet of its own. */
export const MAX_RANGES = 32;

/** Writes it and returns where it ends. `ranges` counts how many of them go in. */
export function writeAcknowledgement(
  into: Buffer,
  { next, windowBytes, latestPacket, ranges }: Acknowledgement,
  place: { readonly at: number; readonly ranges: number },
): number {
  let at = into.writeUInt32BE(next, place.at);
  at = into.writeUInt32BE(windowBytes, at);
  at = into.writeUInt32BE(latestPacket, at);
  at = into.writeUInt8(place.ranges, at);
  for (let index = 0; index < place.ranges * 2; index++) at = into.writeUInt32BE(ranges[index] as number, at);
  return at;
}

/** Bytes that it takes there, or 0 if it is cut off or has too many ranges. */
export function acknowledgementBytes(from: Buffer, at: number): number {
  if (at + ACKNOWLEDGEMENT_BYTES > from.length) return 0;
  const count = from[at + 12] as number;
  const bytes = ACKNOWLEDGEMENT_BYTES + count * RANGE_BYTES;
  return count > MAX_RANGES || at + bytes > from.length ? 0 : bytes;
}

/** Reads what {@link acknowledgementBytes} has found whole. */
export function readAcknowledgement(from: Buffer, at: number): Acknowledgement {
  const count = from[at + 12] as number;
  const ranges: number[] = [];
  for (let index = 0; index < count * 2; index++)
    ranges.push(from.readUInt32BE(at + ACKNOWLEDGEMENT_BYTES + index * 4));
  return {
    next: from.readUInt32BE(at),
    windowBytes: from.readUInt32BE(at + 4),
    latestPacket: from.readUInt32BE(at + 8),
    ranges,
  };
}
