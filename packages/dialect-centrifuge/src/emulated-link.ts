import {
  type CloseInfo,
  type CloseReason,
  type Framing,
  type Link,
  type Payload,
  type Peer,
  PolywireError,
  type Prepared,
  type Refusal,
  type SendResult,
  type Traits,
} from "@polywire/core";
import type { FrameSink } from "./frame-sinks.ts";

/** Most frames that wait for a client to take its replies. */
const MAX_WAITING_FRAMES = 64;

export interface EmulatedLinkOptions {
  readonly maxWaitingBytes: number;
  /** Sent before everything else. */
  readonly preamble: string | undefined;
  /** Called once, when the stream is gone. */
  readonly ended: () => void;
}

/**
 * A link both ways, made of a stream to the client and of the requests that it sends meanwhile. One request is one frame;
 * they are taken in the order in which they have arrived whole, and one client's never meet another's.
 */
export class EmulatedLink implements Link {
  readonly #stream: Link;
  readonly #maxWaitingBytes: number;
  readonly #preamble: string | undefined;
  readonly #ended: () => void;
  #sink: FrameSink | undefined = undefined;
  #isPaused = false;
  #isBusy = false;
  #isClosed = false;
  #waiting: Payload[] = [];
  #waitingBytes = 0;

  constructor(stream: Link, { maxWaitingBytes, preamble, ended }: EmulatedLinkOptions) {
    this.#stream = stream;
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#preamble = preamble;
    this.#ended = ended;
  }

  /** The end is told in the protocol's own words: who reads a stream of HTTP sees no codes. */
  get traits(): Traits {
    return { ...this.#stream.traits, closeCodes: false };
  }

  get peer(): Peer {
    return this.#stream.peer;
  }

  get framing(): Framing | undefined {
    return this.#stream.framing;
  }

  get refusal(): Refusal | undefined {
    return this.#stream.refusal;
  }

  get bufferedBytes(): number {
    return this.#stream.bufferedBytes;
  }

  open(sink: FrameSink): void {
    this.#sink = sink;
    this.#stream.open({
      message() {},
      drain: () => sink.drain?.(),
      closed: (info) => this.#closed(sink, info),
    });
    if (this.#preamble !== undefined) this.#stream.send(this.#preamble);
  }

  send(payload: Payload | Prepared): SendResult {
    return this.#stream.send(payload);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  close(reason?: CloseReason): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#stream.close(reason);
  }

  /** A request has arrived whole. Its frame is the link's to keep. */
  receive(frame: Payload): void {
    if (this.#isClosed) return;
    const bytes = this.#waitingBytes + frame.length;
    const isTooMuch = this.#waiting.length > 0 && bytes > this.#maxWaitingBytes;
    if (isTooMuch || this.#waiting.length === MAX_WAITING_FRAMES) return this.#sink?.flooded();
    this.#waiting.push(frame);
    this.#waitingBytes = bytes;
    this.#deliver();
  }

  #deliver(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (!this.#isPaused && !this.#isClosed) {
        const frame = this.#waiting.shift();
        if (frame === undefined) break;
        this.#waitingBytes -= frame.length;
        sink.message(frame);
      }
    } catch (thrown) {
      // Whoever asked for a resume did nothing wrong.
      this.close({ discard: true });
      throw PolywireError.from(thrown, "internal", "a client's sink threw");
    } finally {
      this.#isBusy = false;
    }
  }

  #closed(sink: FrameSink, info: CloseInfo): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#ended();
    sink.closed(info);
  }
}
