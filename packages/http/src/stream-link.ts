import type { ServerResponse } from "node:http";
import {
  type Clock,
  type CloseInfo,
  type CloseReason,
  checkPayload,
  Delivery,
  type DeliveryOwner,
  FramedBytes,
  type Framing,
  type Link,
  type LinkLimits,
  type Logger,
  Outbox,
  type OutboxWire,
  type Payload,
  type Peer,
  PolywireError,
  type Prepared,
  type Refusal,
  type SendResult,
  type Sink,
  type Timer,
  type Traits,
  type Turn,
} from "@polywire/core";
import { cutOff } from "./cut-off.ts";
import { streamTraits } from "./traits.ts";

/** Bytes as they are. One for all streams, so that what many readers get is prepared once. */
const streamFraming: Framing = {
  name: "http body",
  prepare(payloads): Prepared {
    let largest = 0;
    const parts = payloads.map((payload) => {
      checkPayload(payload);
      const bytes = Buffer.from(payload as string);
      largest = Math.max(largest, bytes.byteLength);
      return bytes;
    });
    const [only] = parts;
    const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    return new FramedBytes(streamFraming, bytes, payloads.length, largest);
  },
};

export interface StreamPlace {
  readonly limits: LinkLimits;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly logger: Logger;
}

/** The body of a response as a link that only sends. */
export class StreamLink implements Link, OutboxWire, DeliveryOwner {
  readonly peer: Peer;
  readonly traits: Traits;
  readonly framing: Framing = streamFraming;
  readonly #place: StreamPlace;
  readonly #response: ServerResponse;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #onWritten: (error?: Error | null) => void;
  #closing: { readonly reason: string; readonly error?: PolywireError } | undefined = undefined;
  #isFinished = false;
  #isOver = false;
  #bytesLost = 0;
  #closeTimer: Timer | undefined = undefined;

  /** @param response whose head has been written */
  constructor(response: ServerResponse, peer: Peer, place: StreamPlace) {
    this.peer = peer;
    this.traits = streamTraits(place.limits);
    this.#place = place;
    this.#response = response;
    this.#outbox = new Outbox(place.turn, this, place.limits);
    this.#delivery = new Delivery(this);
    this.#onWritten = () => this.#written();
    response.on("error", () => {});
    response.on("finish", () => {
      // HTTP/2 calls one finished that its peer cut off.
      this.#isFinished = response.writableEnded;
      if (this.#isFinished) this.#lost();
    });
    response.on("close", () => this.#lost());
  }

  get refusal(): Refusal | undefined {
    return this.#outbox.refusal;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  open(sink: Sink): void {
    this.#delivery.open(sink);
    queueMicrotask(() => this.#delivery.start());
  }

  send(payload: Payload | Prepared): SendResult {
    const { maxMessageBytes } = this.#place.limits;
    if (typeof payload === "object" && !(payload instanceof Uint8Array) && payload?.framing === streamFraming) {
      if (payload.largestMessageBytes > maxMessageBytes) return this.#outbox.refuse("too-large");
      return this.#outbox.send(payload as FramedBytes);
    }
    checkPayload(payload);
    const bytes = Buffer.from(payload as string);
    if (bytes.byteLength > maxMessageBytes) return this.#outbox.refuse("too-large");
    return this.#outbox.sendOwn(bytes);
  }

  /** Nothing is ever delivered. */
  pause(): void {}

  resume(): void {}

  /** For the outbox: one chunk for all of a turn, because some readers break when a message comes in two. */
  write(buffers: readonly Uint8Array[], byteLength: number): boolean {
    if (!this.#response.writable) return false;
    const [only] = buffers;
    const bytes = buffers.length === 1 && only !== undefined ? only : Buffer.concat(buffers, byteLength);
    this.#response.write(bytes, this.#onWritten);
    return false;
  }

  #written(): void {
    if (this.#isOver) return;
    this.#outbox.written();
    if (this.#closing !== undefined && this.#outbox.bufferedBytes === 0) this.#response.end();
  }

  /** For the outbox. */
  drained(): void {
    this.#delivery.drain();
  }

  close({ reason = "", discard = false }: CloseReason = {}): void {
    if (this.#isOver) return;
    if (discard) this.#abandon(reason);
    else if (this.#closing === undefined) this.#close({ reason });
  }

  /** For delivery: a program's bug. */
  sinkFailed(error: PolywireError): void {
    this.#place.logger.log("error", "http", "program code threw", { error });
    if (!this.#isOver && this.#closing === undefined) this.#close({ reason: "internal error", error });
  }

  #close(closing: { readonly reason: string; readonly error?: PolywireError }): void {
    this.#closing = closing;
    this.#outbox.close();
    const { clock, limits } = this.#place;
    this.#closeTimer = clock.setTimer(() => this.#abandon(), limits.closeTimeoutMs);
    if (this.#outbox.bufferedBytes === 0) this.#response.end();
  }

  /** Without the end that the reader waits for, so that it knows that this is not all. */
  #abandon(reason = ""): void {
    if (this.#isOver) return;
    this.#closing ??= { reason };
    this.#bytesLost += this.#outbox.discard();
    cutOff(this.#response);
    queueMicrotask(() => this.#lost());
  }

  #lost(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeTimer?.cancel();
    this.#bytesLost += this.#outbox.discard();
    this.#delivery.closed(this.#closeInfo());
  }

  #closeInfo(): CloseInfo {
    const bytesLost = this.#bytesLost;
    if (this.#closing !== undefined) {
      const { reason, error } = this.#closing;
      const clean = this.#isFinished && bytesLost === 0 && error === undefined;
      return { by: "local", clean, reason, retryable: false, bytesLost, ...(error === undefined ? {} : { error }) };
    }
    // Whoever reads an endless body ends it by going away.
    return { by: "remote", clean: bytesLost === 0, reason: "", retryable: true, bytesLost };
  }
}
