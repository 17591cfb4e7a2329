import { type BodySource, checkPayload, type Payload, PolywireError } from "@polywire/core";
import { isOver } from "./frame.ts";

export function isChunked(source: BodySource): source is AsyncIterable<Uint8Array> {
  return typeof source === "object" && source !== null && Symbol.asyncIterator in source;
}

/**
 * Checks a body at the call.
 *
 * @throws PolywireError `invalid-argument` for what is none, `too-large`.
 */
export function checkBody(source: Payload | undefined, maxMessageBytes: number): Payload {
  if (source === undefined) return "";
  checkPayload(source);
  if (isOver(maxMessageBytes, source))
    throw new PolywireError(
      "too-large",
      `the body is over maxMessageBytes (${maxMessageBytes}): send less or raise it`,
    );
  return source;
}

export function checkChunk(chunk: unknown): asserts chunk is Uint8Array {
  if (chunk instanceof Uint8Array) return;
  throw new PolywireError("invalid-argument", `a body gave a chunk of type ${typeof chunk}: give Uint8Array`);
}

/** All chunks as one message. @throws PolywireError `too-large`. */
export async function gather(source: AsyncIterable<Uint8Array>, maxMessageBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  for await (const chunk of source) {
    checkChunk(chunk);
    byteLength += chunk.byteLength;
    if (byteLength > maxMessageBytes)
      throw new PolywireError(
        "too-large",
        `the body is over maxMessageBytes (${maxMessageBytes}): a request is one message`,
      );
    chunks.push(new Uint8Array(chunk));
  }
  return Buffer.concat(chunks, byteLength);
}
