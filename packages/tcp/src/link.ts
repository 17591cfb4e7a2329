import type { Socket } from "node:net";
import {
  type Clock,
  type CloseReason,
  checkPayload,
  Delivery,
  type DeliveryOwner,
  type FramedBytes,
  type Framing,
  type HalfClosable,
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
import { closeInfo, type Ending, looksLike } from "./closing.ts";
import type { Decoder, TakeMessage, TcpFraming } from "./frame.ts";

const NOTHING: Buffer = Buffer.alloc(0);
/** Bytes of a peer's first that tell another protocol. */
const TELLING_BYTES = 8;

/** What the links of one listener have in common, and what one dialled link has for itself. */
export interface LinkPlace {
  readonly traits: Traits;
  readonly framing: TcpFraming;
  readonly limits: LinkLimits;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly logger: Logger;
  readonly frameTimeoutMs: number;
  readonly idleTimeoutMs: number | undefined;
  readonly firstByteTimeoutMs: number | undefined;
  /** Whether the socket is bare TCP, the only kind that Node lets be reset. */
  readonly canReset: boolean;
  /** The socket is gone, after `closed`. */
  gone(): void;
}

/** One TCP connection. */
export class TcpLink implements Link, HalfClosable, OutboxWire, DeliveryOwner {
  readonly peer: Peer;
  readonly #place: LinkPlace;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #decoder: Decoder;
  readonly #take: TakeMessage;
  #firstBytes: Buffer = NOTHING;
  #messages = 0;
  #isHandedOver = false;
  #isStopped = true;
  #isOver = false;
  /** Our direction ends, or has ended. */
  #isEnding = false;
  #hasPeerEnded = false;
  #ending: Ending | undefined = undefined;
  #failure: Error | undefined = undefined;
  #bytesLost = 0;
  #closeTimer: Timer | undefined = undefined;
  #frameTimer: Timer | undefined = undefined;
  #silenceTimer: Timer | undefined = undefined;
  #heardAt = 0;
  #onWritten: (() => void) | undefined = undefined;

  /** @param socket connected, its handshake done, and not read yet. */
  constructor(socket: Socket, peer: Peer, place: LinkPlace) {
    this.peer = peer;
    this.#place = place;
    this.#socket = socket;
    this.#outbox = new Outbox(place.turn, this, place.limits);
    this.#delivery = new Delivery(this);
    this.#decoder = place.framing.decoder(place.limits.maxMessageBytes);
    this.#take = (message) => {
      this.#messages++;
      this.#delivery.message(message);
    };
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("end", () => this.#peerEnded());
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
    socket.on("close", () => this.#lost());
    socket.pause();
    this.#watchSilence();
  }

  get traits(): Traits {
    return this.#place.traits;
  }

  get framing(): Framing {
    return this.#place.framing;
  }

  get refusal(): Refusal | undefined {
    return this.#outbox.refusal;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  /** The listener or dialler has passed the link on. Nothing is read until it is opened. */
  handOver(): void {
    this.#isHandedOver = true;
    if (this.#delivery.isOpened) this.#start();
  }

  open(sink: Sink): void {
    this.#delivery.open(sink);
    if (this.#isHandedOver) queueMicrotask(() => this.#start());
  }

  #start(): void {
    this.#delivery.start();
    if (!this.#delivery.isHolding) this.#continue();
  }

  send(payload: Payload | Prepared): SendResult {
    const { framing, limits } = this.#place;
    if (typeof payload === "object" && !(payload instanceof Uint8Array) && payload?.framing === framing) {
      if (!this.#isOpen) return this.#outbox.refuse("closed");
      if (payload.largestMessageBytes > limits.maxMessageBytes) return this.#outbox.refuse("too-large");
      return this.#outbox.send(payload as FramedBytes);
    }
    checkPayload(payload);
    if (!this.#isOpen) return this.#outbox.refuse("closed");
    if (framing.size(payload) > limits.maxMessageBytes) return this.#outbox.refuse("too-large");
    return this.#outbox.sendOwn(framing.frame(payload));
  }

  get #isOpen(): boolean {
    return !this.#isEnding && !this.#isOver;
  }

  /** Reading goes on until a message comes that may not be delivered: a holder that takes a rest still hears of the end. */
  pause(): void {
    this.#delivery.pause();
  }

  resume(): void {
    this.#delivery.resume();
    if (this.#delivery.isOpened && !this.#delivery.isHolding) this.#continue();
  }

  #stop(): void {
    this.#isStopped = true;
    this.#socket.pause();
    // Who is not read cannot be late.
    this.#frameTimer?.cancel();
    this.#frameTimer = undefined;
  }

  #continue(): void {
    if (!this.#isStopped || !this.#isHandedOver) return;
    this.#isStopped = false;
    this.#socket.resume();
    if (this.#decoder.pendingBytes > 0) this.#watchFrame();
  }

  /** For the outbox. */
  write(buffers: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (!socket.writable) return false;
    if (buffers.length === 1) {
      socket.write(buffers[0] as Uint8Array);
    } else {
      socket.cork();
      for (const buffer of buffers) socket.write(buffer);
      socket.uncork();
    }
    if (socket.writableLength === 0) {
      if (this.#isEnding) this.#sendEnd();
      return true;
    }
    // Only now is a callback worth its price: it rides on an empty write behind the others.
    this.#onWritten ??= () => this.#written();
    socket.write(NOTHING, this.#onWritten);
    return false;
  }

  #written(): void {
    if (this.#isOver) return;
    this.#outbox.written();
    if (this.#isEnding && this.#outbox.bufferedBytes === 0) this.#sendEnd();
  }

  /** For the outbox. */
  drained(): void {
    this.#delivery.drain();
  }

  end(): void {
    if (this.#isEnding || this.#isOver) return;
    this.#isEnding = true;
    this.#outbox.close();
    if (this.#outbox.bufferedBytes === 0) this.#sendEnd();
  }

  #sendEnd(): void {
    if (!this.#socket.writableEnded) this.#socket.end();
  }

  close({ reason = "", discard = false }: CloseReason = {}): void {
    if (this.#isOver) {
      // Only messages that a pause holds back can still be on their way.
      if (!this.#delivery.isClosed) queueMicrotask(() => this.#delivery.drop());
      return;
    }
    if (this.#ending === undefined) this.#close({ by: "local", reason });
    if (discard) this.#abandon();
  }

  /** For delivery: a program's bug. */
  sinkFailed(error: PolywireError): void {
    this.#place.logger.log("error", "tcp", "program code threw", { error });
    if (!this.#isOver && this.#ending === undefined) this.#close({ by: "local", reason: "internal error", error });
  }

  /** For delivery: the peer has ended, and nobody wants to go on alone. */
  endUnheard(): void {
    if (!this.#isOver && this.#ending === undefined) this.#end();
  }

  /** Ends our direction because the peer has ended its own: the close is the peer's. */
  #end(): void {
    this.end();
    this.#limitClose();
  }

  #close(ending: Ending): void {
    this.#ending = ending;
    this.#delivery.drop();
    this.end();
    this.#limitClose();
    // The peer's end has to be read.
    this.#continue();
  }

  #limitClose(): void {
    const { clock, limits } = this.#place;
    this.#closeTimer ??= clock.setTimer(() => this.#abandon(), limits.closeTimeoutMs);
  }

  #abandon(): void {
    if (this.#isOver) return;
    this.#bytesLost += this.#outbox.discard();
    // What the peer still sends would be answered with a reset anyway: say it at once if anything was cut off.
    const isCut = this.#bytesLost > 0 || !this.#socket.writableEnded;
    if (isCut && this.#place.canReset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    queueMicrotask(() => this.#lost());
  }

  #received(chunk: Buffer): void {
    const { idleTimeoutMs, clock } = this.#place;
    if (idleTimeoutMs !== undefined) this.#heardAt = clock.now();
    else this.#stopSilence();
    if (this.#firstBytes.length === 0) this.#firstBytes = Buffer.from(chunk.subarray(0, TELLING_BYTES));
    const before = this.#messages;
    try {
      this.#decoder.feed(chunk, this.#take);
    } catch (thrown) {
      this.#violated(PolywireError.from(thrown, "protocol-violation"));
      return;
    }
    if (this.#decoder.pendingBytes === 0 || this.#messages !== before) {
      this.#frameTimer?.cancel();
      this.#frameTimer = undefined;
    }
    if (this.#delivery.isHolding && !this.#isStopped) this.#stop();
    else if (this.#decoder.pendingBytes > 0) this.#watchFrame();
  }

  /** From the first byte of a message that is not whole. */
  #watchFrame(): void {
    if (this.#frameTimer !== undefined || this.#isStopped || this.#ending !== undefined) return;
    const { clock, frameTimeoutMs } = this.#place;
    this.#frameTimer = clock.setTimer(() => {
      this.#violated(new PolywireError("timed-out", `a message was not whole within ${frameTimeoutMs} ms`));
    }, frameTimeoutMs);
  }

  #watchSilence(): void {
    const { clock, idleTimeoutMs, firstByteTimeoutMs } = this.#place;
    this.#heardAt = clock.now();
    const mostMs = firstByteTimeoutMs ?? idleTimeoutMs;
    if (mostMs !== undefined) this.#silenceTimer = clock.setTimer(() => this.#checkSilence(mostMs), mostMs);
  }

  /** Looks once for each period, not for each chunk. */
  #checkSilence(mostMs: number): void {
    const { clock, idleTimeoutMs } = this.#place;
    const silentMs = clock.now() - this.#heardAt;
    if (silentMs >= mostMs && !this.#isStopped) {
      return this.#violated(new PolywireError("timed-out", `nothing came from the peer for ${mostMs} ms`));
    }
    if (idleTimeoutMs === undefined) return;
    const leftMs = Math.max(1, idleTimeoutMs - silentMs);
    this.#silenceTimer = clock.setTimer(() => this.#checkSilence(idleTimeoutMs), leftMs);
  }

  #stopSilence(): void {
    this.#silenceTimer?.cancel();
    this.#silenceTimer = undefined;
  }

  #violated(error: PolywireError, by: Ending["by"] = "local"): void {
    if (this.#isOver || this.#ending !== undefined) return;
    const hint = this.#messages === 0 ? looksLike(this.#firstBytes) : "";
    const told =
      hint === "" ? error : new PolywireError("protocol-violation", `${error.message}${hint}`, { cause: error });
    this.#close({ by, reason: told.message, error: told });
    // Whatever it sent is of no more interest, and it may not be reading.
    this.#abandon();
  }

  #peerEnded(): void {
    this.#hasPeerEnded = true;
    if (this.#decoder.pendingBytes > 0 && this.#ending === undefined) {
      this.#violated(new PolywireError("protocol-violation", "the peer ended in the middle of a message"), "remote");
      return;
    }
    if (this.#ending === undefined) this.#delivery.ended();
  }

  #lost(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeTimer?.cancel();
    this.#frameTimer?.cancel();
    this.#stopSilence();
    this.#bytesLost += this.#outbox.discard();
    const { gone } = this.#place;
    this.#delivery.closed(
      closeInfo({
        ending: this.#ending,
        failure: this.#failure,
        hasPeerEnded: this.#hasPeerEnded,
        bytesLost: this.#bytesLost,
      }),
    );
    gone();
  }
}
