import type { Http2Stream } from "node:http2";
import { type Delivery, PolywireError } from "@polywire/core";
import type { MessageDecoder } from "./frame.ts";

/** The link that is read. */
export interface IncomingOwner {
  /** What came cannot be read, or was too large. */
  unreadable(error: PolywireError): void;
  /** The peer's last message was delivered, and then its direction ended: in the middle of a message, if truncated. */
  peerEnded(isTruncated: boolean): void;
}

/** The way from a stream's bytes to a link's sink, no faster than its holder wants. */
export class Incoming {
  readonly #stream: Http2Stream;
  readonly #delivery: Delivery;
  readonly #decoder: MessageDecoder;
  readonly #owner: IncomingOwner;
  #isReading = false;
  #isStopped = false;
  #hasEnded = false;
  #isEndTold = false;

  constructor(
    stream: Http2Stream,
    { delivery, decoder, owner }: { delivery: Delivery; decoder: MessageDecoder; owner: IncomingOwner },
  ) {
    this.#stream = stream;
    this.#delivery = delivery;
    this.#decoder = decoder;
    this.#owner = owner;
    // Before the listener for data, which would set it flowing.
    stream.pause();
    stream.on("data", (chunk: Buffer) => this.#received(chunk));
    stream.on("end", () => this.#ended());
    stream.on("aborted", () => this.#aborted());
  }

  /** The end of the peer's direction has arrived. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Delivers what may be delivered, then reads on or stops. */
  read(): void {
    if (this.#isReading || this.#isStopped) return;
    this.#isReading = true;
    this.#deliver(false);
    this.#isReading = false;
    if (this.#isStopped) return;
    if (this.#decoder.hasNext) this.#stream.pause();
    else if (this.#hasEnded) this.#tellEnd();
    else this.#stream.resume();
  }

  /** What the peer still sends is dropped, its end has to be heard. */
  stop(): void {
    this.#isStopped = true;
    this.#stream.resume();
  }

  /** The stream is gone: what has arrived is for delivery to hold. */
  flush(): void {
    this.#deliver(true);
    this.#isStopped = true;
  }

  #received(chunk: Buffer): void {
    if (this.#isStopped) return;
    this.#decoder.push(chunk);
    this.read();
  }

  #deliver(isForced: boolean): void {
    try {
      while (!this.#isStopped && (isForced || !(this.#delivery.isPaused || this.#delivery.isHolding))) {
        const message = this.#decoder.next();
        if (message === undefined) return;
        this.#delivery.message(message);
      }
    } catch (thrown) {
      this.#owner.unreadable(PolywireError.from(thrown));
    }
  }

  #ended(): void {
    this.#hasEnded = true;
    if (!this.#isReading && !this.#decoder.hasNext) this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#isEndTold || this.#isStopped) return;
    this.#isEndTold = true;
    this.#owner.peerEnded(this.#decoder.byteLength > 0);
  }

  /** The stream was reset, or its connection is gone: what has arrived is taken out before it is destroyed. */
  #aborted(): void {
    while (this.#stream.read() !== null);
  }
}
