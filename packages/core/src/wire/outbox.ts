import type { Refusal, SendResult } from "../contract/link.ts";
import type { FramedBytes } from "../contract/payload.ts";
import type { Run } from "./run.ts";
import type { Flushable, Turn } from "./turn.ts";

/** Messages may be tiny: their number is bounded as well as their bytes. */
const MAX_BUFFERED_PARTS = 65_536;

/** What an outbox needs of its wire. */
export interface OutboxWire {
  /**
   * Hands the buffers to the operating system, in order and in one call where it can. Returns true if it took them all
   * at once; otherwise the wire calls {@link Outbox.written} when it did, and gets nothing more until then. The array
   * is only valid during the call, the buffers never change.
   */
  write(buffers: readonly Uint8Array[], byteLength: number): boolean;
  /** The peer has caught up after a `wait`. */
  drained(): void;
}

export interface OutboxLimits {
  /** Past this many buffered bytes `send` says `wait`; `drained` comes when they are down to half. */
  readonly waitAboveBytes: number;
  /** Past this many buffered bytes `send` refuses. A message is always taken when nothing is buffered. */
  readonly maxBufferedBytes: number;
}

/**
 * The one ordered way out of a link. What a turn of the event loop sends leaves together at its end, in the order it
 * was sent; while the operating system is behind, it gathers here, up to a limit.
 */
export class Outbox implements Flushable {
  readonly #turn: Turn;
  readonly #wire: OutboxWire;
  readonly #limits: OutboxLimits;
  /** What precedes `#run`: closed runs and bytes of this link alone. */
  #segments: (Run | Uint8Array)[] | undefined = undefined;
  #run: Run | undefined = undefined;
  #pendingBytes = 0;
  #pendingParts = 0;
  #inFlightBytes = 0;
  #isScheduled = false;
  #isWaiting = false;
  #refusal: Refusal | undefined = undefined;
  #isClosed = false;

  constructor(turn: Turn, wire: OutboxWire, limits: OutboxLimits) {
    this.#turn = turn;
    this.#wire = wire;
    this.#limits = limits;
  }

  /** Bytes accepted and not yet taken by the operating system. */
  get bufferedBytes(): number {
    return this.#pendingBytes + this.#inFlightBytes;
  }

  /** Why the last message was refused. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** Sends bytes that other links may be sent too. */
  send(framed: FramedBytes): SendResult {
    if (!this.#accepts(framed.bytes.byteLength)) return "refused";
    this.#run = (this.#run ?? this.#turn.root).append(framed);
    return this.#accepted(framed.bytes.byteLength);
  }

  /** Sends bytes that are this link's alone. The outbox keeps them: they must not change. */
  sendOwn(bytes: Uint8Array): SendResult {
    if (!this.#accepts(bytes.byteLength)) return "refused";
    this.#segments ??= [];
    if (this.#run !== undefined) {
      this.#segments.push(this.#run);
      this.#run = undefined;
    }
    this.#segments.push(bytes);
    return this.#accepted(bytes.byteLength);
  }

  /** Notes a refusal that the link decided on. */
  refuse(refusal: Refusal): "refused" {
    this.#refusal = refusal;
    return "refused";
  }

  /** Hands everything over now, as far as the operating system is ready. */
  flush(): void {
    this.#isScheduled = false;
    this.#handOver();
    this.#tellDrained();
  }

  /** The wire's word that the operating system took what {@link OutboxWire.write} was given. */
  written(): void {
    this.#inFlightBytes = 0;
    if (!this.#isScheduled) this.#handOver();
    this.#tellDrained();
  }

  /** Refuses everything from here on. What was accepted still leaves. */
  close(): void {
    this.#isClosed = true;
  }

  /** Closes and forgets what was not handed over; returns how many bytes that lost, those in flight included. */
  discard(): number {
    const lost = this.bufferedBytes;
    this.#isClosed = true;
    this.#isWaiting = false;
    this.#forgetPending();
    this.#inFlightBytes = 0;
    return lost;
  }

  #accepts(byteLength: number): boolean {
    // Only a peer that is behind is refused: one turn that produces a lot is handed over before its end.
    if (!this.#hasRoom(byteLength)) this.#handOver();
    if (this.#isClosed) this.#refusal = "closed";
    else if (!this.#hasRoom(byteLength)) this.#refusal = "overflow";
    else return true;
    return false;
  }

  #hasRoom(byteLength: number): boolean {
    const { bufferedBytes } = this;
    const isWithinBytes = bufferedBytes + byteLength <= this.#limits.maxBufferedBytes;
    return bufferedBytes === 0 || (isWithinBytes && this.#pendingParts < MAX_BUFFERED_PARTS);
  }

  #handOver(): void {
    if (this.#inFlightBytes > 0 || this.#pendingBytes === 0) return;
    const byteLength = this.#pendingBytes;
    const buffers = this.#takePending();
    this.#inFlightBytes = byteLength;
    if (this.#wire.write(buffers, byteLength)) this.#inFlightBytes = 0;
  }

  #tellDrained(): void {
    if (!this.#isWaiting || this.bufferedBytes > this.#limits.waitAboveBytes / 2) return;
    this.#isWaiting = false;
    this.#wire.drained();
  }

  #accepted(byteLength: number): SendResult {
    this.#pendingBytes += byteLength;
    this.#pendingParts += 1;
    if (!this.#isScheduled && this.#inFlightBytes === 0) {
      this.#isScheduled = true;
      this.#turn.schedule(this);
    }
    if (this.#pendingBytes + this.#inFlightBytes <= this.#limits.waitAboveBytes) return "sent";
    this.#isWaiting = true;
    return "wait";
  }

  #takePending(): Uint8Array[] {
    const buffers: Uint8Array[] = [];
    if (this.#segments !== undefined) {
      for (const segment of this.#segments) {
        if (segment instanceof Uint8Array) buffers.push(segment);
        else segment.collect(buffers);
      }
    }
    this.#run?.collect(buffers);
    this.#forgetPending();
    return buffers;
  }

  #forgetPending(): void {
    this.#segments = undefined;
    this.#run = undefined;
    this.#pendingBytes = 0;
    this.#pendingParts = 0;
  }
}
