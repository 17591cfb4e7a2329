import type { Publication } from "@polywire/core";

/** Bytes that an envelope may add to a publication's data: names, offset, publisher. */
const ENVELOPE_BYTES = 192;

/** How data grow on their way to a JSON client: base64, and the escapes of an ordinary text. */
const GROWTH = { json: 1, text: 1.25, binary: 4 / 3 } as const;

/** The largest data on the wire: binary data take a third more on their way to a JSON client. */
export function largestMessageBytes(publicationBytes: number): number {
  return Math.ceil((publicationBytes * 4) / 3);
}

/** About how many bytes the publications take on the wire, in the encoding that takes most. */
export function wireBytes(publications: readonly Publication[]): number {
  let bytes = 0;
  for (const publication of publications) bytes += wireBytesOf(publication);
  return bytes;
}

/** As many of the publications, from the first on, as fit; at least one. */
export function fitting(publications: readonly Publication[], maxBytes: number): readonly Publication[] {
  let bytes = 0;
  for (const [index, publication] of publications.entries()) {
    bytes += wireBytesOf(publication);
    if (bytes > maxBytes && index > 0) return publications.slice(0, index);
  }
  return publications;
}

/** About how many bytes the publication takes on the wire, in the encoding that takes most. */
export function wireBytesOf({ data, format, info, tags }: Publication): number {
  let bytes = ENVELOPE_BYTES + Math.ceil(data.length * GROWTH[format]);
  if (info !== undefined) {
    bytes += info.user.length + (info.connectionInfo?.length ?? 0) + (info.channelInfo?.length ?? 0);
  }
  if (tags !== undefined) for (const [name, value] of tags) bytes += name.length + value.length;
  return bytes;
}
