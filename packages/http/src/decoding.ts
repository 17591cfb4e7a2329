import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from "node:zlib";
import { PolywireError } from "@polywire/core";
import type { BodyFlow, BodyInlet } from "./response-body.ts";

/** What responses may be encoded with, best first: for `Accept-Encoding`. */
export const ACCEPTED_CODINGS = "zstd, br, gzip, deflate";

/** Deflate cannot shrink anything further (RFC 1951: 258 bytes to 2 bits). What the others make smaller still is a bomb. */
const MAX_RATIO = 1_032;
/** Below this size even a bomb is harmless. */
const HARMLESS_BYTES = 1_048_576;

const DECODERS: ReadonlyMap<string, (first: number) => Transform> = new Map<string, (first: number) => Transform>([
  ["gzip", () => createGunzip()],
  ["x-gzip", () => createGunzip()],
  // With its header as RFC 9110, section 8.4.1.2, has it, or without, as some servers do.
  ["deflate", (first) => ((first & 0x0f) === 8 ? createInflate() : createInflateRaw())],
  ["br", () => createBrotliDecompress()],
  ["zstd", () => createZstdDecompress()],
]);

/** Whether a body with this `Content-Encoding` can be decoded here: there is one coding, and it is known. */
export function isDecodable(contentEncoding: string | undefined): contentEncoding is string {
  return contentEncoding !== undefined && DECODERS.has(contentEncoding.trim().toLowerCase());
}

export interface DecodingParts {
  /** Of the response: one that {@link isDecodable}. */
  readonly contentEncoding: string;
  readonly maxResponseBytes: number;
  /** For errors. */
  readonly purpose: string;
  /** Where the encoded bytes come from. */
  readonly flow: BodyFlow;
  /** Made with the flow of the decoded bytes. */
  readonly inlet: (flow: BodyFlow) => BodyInlet;
}

/** Decodes a body as it comes. Slow reading slows the decoder down, and the sender with it. */
export class Decoding implements BodyInlet, BodyFlow {
  readonly #parts: DecodingParts;
  readonly #body: BodyInlet;
  /** Made for the first byte: an empty body is encoded as nothing. */
  #decoder: Transform | undefined = undefined;
  #isPaused = false;
  #isOver = false;
  #encodedBytes = 0;
  #bytes = 0;

  constructor(parts: DecodingParts) {
    this.#parts = parts;
    this.#body = parts.inlet(this);
  }

  push(chunk: Uint8Array): void {
    if (this.#isOver || chunk.byteLength === 0) return;
    this.#encodedBytes += chunk.byteLength;
    this.#decoder ??= this.#begin(chunk[0] as number);
    if (!this.#decoder.write(chunk)) this.#parts.flow.pause();
  }

  complete(): void {
    if (this.#isOver) return;
    if (this.#decoder === undefined) this.#body.complete();
    else this.#decoder.end();
  }

  fail(error: PolywireError): void {
    if (this.#isOver) return;
    this.#end();
    this.#body.fail(error);
  }

  /** For the body. */
  pause(): void {
    this.#isPaused = true;
    this.#decoder?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#decoder?.resume();
  }

  abandon(reason: PolywireError): void {
    this.#end();
    this.#parts.flow.abandon(reason);
    this.#body.fail(reason);
  }

  #begin(first: number): Transform {
    const { contentEncoding, flow } = this.#parts;
    const make = DECODERS.get(contentEncoding.trim().toLowerCase()) as (first: number) => Transform;
    const decoder = make(first);
    decoder.on("data", (bytes: Buffer) => this.#decoded(bytes));
    decoder.on("drain", () => flow.resume());
    decoder.on("end", () => {
      if (!this.#isOver) this.#body.complete();
    });
    decoder.on("error", (cause) => {
      if (this.#isOver) return;
      const message = `${this.#parts.purpose}: the body cannot be decoded as ${contentEncoding}`;
      this.abandon(new PolywireError("protocol-violation", message, { cause }));
    });
    if (this.#isPaused) decoder.pause();
    return decoder;
  }

  #decoded(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#bytes += bytes.byteLength;
    const { maxResponseBytes, purpose } = this.#parts;
    if (this.#bytes > maxResponseBytes) {
      const message = `${purpose}: the response is over maxResponseBytes (${maxResponseBytes}) once it is decoded`;
      return this.abandon(new PolywireError("too-large", message));
    }
    if (this.#bytes > HARMLESS_BYTES && this.#bytes > this.#encodedBytes * MAX_RATIO) {
      const message = `${purpose}: the response grows more than ${MAX_RATIO}-fold as it is decoded, as no honest one does`;
      return this.abandon(new PolywireError("too-large", message));
    }
    this.#body.push(bytes);
  }

  #end(): void {
    this.#isOver = true;
    this.#decoder?.destroy();
  }
}
