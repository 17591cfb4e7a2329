import { PolywireError } from "../contract/error.ts";
import type { Body, BodySource } from "../contract/exchange.ts";
import { checkPayload, copyPayload } from "../contract/payload.ts";
import { unlessAborted } from "../wire/cancellation.ts";
import type { MemoryLink } from "./link.ts";

const DEFAULT_MAX_BYTES = 1_048_576;

const encoder = new TextEncoder();

export interface MemoryBodyOptions {
  /** Ends the reading with its reason. */
  readonly signal: AbortSignal;
  /** The body was read to its end, or given up. */
  readonly finished: (isComplete: boolean) => void;
}

/** A body whose chunks are pulled from the sender as they are read, so a slow reader slows it down. */
export class MemoryBody implements Body {
  readonly #source: BodySource;
  readonly #options: MemoryBodyOptions;
  #isTaken = false;

  /** The source is pulled from when the body is read; a payload must not change until then. */
  constructor(source: BodySource, options: MemoryBodyOptions) {
    this.#source = source;
    this.#options = options;
  }

  async bytes(maxBytes: number = DEFAULT_MAX_BYTES): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let byteLength = 0;
    for await (const chunk of this) {
      byteLength += chunk.byteLength;
      if (byteLength > maxBytes)
        throw new PolywireError(
          "too-large",
          `the body has more than ${maxBytes} bytes: raise maxBytes, or read it in chunks`,
        );
      chunks.push(chunk);
    }
    const whole = new Uint8Array(byteLength);
    let offset = 0;
    for (const chunk of chunks) {
      whole.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return whole;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#isTaken) throw new PolywireError("invalid-state", "this body was read already: a body is read once");
    this.#isTaken = true;
    return readChunks(this.#source, this.#options);
  }
}

/** What `respond` and `request` were given, safe from later changes by the caller. */
export function keepSource(source: BodySource): BodySource {
  if (source === undefined || (typeof source === "object" && Symbol.asyncIterator in source)) return source;
  checkPayload(source);
  return copyPayload(source);
}

/** Bytes of a source that is whole, 0 for one that comes in chunks. */
export function wholeBytes(source: BodySource): number {
  if (typeof source === "string") return encoder.encode(source).byteLength;
  return source instanceof Uint8Array ? source.byteLength : 0;
}

async function* readChunks(
  source: BodySource,
  { signal, finished }: MemoryBodyOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isComplete = false;
  try {
    signal.throwIfAborted();
    if (typeof source === "string") yield encoder.encode(source);
    else if (source instanceof Uint8Array) yield source;
    else if (source !== undefined) yield* pull(source, signal);
    isComplete = true;
  } finally {
    finished(isComplete);
  }
}

async function* pull(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await unlessAborted(iterator.next(), signal);
      if (next.done === true) {
        isOver = true;
        return;
      }
      if (!(next.value instanceof Uint8Array))
        throw new PolywireError(
          "invalid-argument",
          `a body gave a chunk of type ${typeof next.value}: give Uint8Array`,
        );
      yield new Uint8Array(next.value);
    }
  } catch (thrown) {
    throw PolywireError.from(thrown, "internal", "the body broke off");
  } finally {
    // Not awaited: a source that hangs must not hold the reader.
    if (!isOver) Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

/** What a link delivers, as the source of a body. The link is read only as the body is. */
export async function* chunksOf(link: MemoryLink): AsyncGenerator<Uint8Array, void, undefined> {
  const waiting: Uint8Array[] = [];
  let wake: () => void = () => {};
  let failure: PolywireError | undefined;
  let isClosed = false;
  link.open({
    message(payload) {
      waiting.push(copyPayload(payload) as Uint8Array);
      link.pause();
      wake();
    },
    closed({ clean, error }) {
      isClosed = true;
      if (!clean) failure = error ?? new PolywireError("connection-reset", "the response was cut off");
      wake();
    },
  });
  try {
    for (;;) {
      yield* waiting.splice(0);
      if (isClosed && failure !== undefined) throw failure;
      if (isClosed) return;
      link.resume();
      // Resuming may deliver at once.
      if (waiting.length > 0 || isClosed) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    link.close({ discard: true });
  }
}
