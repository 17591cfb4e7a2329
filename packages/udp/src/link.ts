import {
  type CloseInfo,
  type CloseReason,
  checkPayload,
  Delivery,
  type DeliveryOwner,
  type Framing,
  type HostContext,
  type Link,
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
import type { DropReason } from "./drops.ts";
import type { CompleteOptions } from "./options.ts";
import type { Reassembly } from "./reassembly.ts";
import type { Way, WayOwner } from "./way.ts";

/** What a link is made from. */
export interface LinkPlace {
  readonly traits: Traits;
  readonly peer: Peer;
  readonly host: HostContext;
  readonly options: CompleteOptions;
  readonly way: Way;
  /** What bounds the memory of all links of a listener together. */
  readonly reassembly?: Reassembly;
  /** A datagram was of no use. */
  dropped(reason: DropReason): void;
  /** The link is over. It may still answer its peer. */
  gone(): void;
  /** The link answers nobody any more. */
  forgotten(): void;
}

/** How the holder, or what it did, ends the link. */
export interface LocalEnd {
  readonly code: number | undefined;
  readonly reason: string;
  readonly error: PolywireError | undefined;
}

/** How a link came to its end. */
export interface Outcome extends Partial<LocalEnd> {
  readonly by: CloseInfo["by"];
  readonly clean: boolean;
  readonly bytesLost: number;
}

/** What the links of all modes have in common. */
export abstract class DatagramLink implements Link, DeliveryOwner, WayOwner {
  readonly traits: Traits;
  readonly peer: Peer;
  protected readonly place: LinkPlace;
  protected readonly host: HostContext;
  protected readonly way: Way;
  protected readonly delivery: Delivery = new Delivery(this);
  /** Set when the holder has asked for the end, or made it necessary. */
  protected ending: LocalEnd | undefined = undefined;
  #isOver = false;
  #closeTimer: Timer | undefined = undefined;

  constructor(place: LinkPlace) {
    this.place = place;
    this.traits = place.traits;
    this.peer = place.peer;
    this.host = place.host;
    this.way = place.way;
    place.way.owner = this;
  }

  get framing(): Framing | undefined {
    return undefined;
  }

  abstract readonly refusal: Refusal | undefined;
  abstract readonly bufferedBytes: number;
  abstract send(payload: Payload | Prepared): SendResult;
  abstract sent(): void;
  abstract failed(error: Error): void;
  /** Delivers what was held, as far as the holder wants it. */
  protected abstract deliverHeld(): void;
  /** The holder wants the end: whatever comes before it is to be done, then `finish`. */
  protected abstract beginClose(end: LocalEnd): void;
  /** The end has to come now, whatever is not done. */
  protected abstract cut(end: LocalEnd): void;

  get isOver(): boolean {
    return this.#isOver;
  }

  open(sink: Sink): void {
    this.delivery.open(sink);
    this.host.turn.schedule({
      flush: () => {
        this.delivery.start();
        this.deliverHeld();
      },
    });
  }

  pause(): void {
    this.delivery.pause();
  }

  resume(): void {
    this.delivery.resume();
    this.deliverHeld();
  }

  close(reason: CloseReason = {}): void {
    const { code, reason: text = "", discard = false } = reason;
    this.closeWith({ code, reason: text, error: undefined }, discard);
  }

  sinkFailed(error: PolywireError): void {
    this.host.logger.log("error", "udp", "sink threw", { error });
    this.closeWith({ code: undefined, reason: "internal error", error });
  }

  protected closeWith(end: LocalEnd, discard: boolean = false): void {
    if (this.#isOver || (this.ending !== undefined && !discard)) return;
    const isFirst = this.ending === undefined;
    this.ending ??= end;
    if (isFirst) this.delivery.drop();
    if (discard) return this.cut(this.ending);
    this.#closeTimer = this.host.clock.setTimer(() => {
      if (!this.#isOver) this.cut(this.ending as LocalEnd);
    }, this.host.limits.closeTimeoutMs);
    this.beginClose(end);
  }

  /** The end. Nothing is told inside the call that asked for it. */
  protected finish({ by, clean, bytesLost, code, reason = "", error }: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeTimer?.cancel();
    this.place.gone();
    const info: CloseInfo = {
      by,
      clean: clean && error === undefined,
      reason,
      retryable: by !== "local",
      bytesLost,
      ...(code !== undefined && { code }),
      ...(error !== undefined && { error }),
    };
    this.host.turn.schedule({ flush: () => this.delivery.closed(info) });
  }
}

/** Whether the payload has more bytes than this, told from its length where that is enough. */
export function isOver(maxBytes: number, payload: Payload): boolean {
  if (typeof payload !== "string") return payload.byteLength > maxBytes;
  return payload.length > maxBytes || (payload.length * 3 > maxBytes && Buffer.byteLength(payload) > maxBytes);
}

/** What may be sent on links without a framing. */
export function asPayload(payload: Payload | Prepared): Payload {
  checkPayload(payload);
  return payload;
}

/** The error of a link that was lost. */
export function lostError(thrown: Error): PolywireError {
  return PolywireError.from(thrown, "connection-reset", "the link was lost");
}
