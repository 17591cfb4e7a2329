import type { Socket } from "node:net";
import {
  type CloseInfo,
  type CloseReason,
  checkPayload,
  Delivery,
  type DeliveryOwner,
  type FramedBytes,
  type Framing,
  type HostContext,
  type Link,
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
} from "@polywire/core";
import { Decoder, frame, framing, sizeOf } from "./frame.ts";
import { traitsFor } from "./traits.ts";

/** How a link is ending, once that is decided on this side. */
interface Ending {
  readonly reason: string;
  readonly error?: PolywireError;
}

/**
 * One connection. `Delivery` keeps the promises of a sink, `Outbox` those of a sender: what is left for a wire is to feed
 * the one and to write what the other hands over.
 */
export class SerialLink implements Link, OutboxWire, DeliveryOwner {
  readonly traits: Traits;
  readonly framing: Framing = framing;
  readonly peer: Peer;
  readonly #socket: Socket;
  readonly #host: HostContext;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #decoder: Decoder;
  readonly #gone: () => void;
  #isHandedOver = false;
  #isStopped = true;
  #isOver = false;
  #hasPeerEnded = false;
  #ending: Ending | undefined = undefined;
  #failure: Error | undefined = undefined;
  #bytesLost = 0;
  #closeTimer: Timer | undefined = undefined;

  /** @param socket connected, and not read yet */
  constructor(socket: Socket, host: HostContext, gone: () => void) {
    this.traits = traitsFor(host.limits);
    this.peer = { address: "serial line", secure: false };
    this.#socket = socket;
    this.#host = host;
    this.#gone = gone;
    this.#outbox = new Outbox(host.turn, this, host.limits);
    this.#delivery = new Delivery(this);
    this.#decoder = new Decoder(host.limits.maxMessageBytes);
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("end", () => this.#peerEnded());
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
    socket.on("close", () => this.#lost());
    socket.pause();
  }

  get refusal(): Refusal | undefined {
    return this.#outbox.refusal;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  /** The dialler or the listener has passed the link on: from here on it may be read, once it is opened. */
  handOver(): void {
    this.#isHandedOver = true;
    if (this.#delivery.isOpened) this.#start();
  }

  open(sink: Sink): void {
    this.#delivery.open(sink);
    // Nothing is delivered before this returns.
    if (this.#isHandedOver) queueMicrotask(() => this.#start());
  }

  send(payload: Payload | Prepared): SendResult {
    const { maxMessageBytes } = this.traits;
    if (typeof payload === "object" && !(payload instanceof Uint8Array) && payload?.framing === framing) {
      if (payload.largestMessageBytes > maxMessageBytes) return this.#outbox.refuse("too-large");
      return this.#outbox.send(payload as FramedBytes);
    }
    checkPayload(payload);
    if (sizeOf(payload) > maxMessageBytes) return this.#outbox.refuse("too-large");
    return this.#outbox.sendOwn(frame(payload));
  }

  pause(): void {
    this.#delivery.pause();
  }

  resume(): void {
    this.#delivery.resume();
    this.#continue();
  }

  close({ reason = "", discard = false }: CloseReason = {}): void {
    if (this.#isOver) {
      // Only messages that a pause holds back can still be on their way.
      if (!this.#delivery.isClosed) queueMicrotask(() => this.#delivery.drop());
      return;
    }
    if (this.#ending === undefined) this.#close({ reason });
    if (discard) this.#abandon();
  }

  /** For the outbox: everything that one turn of the event loop sent, in one system call. */
  write(buffers: readonly Uint8Array[]): boolean {
    if (!this.#socket.writable) return false;
    this.#socket.cork();
    for (const buffer of buffers.slice(0, -1)) this.#socket.write(buffer);
    this.#socket.write(buffers.at(-1) as Uint8Array, this.#written);
    this.#socket.uncork();
    return false;
  }

  /** For the outbox. */
  drained(): void {
    this.#delivery.drain();
  }

  /** For delivery: a bug of the program's. */
  sinkFailed(error: PolywireError): void {
    this.#host.logger.log("error", "serial", "program code threw", { error });
    if (!this.#isOver && this.#ending === undefined) this.#close({ reason: "internal error", error });
  }

  #start(): void {
    this.#delivery.start();
    this.#continue();
  }

  #continue(): void {
    if (!this.#isStopped || !this.#isHandedOver || !this.#delivery.isOpened || this.#delivery.isHolding) return;
    this.#isStopped = false;
    this.#socket.resume();
  }

  #received(chunk: Buffer): void {
    try {
      this.#decoder.feed(chunk, (message) => this.#delivery.message(message));
    } catch (thrown) {
      return this.#violated(PolywireError.from(thrown, "protocol-violation"));
    }
    if (!this.#delivery.isHolding) return;
    this.#isStopped = true;
    this.#socket.pause();
  }

  readonly #written = (error?: Error | null): void => {
    // What failed was not written: it is counted as lost when the socket is gone.
    if (this.#isOver || (error ?? undefined) !== undefined) return;
    this.#outbox.written();
    if (this.#ending !== undefined && this.#outbox.bufferedBytes === 0) this.#socket.end();
  };

  #close(ending: Ending): void {
    this.#ending = ending;
    this.#outbox.close();
    this.#delivery.drop();
    const { clock, limits } = this.#host;
    this.#closeTimer = clock.setTimer(() => this.#abandon(), limits.closeTimeoutMs);
    // The peer's end has to be read.
    this.#isStopped = false;
    this.#socket.resume();
    if (this.#outbox.bufferedBytes === 0) this.#socket.end();
  }

  #violated(error: PolywireError): void {
    if (this.#isOver || this.#ending !== undefined) return;
    this.#close({ reason: error.message, error });
    this.#abandon();
  }

  #abandon(): void {
    if (this.#isOver) return;
    this.#bytesLost += this.#outbox.discard();
    this.#socket.destroy();
    queueMicrotask(() => this.#lost());
  }

  #peerEnded(): void {
    this.#hasPeerEnded = this.#decoder.pendingBytes === 0;
  }

  #lost(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeTimer?.cancel();
    this.#bytesLost += this.#outbox.discard();
    this.#delivery.closed(this.#closeInfo());
    this.#gone();
  }

  #closeInfo(): CloseInfo {
    const bytesLost = this.#bytesLost;
    const isComplete = this.#failure === undefined && this.#hasPeerEnded && bytesLost === 0;
    if (this.#ending !== undefined) {
      const { reason, error } = this.#ending;
      const clean = isComplete && error === undefined;
      return { by: "local", clean, reason, retryable: false, bytesLost, ...(error === undefined ? {} : { error }) };
    }
    if (isComplete) return { by: "remote", clean: true, reason: "", retryable: true, bytesLost };
    const error = PolywireError.from(this.#failure ?? new Error("the connection broke off"), "connection-reset");
    return { by: "network", clean: false, reason: "", retryable: error.retryable, bytesLost, error };
  }
}
