import type { Payload } from "@polywire/core";
import { cutDelimited } from "./delimited.ts";
import type { Encoding } from "./encodings.ts";

/** Makes frames of what a stream brings: lines for JSON, messages after their lengths for Protobuf. */
export class FrameReader {
  readonly #encoding: Encoding;
  readonly #take: (frame: Payload) => void;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(encoding: Encoding, take: (frame: Payload) => void) {
    this.#encoding = encoding;
    this.#take = take;
  }

  push(chunk: Uint8Array): void {
    const bytes = new Uint8Array(Buffer.concat([this.#rest, chunk]));
    if (this.#encoding.name === "protobuf") {
      const { frames, rest } = cutDelimited(bytes);
      this.#rest = rest;
      for (const frame of frames) this.#take(frame);
      return;
    }
    const end = bytes.lastIndexOf(0x0a) + 1;
    this.#rest = bytes.subarray(end);
    const text = Buffer.from(bytes.subarray(0, end)).toString();
    for (const line of text.split("\n")) if (line !== "") this.#take(line);
  }
}
