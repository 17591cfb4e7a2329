import type { Readable } from "node:stream";
import { PolywireError } from "@polywire/core";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Longer lines end the reading: nothing that is sent may be so large. */
const MAX_LINE_BYTES = 16 * 1_048_576;

/**
 * The lines of the input, without their ends; a last one without an end counts, too. Ends early, without an error, when
 * the signal fires.
 *
 * @throws PolywireError `too-large` for a line over 16 MiB.
 */
export async function* lines(input: Readable, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks(input, signal)) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      parts.push(chunk.subarray(start, end));
      yield textOf(parts);
      parts = [];
      size = 0;
      start = end + 1;
    }
    if (start === chunk.byteLength) continue;
    parts.push(chunk.subarray(start));
    size += chunk.byteLength - start;
    if (size > MAX_LINE_BYTES)
      throw new PolywireError("too-large", `a line of the input is over ${MAX_LINE_BYTES} bytes: send less at once`);
  }
  if (size > 0 && !signal.aborted) yield textOf(parts);
}

/** The input as it comes. Ends early, without an error, when the signal fires. */
export async function* chunks(input: Readable, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  // A terminal that nobody types at would hold the reading up for ever.
  const stop = (): void => void input.destroy();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of input) yield typeof chunk === "string" ? Buffer.from(chunk) : (chunk as Buffer);
  } catch (thrown) {
    if (!signal.aborted) throw PolywireError.from(thrown, "internal", "cannot read the standard input");
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function textOf(parts: readonly Buffer[]): string {
  const bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  return bytes.toString("utf8", 0, bytes.at(-1) === CARRIAGE_RETURN ? bytes.byteLength - 1 : bytes.byteLength);
}
