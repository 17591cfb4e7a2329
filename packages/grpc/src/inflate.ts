import { gunzipSync, inflateSync } from "node:zlib";
import { PolywireError } from "@polywire/core";

/** What this package can read, best first: the `grpc-accept-encoding` of both sides. */
export const ACCEPTED_ENCODINGS = "identity,deflate,gzip";

/**
 * The bytes of a compressed message. It is done at once, so that order needs no queue; the limit bounds the time that
 * takes, and the memory, whatever the message claims.
 *
 * @throws PolywireError `too-large`, `unsupported` for an unknown encoding, `protocol-violation` for what cannot be read.
 */
export function inflate(message: Buffer, encoding: string, maxMessageBytes: number): Uint8Array {
  const decompress = encoding === "gzip" ? gunzipSync : encoding === "deflate" ? inflateSync : undefined;
  if (encoding === "identity")
    throw new PolywireError("protocol-violation", "a message says that it is compressed, its call names no encoding");
  if (decompress === undefined) {
    const shown = encoding.replace(/[^\x21-\x7e]/g, "").slice(0, 40);
    throw new PolywireError("unsupported", `messages are compressed with "${shown}": known are ${ACCEPTED_ENCODINGS}`);
  }
  try {
    return decompress(message, { maxOutputLength: maxMessageBytes });
  } catch (cause) {
    const isTooLarge = (cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
    if (!isTooLarge)
      throw new PolywireError("protocol-violation", `a message cannot be decompressed as ${encoding}`, { cause });
    const problem = `a message inflates to more than maxMessageBytes (${maxMessageBytes})`;
    throw new PolywireError("too-large", problem, { cause });
  }
}
