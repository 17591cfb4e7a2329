import { type Payload, PolywireError, type Prepared, type Refusal, type SendResult } from "@polywire/core";
import { Inbox } from "./inbox.ts";
import { asPayload, DatagramLink, isOver, type LinkPlace, type LocalEnd, lostError } from "./link.ts";

/** RFC 9000, section 8: no more than three times what came from an address that may be forged. */
const REPLY_FACTOR = 3;
/** A closing link asks so often whether the system has taken the rest. */
const LOOK_AGAIN_MS = 10;

/** One datagram, one message. */
export class PlainLink extends DatagramLink {
  readonly #inbox: Inbox;
  #refusal: Refusal | undefined = undefined;
  #isWaiting = false;
  /** Memory for the next datagram, of the length of the last. */
  #scratch: Buffer | undefined = undefined;
  /** Bytes that may be sent to an address that nobody has proven; without a limit on the side that dialled. */
  #allowance: number;

  constructor(place: LinkPlace, isProven: boolean) {
    super(place);
    this.#inbox = new Inbox(this.delivery, place.host.limits.waitAboveBytes, () => place.dropped("held"));
    this.#allowance = isProven ? Infinity : 0;
  }

  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  get bufferedBytes(): number {
    return this.isOver ? 0 : this.way.queuedBytes;
  }

  send(payload: Payload | Prepared): SendResult {
    const own = asPayload(payload);
    if (this.ending !== undefined || this.isOver) return this.#refuse("closed");
    if (isOver(this.traits.maxMessageBytes, own)) return this.#refuse("too-large");
    const { maxBufferedBytes, waitAboveBytes } = this.host.limits;
    const { queuedBytes } = this.way;
    const datagram = typeof own === "string" ? Buffer.from(own) : this.#copied(own, queuedBytes === 0);
    const isFull = queuedBytes > 0 && queuedBytes + datagram.length > maxBufferedBytes;
    if (isFull || datagram.length > this.#allowance) return this.#refuse("overflow");
    this.#allowance -= datagram.length;
    this.way.transmit(datagram);
    // One alone is no queue to speak of, and need not be asked about.
    if (queuedBytes === 0 && datagram.length <= waitAboveBytes) return "sent";
    if (this.way.queuedBytes <= waitAboveBytes) return "sent";
    this.#isWaiting = true;
    return "wait";
  }

  /** A datagram of the peer. */
  arrived(datagram: Buffer): void {
    this.#allowance += datagram.length * REPLY_FACTOR;
    if (this.isOver || this.ending !== undefined) return;
    this.#inbox.message(datagram);
  }

  /** The peer was silent too long, or has to make room for another. */
  evict(code: "timed-out" | "limit-reached", message: string): void {
    this.#lose(new PolywireError(code, message));
  }

  sent(): void {
    if (!this.#isWaiting && this.ending === undefined) return;
    const queuedBytes = this.way.queuedBytes;
    if (this.#isWaiting && queuedBytes <= this.host.limits.waitAboveBytes / 2) {
      this.#isWaiting = false;
      this.delivery.drain();
    }
    if (this.ending !== undefined && queuedBytes === 0) this.#finishLocally(this.ending);
  }

  failed(error: Error & { code?: string }): void {
    // A datagram that is too large for the way was one message; what else the system says is about the peer.
    if (error.code === "EMSGSIZE") this.place.dropped("tooLarge");
    else this.#lose(lostError(error));
  }

  protected deliverHeld(): void {
    this.#inbox.deliver();
  }

  protected beginClose(end: LocalEnd): void {
    if (this.isOver) return;
    if (this.way.queuedBytes === 0) return this.#finishLocally(end);
    // The last datagram may have left without a receipt.
    this.host.clock.setTimer(() => this.beginClose(end), LOOK_AGAIN_MS);
  }

  protected cut(end: LocalEnd): void {
    const bytesLost = this.way.queuedBytes;
    this.finish({ ...end, by: "local", clean: false, bytesLost });
    this.#leave();
  }

  #finishLocally(end: LocalEnd): void {
    this.finish({ ...end, by: "local", clean: true, bytesLost: 0 });
    this.#leave();
  }

  #lose(error: PolywireError): void {
    if (this.isOver) return;
    const bytesLost = this.way.queuedBytes;
    if (this.ending === undefined) this.#inbox.end();
    this.finish({ by: this.ending === undefined ? "network" : "local", clean: false, bytesLost, error });
    this.#leave();
  }

  #leave(): void {
    this.way.leave();
    this.place.forgotten();
  }

  /** The system may take a datagram later, when its memory is the sender's again. Mostly it does at once, and one copy serves all of a size. */
  #copied(own: Uint8Array, isScratchFree: boolean): Buffer {
    if (!isScratchFree || this.#scratch?.length !== own.length) {
      // Not from the pool, of which it would keep much more than its own bytes.
      this.#scratch = Buffer.from(new Uint8Array(own).buffer);
      return this.#scratch;
    }
    this.#scratch.set(own);
    return this.#scratch;
  }

  #refuse(refusal: Refusal): "refused" {
    this.#refusal = refusal;
    return "refused";
  }
}
