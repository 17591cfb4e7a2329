import type { Socket } from "node:net";
import {
  type Clock,
  type CloseReason,
  checkPayload,
  Delivery,
  type DeliveryOwner,
  type FramedBytes,
  type Framing,
  type Link,
  type LinkLimits,
  type Logger,
  Outbox,
  type OutboxWire,
  type Payload,
  type Peer,
  type Pingable,
  Pings,
  PolywireError,
  type Prepared,
  type Refusal,
  type SendResult,
  type Sink,
  type Timer,
  type Traits,
  type Turn,
} from "@polywire/core";
import { WebSocket } from "ws";
import { CLOSE_CODES, checkCloseCode, closeInfo, type Ending, fitReason, violation } from "./closing.ts";
import { frame, type MaskSource, maskedFrame, openFrame, serverFraming } from "./frame.ts";
import type { Beating, Heartbeat } from "./heartbeat.ts";
import type { LinkSocket, SocketListener } from "./link-socket.ts";

/** More pings a second than this are an attack: the peer is closed with 1008. */
const MAX_PINGS_PER_SECOND = 100;
/** The token of a ping is its whole payload. */
const PING_TOKEN_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/** What the links of one listener have in common, and what one dialled link has for itself. */
export interface LinkPlace {
  readonly traits: Traits;
  readonly limits: LinkLimits;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly logger: Logger;
  /** Set on the client side: what it sends is masked, so no two links frame alike. */
  readonly masks: MaskSource | undefined;
  readonly heartbeat: Heartbeat | undefined;
  readonly pingTimeoutMs: number;
  /** The socket is gone, after `closed`. */
  gone(): void;
}

/** One WebSocket. */
export class WebSocketLink implements Link, Pingable, OutboxWire, DeliveryOwner, SocketListener, Beating {
  readonly peer: Peer;
  heardAtTick = 0;
  pingedAtTick = 0;
  bytesReadAtPing = 0;
  readonly #place: LinkPlace;
  readonly #webSocket: LinkSocket;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #isCompressed: boolean;
  #isHandedOver = false;
  #isStopped = false;
  #isOver = false;
  #ending: Ending | undefined = undefined;
  #bytesLost = 0;
  #closeTimer: Timer | undefined = undefined;
  #onWritten: (() => void) | undefined = undefined;
  #pings: Pings | undefined = undefined;
  #pingsInSecond = 0;
  #pingSecond = 0;

  /** @param webSocket open, and not read yet. */
  constructor(webSocket: LinkSocket, { socket, peer, place }: { socket: Socket; peer: Peer; place: LinkPlace }) {
    this.peer = peer;
    this.#place = place;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#outbox = new Outbox(place.turn, this, place.limits);
    this.#delivery = new Delivery(this);
    this.#isCompressed = webSocket.extensions !== "";
    webSocket.listen(this);
    place.heartbeat?.add(this);
  }

  get traits(): Traits {
    return this.#place.traits;
  }

  get framing(): Framing | undefined {
    return this.#isMasked || this.#isCompressed ? undefined : serverFraming;
  }

  get refusal(): Refusal | undefined {
    return this.#outbox.refusal;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Nothing is read from the socket, so no sign of life either. */
  get isPaused(): boolean {
    return this.#isStopped;
  }

  get #isMasked(): boolean {
    return this.#place.masks !== undefined;
  }

