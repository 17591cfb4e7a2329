import type { CloseInfo, CloseReason } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link, Refusal, SendResult, Sink } from "../contract/link.ts";
import type { Payload, Prepared } from "../contract/payload.ts";
import { Delivery, type DeliveryOwner } from "../wire/delivery.ts";

export interface HoldingOwner {
  /** The pool. */
  readonly lender: object;
  givenBack(holding: Holding): void;
  holderThrew(error: PolywireError): void;
}

const RELEASED: CloseInfo = { by: "local", clean: true, reason: "released", retryable: false, bytesLost: 0 };

/**
 * One borrower's time with a link: between the link, which its pool has opened, and the borrower's sink. Nothing that
 * belongs to it reaches the next borrower, and nothing of the next one's reaches it.
 */
export class Holding implements DeliveryOwner {
  readonly link: Link;
  readonly owner: HoldingOwner;
  readonly lentAtMs: number;
  readonly #delivery: Delivery = new Delivery(this);
  /** The borrower has not given it back. */
  isHeld = true;
  /** The link is gone. */
  isLost = false;
  /** The borrower has asked for the link's end. */
  isClosing = false;
  /** One direction is over. */
  isHalf = false;
  #refusal: Refusal | undefined = undefined;
  #isPaused = false;
  #isStarted = false;
  #isUnheard = false;
  #isTellingEnd = false;
  #failure: PolywireError | undefined = undefined;

  /** @param link open and paused: nothing is read before the borrower opens the lease. */
  constructor(link: Link, owner: HoldingOwner, lentAtMs: number) {
    this.link = link;
    this.owner = owner;
    this.lentAtMs = lentAtMs;
  }

  get refusal(): Refusal | undefined {
    return this.isHeld ? this.link.refusal : this.#refusal;
  }

  get bufferedBytes(): number {
    return this.isHeld ? this.link.bufferedBytes : 0;
  }

  /** What came was not held back until the release. */
  get wasReading(): boolean {
    return this.#isStarted && !this.#isPaused;
  }

  open(sink: Sink): void {
    if (!this.isHeld) throw released("opened");
    this.#delivery.open(sink);
    queueMicrotask(() => this.#start());
  }

  #start(): void {
    this.#isStarted = true;
    this.#delivery.start();
    this.#readOn();
  }

  #readOn(): void {
    if (this.isHeld && !this.isLost && this.#isStarted && !this.#isPaused) this.link.resume();
  }

  send(payload: Payload | Prepared): SendResult {
    if (this.isHeld) return this.link.send(payload);
    this.#refusal = "closed";
    return "refused";
  }

  pause(): void {
    if (!this.isHeld) return;
    this.#isPaused = true;
    this.#delivery.pause();
    this.link.pause();
  }

  resume(): void {
    if (!this.isHeld) return;
    this.#isPaused = false;
    this.#delivery.resume();
    this.#readOn();
  }

  close(reason?: CloseReason): void {
    if (!this.isHeld) return;
    this.isClosing = true;
    this.#delivery.drop();
    this.link.close(reason);
  }

  giveBack(): void {
    this.isHeld = false;
    this.#delivery.drop();
    this.owner.givenBack(this);
    if (this.isLost || this.isClosing) return;
    // Later, for this may be a call of the very sink that is to be told.
    queueMicrotask(() => this.#delivery.closed(RELEASED));
  }

  // From the link.

  message(payload: Payload): void {
    this.#delivery.message(payload);
  }

  drain(): void {
    this.#delivery.drain();
  }

  ended(): void | false {
    this.isHalf = true;
    this.#isTellingEnd = true;
    this.#isUnheard = false;
    this.#delivery.ended();
    this.#isTellingEnd = false;
    return this.#isUnheard ? false : undefined;
  }

  lost(info: CloseInfo): void {
    this.isLost = true;
    const error = this.#failure;
    this.#delivery.closed(error === undefined ? info : { ...info, clean: false, error });
  }

  // From the delivery.

  sinkFailed(error: PolywireError): void {
    this.owner.holderThrew(error);
    if (!this.isHeld || this.isLost) return;
    this.#failure ??= error;
    this.close({ reason: "internal error" });
  }

  endUnheard(): void {
    // The link closes in its own way when it is answered; an end that had to wait is past that.
    if (this.#isTellingEnd) this.#isUnheard = true;
    else if (this.isHeld) this.link.close();
  }
}

export function released(what: string): PolywireError {
  return new PolywireError("invalid-state", `a lease was ${what} after its release: acquire another`);
}
