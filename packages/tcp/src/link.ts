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
import { closeInfo, type Ending, foreignSpeech, looksLike } from "./closing.ts";
import { type DeadlineLimits, type DeadlineOwner, Deadlines } from "./deadlines.ts";
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
  readonly deadlines: DeadlineLimits;
  /** Whether the socket is bare TCP, the only kind that Node lets be reset. */
  readonly canReset: boolean;
  /** The socket is gone, after `closed`. */
  gone(): void;
}

/** One TCP connection. */
export class TcpLink implements Link, HalfClosable, OutboxWire, DeliveryOwner, DeadlineOwner {
  readonly peer: Peer;
  readonly #place: LinkPlace;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #decoder: Decoder;
  readonly #take: TakeMessage;
  readonly #deadlines: Deadlines;
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
  #onWritten: ((error?: Error | null) => void) | undefined = undefined;

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
    this.#deadlines = new Deadlines(place.clock, place.deadlines, this);
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
    this.#deadlines.frameOver();
  }

  #continue(): void {
    if (!this.#isStopped || !this.#isHandedOver) return;
    this.#isStopped = false;
    this.#socket.resume();
    if (this.#decoder.pendingBytes > 0) this.#deadlines.frameBegan();
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
    this.#onWritten ??= (error) => this.#written(error);
    socket.write(NOTHING, this.#onWritten);
    this.#deadlines.stalled();
    return false;
  }

  #written(error: Error | null | undefined): void {
    // What failed was not written: it is counted as lost when the socket is gone.
    if (this.#isOver || (error ?? undefined) !== undefined) return;
    this.#deadlines.flowed();
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
    // What a pause holds back is of no more interest, even if the link is ending for another reason already.
    this.#delivery.drop();
    if (this.#ending === undefined) this.#close({ by: "local", reason });
    if (discard) this.#abandon();
  }

  /** For delivery: a program's bug. */
  sinkFailed(error: PolywireError): void {
    this.#place.logger.log("error", "tcp", "program code threw", { error });
    if (this.#isOver || this.#ending !== undefined) return;
    this.#delivery.drop();
    this.#close({ by: "local", reason: "internal error", error });
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
    this.#deadlines.cancel();
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
    // What still comes while the link ends is only read to hear of the peer's own end.
    if (this.#ending !== undefined) return;
    this.#deadlines.heard();
    if (this.#firstBytes.length === 0 && !this.#isAcceptableBegin(chunk)) return;
    const before = this.#messages;
    try {
      this.#decoder.feed(chunk, this.#take);
    } catch (thrown) {
      this.#violated(PolywireError.from(thrown, "protocol-violation"));
      return;
    }
    if (this.#decoder.pendingBytes === 0 || this.#messages !== before) this.#deadlines.frameOver();
    if (this.#delivery.isHolding && !this.#isStopped) this.#stop();
    else if (this.#decoder.pendingBytes > 0 && this.#ending === undefined) this.#deadlines.frameBegan();
  }

  /** Looks at the first bytes of all: what speaks another protocol is not read as messages. */
  #isAcceptableBegin(chunk: Buffer): boolean {
    this.#firstBytes = Buffer.from(chunk.subarray(0, TELLING_BYTES));
    const foreign = this.traits.kind === "stream" ? undefined : foreignSpeech(chunk);
    if (foreign === undefined) return true;
    this.#violated(new PolywireError("protocol-violation", `the peer sent no message: ${foreign}`));
    return false;
  }

  /** For the deadlines. */
  get isPaused(): boolean {
    return this.#isStopped;
  }

  /** For the deadlines. */
  deadlinePassed(error: PolywireError): void {
    this.#violated(error);
  }

  #violated(error: PolywireError, by: Ending["by"] = "local"): void {
    if (this.#isOver || this.#ending !== undefined) return;
    const hint = this.#messages === 0 && this.traits.kind !== "stream" ? looksLike(this.#firstBytes) : undefined;
    const isHinted = hint !== undefined && !error.message.includes(hint);
    const told = isHinted
      ? new PolywireError("protocol-violation", `${error.message}: ${hint}`, { cause: error })
      : error;
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
    this.#deadlines.cancel();
    this.#bytesLost += this.#outbox.discard();
    this.#delivery.closed(
      closeInfo({
        ending: this.#ending,
        failure: this.#failure,
        hasPeerEnded: this.#hasPeerEnded,
        bytesLost: this.#bytesLost,
      }),
    );
    this.#place.gone();
  }
}
