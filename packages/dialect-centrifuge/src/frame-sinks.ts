import { type CloseInfo, type Payload, PolywireError, type Sink } from "@polywire/core";
import { type FrameCutter, isBlank } from "./frame-cutter.ts";

const utf8 = new TextEncoder();

/** Takes the frames of one client. */
export interface FrameSink extends Sink {
  /** What came is no frame, and nothing that follows can be one. */
  malformed(): void;
  /** More came than can be kept. */
  flooded(): void;
}

/** Makes frames of a stream's bytes. */
export class CuttingSink implements FrameSink {
  readonly #frames: FrameSink;
  readonly #cutter: FrameCutter;
  readonly #take: (frame: Uint8Array) => void;
  #isBroken = false;

  constructor(frames: FrameSink, cutter: FrameCutter) {
    this.#frames = frames;
    this.#cutter = cutter;
    this.#take = (frame) => frames.message(frame);
  }

  message(chunk: Payload): void {
    if (this.#isBroken) return;
    try {
      this.#cutter.push(typeof chunk === "string" ? utf8.encode(chunk) : chunk, this.#take);
    } catch (thrown) {
      if (!PolywireError.is(thrown)) throw thrown;
      this.malformed();
    }
  }

  malformed(): void {
    this.#isBroken = true;
    this.#frames.malformed();
  }

  flooded(): void {
    this.#frames.flooded();
  }

  drain(): void {
    this.#frames.drain?.();
  }

  /** Half a command is none. */
  ended(): void {
    if (this.#cutter.pendingBytes > 0 && !this.#isBroken) this.malformed();
    this.#frames.ended?.();
  }

  closed(info: CloseInfo): void {
    this.#isBroken = true;
    this.#frames.closed(info);
  }
}

/** Passes over the blank lines of a wire whose messages are lines: people press enter. */
export class LineSink implements FrameSink {
  readonly #frames: FrameSink;

  constructor(frames: FrameSink) {
    this.#frames = frames;
  }

  message(line: Payload): void {
    if (!isBlank(line)) this.#frames.message(line);
  }

  malformed(): void {
    this.#frames.malformed();
  }

  flooded(): void {
    this.#frames.flooded();
  }

  drain(): void {
    this.#frames.drain?.();
  }

  ended(): void {
    this.#frames.ended?.();
  }

  closed(info: CloseInfo): void {
    this.#frames.closed(info);
  }
}
