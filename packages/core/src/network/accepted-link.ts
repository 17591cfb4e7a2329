import type { ConnectionPlace } from "../connection/connection.ts";
import type { CloseInfo, CloseReason } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { HalfClosable, Link, Pingable, Refusal, SendResult, Sink, Traits } from "../contract/link.ts";
import type { Framing, Payload, Prepared } from "../contract/payload.ts";
import type { Peer } from "../contract/peer.ts";

/** Who keeps the list of accepted links. */
export interface AcceptedLinkOwner {
  linkClosed(link: AcceptedLink, info: CloseInfo): void;
}

/**
 * A link that a listener accepted, with its place in the network: the server side's connection, born ready and closed
 * with its link. It counts what passes and tells the network of the end; everything else goes straight through.
 */
export class AcceptedLink implements Link, Sink, HalfClosable, Pingable {
  readonly place: ConnectionPlace;
  messagesIn = 0;
  messagesOut = 0;
  refusals = 0;
  readonly #link: Link;
  readonly #owner: AcceptedLinkOwner;
  #sink: Sink | undefined = undefined;

  constructor(link: Link, owner: AcceptedLinkOwner, place: ConnectionPlace) {
    this.#link = link;
    this.#owner = owner;
    this.place = place;
  }

  get traits(): Traits {
    return this.#link.traits;
  }

  get peer(): Peer {
    return this.#link.peer;
  }

  get framing(): Framing | undefined {
    return this.#link.framing;
  }

  get refusal(): Refusal | undefined {
    return this.#link.refusal;
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  /** Cuts the link off, also before anybody opened it. */
  abandon(): void {
    if (this.#sink === undefined) this.open({ message() {}, closed() {} });
    this.#link.close({ discard: true });
  }

  open(sink: Sink): void {
    this.#link.open(this);
    this.#sink = sink;
  }

  send(payload: Payload | Prepared): SendResult {
    const result = this.#link.send(payload);
    if (result === "refused") this.refusals++;
    else this.messagesOut++;
    return result;
  }

  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  close(reason?: CloseReason): void {
    this.#link.close(reason);
  }

  end(): void {
    const link = this.#link as Partial<HalfClosable>;
    if (link.end === undefined)
      throw new PolywireError("unsupported", "this wire has no half-close: see link.traits.halfClose");
    link.end();
  }

  ping(done: (roundTripMs: number | undefined) => void): void {
    const link = this.#link as Partial<Pingable>;
    if (link.ping === undefined) throw new PolywireError("unsupported", "this wire has no ping: see link.traits.ping");
    link.ping(done);
  }

  message(payload: Payload): void {
    this.messagesIn++;
    // Returned, for an async sink's promise is the wire's to watch.
    return (this.#sink as Sink).message(payload);
  }

  drain(): void {
    return this.#sink?.drain?.();
  }

  ended(): void | false {
    return this.#sink?.ended === undefined ? false : this.#sink.ended();
  }

  closed(info: CloseInfo): void {
    this.#owner.linkClosed(this, info);
    return this.#sink?.closed(info);
  }
}
