import { isUtf8 } from "node:buffer";
import type { Payload, Prepared, Refusal, SendResult } from "@polywire/core";
import type { DropReason } from "./drops.ts";
import { HeaderLink, type LinkIds } from "./header-link.ts";
import { Inbox } from "./inbox.ts";
import { asPayload, isOver, type LinkPlace, type LocalEnd } from "./link.ts";
import { closeBody, HEADER_BYTES, LAST_NUMBER, packet, readCloseBody, SPENT_REASON, TYPE } from "./packet.ts";
import { SEQUENCED_BYTES } from "./settings.ts";

const FLAG_TEXT = 1;
const FIRST_REPEAT_MS = 200;

/** One datagram, one message; late and doubled ones are dropped. */
export class SequencedLink extends HeaderLink {
  readonly #inbox: Inbox;
  #refusal: Refusal | undefined = undefined;
  #isWaiting = false;
  #nextNumber = 0;
  #expected = 0;
  #fin: Buffer | undefined = undefined;
  #finAtMs = Infinity;
  #repeatMs = FIRST_REPEAT_MS;

  constructor(place: LinkPlace, ids: LinkIds) {
    super(place, ids);
    this.#inbox = new Inbox(this.delivery, place.host.limits.waitAboveBytes, () => place.dropped("held"));
  }

  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  get bufferedBytes(): number {
    return this.isOver ? 0 : this.way.queuedBytes;
  }

  send(payload: Payload | Prepared): SendResult {
    const own = asPayload(payload);
    if (this.#nextNumber > LAST_NUMBER) this.closeWith({ code: undefined, reason: SPENT_REASON, error: undefined });
    if (this.ending !== undefined || this.isOver) return this.#refuse("closed");
    if (isOver(this.traits.maxMessageBytes, own)) return this.#refuse("too-large");
    const { maxBufferedBytes, waitAboveBytes } = this.host.limits;
    const { queuedBytes } = this.way;
    const byteLength = typeof own === "string" ? Buffer.byteLength(own) : own.byteLength;
    if (queuedBytes > 0 && queuedBytes + byteLength > maxBufferedBytes) return this.#refuse("overflow");
    const datagram = packet(TYPE.data, this.ids.peer, SEQUENCED_BYTES - HEADER_BYTES + byteLength);
    datagram.writeUInt32BE(this.#nextNumber++, HEADER_BYTES + 1);
    if (typeof own === "string") {
      datagram[HEADER_BYTES] = FLAG_TEXT;
      datagram.write(own, SEQUENCED_BYTES, "utf8");
    } else {
      datagram.set(own, SEQUENCED_BYTES);
    }
    this.way.transmit(datagram);
    if (queuedBytes === 0 && datagram.length <= waitAboveBytes) return "sent";
    if (this.way.queuedBytes <= waitAboveBytes) return "sent";
    this.#isWaiting = true;
    return "wait";
  }

  sent(): void {
    if (!this.#isWaiting || this.way.queuedBytes > this.host.limits.waitAboveBytes / 2) return;
    this.#isWaiting = false;
    this.delivery.drain();
  }

  protected take(type: number, datagram: Buffer): DropReason | undefined {
    switch (type) {
      case TYPE.data:
        return this.#message(datagram);
      case TYPE.fin:
        return this.#peerFinished(datagram);
      case TYPE.finAck:
        if (this.#fin !== undefined)
          this.over({ ...(this.ending as LocalEnd), by: "local", clean: true, bytesLost: 0 });
        return undefined;
      case TYPE.ping:
        return undefined;
      default:
        return "badType";
    }
  }

  protected answerLate(type: number): void {
    if (type === TYPE.fin) this.way.transmit(packet(TYPE.finAck, this.ids.peer, 0));
  }

  protected get dueMs(): number {
    return this.#finAtMs;
  }

  protected tick(nowMs: number): void {
    if (nowMs < this.#finAtMs || this.#fin === undefined) return;
    this.way.transmit(this.#fin);
    this.#finAtMs = nowMs + this.#repeatMs;
    this.#repeatMs *= 2;
  }

  protected forget(): number {
    // Messages that arrived are the holder's still.
    this.#inbox.end();
    return this.way.queuedBytes;
  }

  protected get isDone(): boolean {
    return this.#fin !== undefined;
  }

  protected deliverHeld(): void {
    this.#inbox.deliver();
  }

  protected beginClose({ code, reason }: LocalEnd): void {
    const body = closeBody(code, reason);
    this.#fin = packet(TYPE.fin, this.ids.peer, body.length);
    body.copy(this.#fin, HEADER_BYTES);
    this.#finAtMs = this.now;
    this.tick(this.now);
    this.arm();
  }

  #message(datagram: Buffer): DropReason | undefined {
    const number = datagram.readUInt32BE(HEADER_BYTES + 1);
    if (number < this.#expected) return "late";
    const payload = datagram.subarray(SEQUENCED_BYTES);
    const isText = ((datagram[HEADER_BYTES] as number) & FLAG_TEXT) !== 0;
    if (isText && !isUtf8(payload)) return "malformed";
    if (payload.length > this.traits.maxMessageBytes) return "tooLarge";
    this.#expected = number + 1;
    this.#inbox.message(isText ? payload.toString("utf8") : payload);
    return undefined;
  }

  #peerFinished(datagram: Buffer): DropReason | undefined {
    const close = readCloseBody(datagram.subarray(HEADER_BYTES));
    if (close === undefined) return "malformed";
    this.way.transmit(packet(TYPE.finAck, this.ids.peer, 0));
    // Both close at once: each waits for the answer to its own.
    if (this.ending !== undefined) return undefined;
    this.over({ ...close, by: "remote", clean: true, bytesLost: this.forget() });
    return undefined;
  }

  #refuse(refusal: Refusal): "refused" {
    this.#refusal = refusal;
    return "refused";
  }
}
