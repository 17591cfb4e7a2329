import {
  type FramedBytes,
  type Framing,
  Outbox,
  type OutboxWire,
  type Payload,
  PolywireError,
  type Prepared,
  type Refusal,
  type SendResult,
} from "@polywire/core";
import type { DropReason } from "./drops.ts";
import { HeaderLink, type LinkIds } from "./header-link.ts";
import { asPayload, isOver, type LinkPlace } from "./link.ts";
import { SPENT_REASON, TYPE } from "./packet.ts";
import type { Reassembling } from "./reassembly.ts";
import { type RecordFault, record, recordFraming } from "./reliable-records.ts";
import { type ReliableOwner, ReliableState } from "./reliable-state.ts";

/** Whole messages, each one once and in order. */
export class ReliableLink extends HeaderLink implements OutboxWire, ReliableOwner, Reassembling {
  retainedBytes = 0;
  progressAtMs = 0;
  readonly #outbox: Outbox;
  readonly #state: ReliableState;
  /** The outbox waits to hear that its last write is done. */
  #isWriting = false;
  #isFlushScheduled = false;
  #isFinSent = false;
  /** Since when the peer owes something, or when it last paid some of it. */
  #movedAtMs: number;

  constructor(place: LinkPlace, ids: LinkIds & { readonly datagramBytes: number }) {
    super(place, ids);
    this.#movedAtMs = this.now;
    this.#outbox = new Outbox(place.host.turn, this, place.host.limits);
    this.#state = new ReliableState({
      peerId: ids.peer,
      datagramBytes: ids.datagramBytes,
      maxMessageBytes: place.traits.maxMessageBytes,
      owner: this,
    });
  }

  override get framing(): Framing {
    return recordFraming;
  }

  get refusal(): Refusal | undefined {
    return this.#outbox.refusal;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  send(payload: Payload | Prepared): SendResult {
    const isPrepared = typeof payload === "object" && !(payload instanceof Uint8Array);
    if (isPrepared && payload?.framing === recordFraming) {
      if (this.#isShut) return this.#outbox.refuse("closed");
      if (payload.largestMessageBytes > this.traits.maxMessageBytes) return this.#outbox.refuse("too-large");
      return this.#outbox.send(payload as FramedBytes);
    }
    const own = asPayload(payload);
    if (this.#isShut) return this.#outbox.refuse("closed");
    if (isOver(this.traits.maxMessageBytes, own)) return this.#outbox.refuse("too-large");
    return this.#outbox.sendOwn(record(own));
  }

  get #isShut(): boolean {
    return this.isOver || this.ending !== undefined || this.#state.isPeerFinished;
  }

  /** For the outbox. */
  write(buffers: readonly Uint8Array[], byteLength: number): boolean {
    if (this.isOver) return false;
    this.#state.accept(buffers, byteLength);
    this.#state.flush(this.now);
    this.arm();
    this.#isWriting = this.#state.pendingBytes > 0;
    if (this.#state.isFlushDue) this.#scheduleFlush();
    return !this.#isWriting;
  }

  /** For the outbox. */
  drained(): void {
    this.delivery.drain();
  }

  /** The system took a datagram: what it may take is for the congestion window to say. */
  sent(): void {}

  /** For the state. */
  transmit(datagram: Buffer): void {
    this.way.transmit(datagram);
  }

  /** For the state. */
  get isPaused(): boolean {
    return this.delivery.isPaused;
  }

  /** For the state. */
  message(payload: Payload): void {
    this.delivery.message(payload);
  }

  /** The listener's links hold too much together. */
  starve(): void {
    const message = "the links of the listener hold too many bytes that wait for the rest of a message";
    const end = { code: undefined, reason: message, error: new PolywireError("limit-reached", message) };
    this.closeWith(end, true);
  }

  /** For the state. */
  peerFinished(code: number | undefined, reason: string): void {
    this.transmit(this.#state.acknowledgement());
    // Both close at once: each waits until the other has everything.
    if (this.ending !== undefined) return;
    this.over({ by: "remote", clean: true, bytesLost: this.forget(), code, reason });
  }

  /** For the state. */
  violated({ fault, byteLength }: RecordFault): void {
    const isTooLarge = fault === "too-large";
    const message = isTooLarge
      ? `a message of ${byteLength} bytes arrived, maxMessageBytes is ${this.traits.maxMessageBytes}`
      : "the peer's stream of messages is malformed";
    const error = new PolywireError(isTooLarge ? "too-large" : "protocol-violation", message);
    this.closeWith({ code: undefined, reason: message, error });
  }

  protected take(type: number, datagram: Buffer): DropReason | undefined {
    const { segmentsInOrder, isOwed } = this.#state;
    const drop = this.#take(type, datagram);
    if (!isOwed || this.#state.segmentsInOrder > segmentsInOrder) this.#movedAtMs = this.now;
    this.#count();
    this.#finishIfDone();
    if (this.#state.isFlushDue) this.#scheduleFlush();
    return drop;
  }

  protected answerLate(type: number, datagram: Buffer): void {
    if (type !== TYPE.data) return;
    this.#state.dataArrived(datagram, this.now);
    this.transmit(this.#state.acknowledgement());
  }

  protected get dueMs(): number {
    return Math.min(this.#state.dueMs, this.#state.isOwed ? this.#movedAtMs + this.place.options.giveUpMs : Infinity);
  }

  protected tick(nowMs: number): void {
    const { giveUpMs } = this.place.options;
    if (this.#state.stalledForMs(nowMs) >= giveUpMs) {
      const message = `the peer acknowledged nothing for ${giveUpMs} ms: it is gone or unreachable`;
      return this.unknownToPeer(new PolywireError("timed-out", message));
    }
    // The peer would have given up by now, if it had wanted the rest to arrive.
    if (this.#state.isOwed && nowMs - this.#movedAtMs >= giveUpMs) {
      const message = `the rest of a message did not come within ${giveUpMs} ms`;
      const end = { code: undefined, reason: message, error: new PolywireError("timed-out", message) };
      return this.closeWith(end, true);
    }
    this.#state.tick(nowMs);
    this.#flushed();
  }

  protected forget(): number {
    this.place.reassembly?.update(this, 0);
    const bytesLost = this.#outbox.discard() + this.#state.unacknowledgedBytes;
    this.#state.release();
    return bytesLost;
  }

  /** Only the close itself may be on its way. */
  protected get isDone(): boolean {
    return this.#isFinSent && this.#state.isOnlyFinUnderWay;
  }

  protected deliverHeld(): void {
    if (!this.isOver) this.#read();
    this.#count();
    if (this.#state.isFlushDue && !this.isOver) this.#scheduleFlush();
  }

  protected beginClose(): void {
    this.#outbox.close();
    // The sink is done with messages: what was held for it is dropped, and makes room.
    this.#state.read();
    this.#outbox.flush();
    this.#finishStream();
    this.arm();
  }

  #take(type: number, datagram: Buffer): DropReason | undefined {
    switch (type) {
      case TYPE.data:
        return this.#state.dataArrived(datagram, this.now);
      case TYPE.ack:
        return this.#state.acknowledgementArrived(datagram, this.now);
      case TYPE.ping:
        this.#state.acknowledgeNow();
        return undefined;
      default:
        return "badType";
    }
  }

  #read(): void {
    const { isOwed } = this.#state;
    this.#state.read();
    // While the holder rested the peer owed nothing.
    if (!isOwed) this.#movedAtMs = this.now;
  }

  #count(): void {
    this.place.reassembly?.update(this, this.isOver ? 0 : this.#state.retainedBytes);
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.host.turn.schedule(this.#flush);
  }

  readonly #flush = {
    flush: (): void => {
      this.#isFlushScheduled = false;
      if (this.isOver) return;
      this.#state.flush(this.now);
      this.#flushed();
      this.arm();
    },
  };

  #flushed(): void {
    if (this.#isWriting && this.#state.pendingBytes === 0) {
      this.#isWriting = false;
      this.#outbox.written();
      if (!this.#isWriting) this.#finishStream();
    }
    if (this.#state.isFlushDue) this.#scheduleFlush();
    if (this.#state.isSpent && this.ending === undefined) {
      this.closeWith({ code: undefined, reason: SPENT_REASON, error: undefined });
    }
  }

  /** Ends the stream once everything that was accepted is in it. */
  #finishStream(): void {
    if (this.ending === undefined || this.#isFinSent || this.isOver || this.#outbox.bufferedBytes > 0) return;
    this.#isFinSent = true;
    this.#state.finish(this.ending.code, this.ending.reason);
    this.#state.flush(this.now);
  }

  #finishIfDone(): void {
    if (this.ending === undefined || !this.#isFinSent || !this.#state.isIdle) return;
    this.forget();
    this.over({ ...this.ending, by: "local", clean: true, bytesLost: 0 });
  }
}