  /** The listener or dialler has passed the link on. Nothing is read until it is opened. */
  handOver(): void {
    this.#isHandedOver = true;
    if (this.#delivery.isOpened) this.#start();
    else this.#stop();
  }

  open(sink: Sink): void {
    this.#delivery.open(sink);
    if (this.#isHandedOver) queueMicrotask(() => this.#start());
  }

  #start(): void {
    this.#delivery.start();
    if (!this.#delivery.isHolding) this.#continue();
  }

  /**
   * Reading goes on until a message arrives that may not be delivered: a holder that only sends, or takes a rest, still
   * answers pings and hears of the end.
   */
  pause(): void {
    this.#delivery.pause();
  }

  resume(): void {
    this.#delivery.resume();
    if (this.#delivery.isOpened && !this.#delivery.isHolding) this.#continue();
  }

  #stop(): void {
    this.#isStopped = true;
    this.#webSocket.pause();
  }

  #continue(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#webSocket.resume();
  }

  send(payload: Payload | Prepared): SendResult {
    if (typeof payload === "string") {
      // A UTF-16 unit is three bytes at the most, so most strings need no counting.
      const { maxMessageBytes } = this.#place.limits;
      const isTooLarge = payload.length * 3 > maxMessageBytes && Buffer.byteLength(payload) > maxMessageBytes;
      return this.#sendOwn(payload, isTooLarge);
    }
    // What is prepared for another framing is no payload either.
    if (payload instanceof Uint8Array || payload?.framing === undefined || payload.framing !== this.framing) {
      checkPayload(payload);
      return this.#sendOwn(payload, payload.byteLength > this.#place.limits.maxMessageBytes);
    }
    if (!this.#isOpen) return this.#outbox.refuse("closed");
    if (payload.largestMessageBytes > this.#place.limits.maxMessageBytes) return this.#outbox.refuse("too-large");
    return this.#outbox.send(payload as FramedBytes);
  }

  #sendOwn(payload: Payload, isTooLarge: boolean): SendResult {
    if (!this.#isOpen) return this.#outbox.refuse("closed");
    if (isTooLarge) return this.#outbox.refuse("too-large");
    const { masks } = this.#place;
    return this.#outbox.sendOwn(
      masks === undefined || this.#isCompressed ? frame(payload) : maskedFrame(payload, masks),
    );
  }

  get #isOpen(): boolean {
    return this.#ending === undefined && this.#webSocket.readyState === WebSocket.OPEN;
  }

  /** For the outbox. */
  write(buffers: readonly Uint8Array[]): boolean {
    // After a close frame nothing may follow; what is left is counted as lost when the socket is gone.
    if (this.#webSocket.readyState !== WebSocket.OPEN || !this.#socket.writable) return false;
    if (this.#isCompressed) {
      this.#writeCompressed(buffers);
      return false;
    }
    const socket = this.#socket;
    if (buffers.length === 1) {
      socket.write(buffers[0] as Uint8Array);
    } else {
      socket.cork();
      for (const buffer of buffers) socket.write(buffer);
      socket.uncork();
    }
    if (socket.writableLength === 0) {
      if (this.#ending !== undefined) this.#sendClose();
      return true;
    }
    // Only now is a callback worth its price: it rides on an empty write behind the others.
    this.#onWritten ??= () => this.#written();
    socket.write(NOTHING, this.#onWritten);
    return false;
  }

  #writeCompressed(frames: readonly Uint8Array[]): void {
    this.#onWritten ??= () => this.#written();
    for (const [index, bytes] of frames.entries()) {
      const { isText, payload } = openFrame(bytes);
      this.#webSocket.send(payload, { binary: !isText }, index === frames.length - 1 ? this.#onWritten : undefined);
    }
  }

  #written(): void {
    if (this.#isOver || !this.#socket.writable) return;
    this.#outbox.written();
    if (this.#ending !== undefined && this.#outbox.bufferedBytes === 0) this.#sendClose();
  }

  /** For the outbox. */
  drained(): void {
    this.#delivery.drain();
  }

  ping(done: (roundTripMs: number | undefined) => void): void {
    this.#pings ??= new Pings(this.#place.clock, this.#place.pingTimeoutMs, this);
    const token = this.#pings.add(done, this.#isOpen);
    if (token === undefined) return;
    const data = Buffer.alloc(PING_TOKEN_BYTES);
    data.writeUInt32BE(token);
    this.#webSocket.ping(data);
  }

  /** For the heartbeat. */
  heartbeatPing(): void {
    if (this.#isOpen) this.#webSocket.ping();
  }

  /** For the heartbeat. */
  heartbeatMissed(): void {
    const reason = "the peer gave no sign of life";
    const error = new PolywireError("timed-out", `${reason}: it is gone or unreachable`);
    this.#ending ??= { by: "network", code: CLOSE_CODES.lost, reason, error };
    this.#webSocket.terminate();
  }

  close(reason: CloseReason = {}): void {
    const code = checkCloseCode(reason.code);
    if (this.#isOver) {
      // Only messages that a pause holds back can still be on their way.
      if (!this.#delivery.isClosed) queueMicrotask(() => this.#delivery.drop());
      return;
    }
    if (this.#ending === undefined) this.#end({ by: "local", code, reason: fitReason(reason.reason ?? "") });
    else this.#delivery.drop();
    if (reason.discard === true) this.#abandon();
  }

  /** For delivery and pings: a program's bug, so the peer is told that it is ours. */
  sinkFailed(error: PolywireError): void {
    this.#place.logger.log("error", "ws", "program code threw", { error });
    if (!this.#isOver && this.#ending === undefined) {
      this.#end({ by: "local", code: CLOSE_CODES.internalError, reason: "internal error", error });
    }
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    this.#outbox.close();
    this.#delivery.drop();
    const { clock, limits } = this.#place;
    this.#closeTimer = clock.setTimer(() => this.#webSocket.terminate(), limits.closeTimeoutMs);
    // The peer's part of the close has to be read.
    this.#continue();
    if (this.#outbox.bufferedBytes === 0) this.#sendClose();
  }

  #sendClose(): void {
    const { code, reason } = this.#ending as Ending;
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.close(code, reason);
  }

  /**
   * Over for the holder at once. The close frame still goes out behind what the operating system has begun to take, so
   * that a peer that was too slow can read why; the socket lives for that until the close timeout, at the most.
   */
  #abandon(): void {
    this.#bytesLost = this.#outbox.discard();
    this.#sendClose();
    queueMicrotask(() => this.#finish({ code: CLOSE_CODES.lost, reason: "" }));
  }

  /** From the library: a whole message. */
  received(data: Buffer, isBinary: boolean): void {
    this.#place.heartbeat?.heard(this);
    this.#delivery.message(isBinary ? data : data.toString());
    if (this.#delivery.isHolding && !this.#isStopped) this.#stop();
  }

  /** From the library. */
  pinged(data: Buffer): void {
    const { clock, heartbeat, limits } = this.#place;
    heartbeat?.heard(this);
    const second = Math.floor(clock.now() / 1_000);
    if (second !== this.#pingSecond) {
      this.#pingSecond = second;
      this.#pingsInSecond = 0;
    }
    if (++this.#pingsInSecond > MAX_PINGS_PER_SECOND) this.#violated(CLOSE_CODES.policyViolation, "too many pings");
    // RFC 6455, section 5.5.3: not every ping needs its pong. A peer that does not read gets none piled up.
    else if (this.bufferedBytes + this.#socket.writableLength <= limits.waitAboveBytes) this.#webSocket.pong(data);
  }

  /** From the library. */
  ponged(data: Buffer): void {
    this.#place.heartbeat?.heard(this);
    if (data.byteLength === PING_TOKEN_BYTES) this.#pings?.answered(data.readUInt32BE());
  }

  #violated(code: number, reason: string): void {
    if (this.#isOver || this.#ending !== undefined) return;
    const error = new PolywireError("protocol-violation", `the peer broke the rules: ${reason}`);
    this.#end({ by: "local", code, reason, error });
    // Whatever it sent is of no more interest, and it may not be reading.
    this.#abandon();
  }

  /** From the library: the peer sent what may not be sent. The library has answered with the close frame. */
  failed(thrown: Error): void {
    const { code, error } = violation(thrown, this.#place.limits.maxMessageBytes);
    this.#ending ??= { by: "local", code, reason: thrown.message, error };
    this.#outbox.close();
  }

  /** From the library: the socket is gone. */
  lost(code: number, reason: Buffer): void {
    this.#bytesLost += this.#outbox.discard();
    this.#finish({ code, reason: reason.toString() });
    this.#place.gone();
  }

  #finish(received: { readonly code: number; readonly reason: string }): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeTimer?.cancel();
    this.#place.heartbeat?.remove(this);
    this.#pings?.abandon();
    this.#delivery.closed(closeInfo(received, this.#ending, this.#bytesLost));
  }
}
