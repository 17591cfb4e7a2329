import type { CloseReason } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { HalfClosable, Link, Pingable, Refusal, SendResult, Sink, Traits } from "../contract/link.ts";
import type { Framing, Payload, Prepared } from "../contract/payload.ts";
import type { Peer } from "../contract/peer.ts";
import { type Holding, released } from "./holding.ts";

/** For the pool: what a lease stands for, or nothing if the value is no lease. */
export let holdingOf: (value: unknown) => Holding | undefined;

/** Who takes leases back. */
export interface Lender {
  release(lease: Lease): void;
}

/**
 * A link of a pool, for whoever borrowed it: `open` it once, talk, then `release` it, or leave that to `using`. Its sink
 * hears `closed` at the release. From then on `send` refuses and everything else does nothing, whoever has the link next.
 *
 * Give it back when the conversation is complete: nothing unsent, nothing still to come. Otherwise `close` it, so that the
 * next borrower gets another.
 */
export class Lease<L extends Link = Link> implements Link, HalfClosable, Pingable, Disposable {
  readonly traits: Traits;
  readonly peer: Peer;
  readonly framing: Framing | undefined;
  readonly #holding: Holding;
  readonly #lender: Lender;

  constructor(holding: Holding, lender: Lender) {
    const { traits, peer, framing } = holding.link;
    this.traits = traits;
    this.peer = peer;
    this.framing = framing;
    this.#holding = holding;
    this.#lender = lender;
  }

  static {
    holdingOf = (value) =>
      typeof value === "object" && value !== null && #holding in value ? value.#holding : undefined;
  }

  /** Neither given back nor lost. */
  get isHeld(): boolean {
    return this.#holding.isHeld && !this.#holding.isLost;
  }

  /**
   * The link itself, for what only its protocol can do. The pool does not see what is done to it here.
   *
   * @throws PolywireError `invalid-state` after the release.
   */
  get link(): L {
    if (!this.#holding.isHeld) throw released("asked for its link");
    return this.#holding.link as L;
  }

  get refusal(): Refusal | undefined {
    return this.#holding.refusal;
  }

  get bufferedBytes(): number {
    return this.#holding.bufferedBytes;
  }

  /** Once for each lease. @throws PolywireError `invalid-state` for a second time, and after the release. */
  open(sink: Sink): void {
    this.#holding.open(sink);
  }

  send(payload: Payload | Prepared): SendResult {
    return this.#holding.send(payload);
  }

  pause(): void {
    this.#holding.pause();
  }

  resume(): void {
    this.#holding.resume();
  }

  /** Ends the link, which is lent to nobody any more. */
  close(reason?: CloseReason): void {
    this.#holding.close(reason);
  }

  /** Where `traits.halfClose`. The link is not lent again. */
  end(): void {
    if (!this.traits.halfClose) {
      throw new PolywireError("unsupported", "this wire has no half-close: see traits.halfClose");
    }
    if (!this.#holding.isHeld) return;
    this.#holding.isHalf = true;
    (this.#holding.link as Link & HalfClosable).end();
  }

  /** Where `traits.ping` is not `none`. */
  ping(done: (roundTripMs: number | undefined) => void): void {
    if (this.traits.ping === "none") throw new PolywireError("unsupported", "this wire has no ping: see traits.ping");
    if (this.#holding.isHeld) (this.#holding.link as Link & Pingable).ping(done);
    else queueMicrotask(() => done(undefined));
  }

  /** Gives the link back. A second time does nothing, and is told as an `error` of the pool. */
  release(): void {
    this.#lender.release(this as Lease);
  }

  [Symbol.dispose](): void {
    if (this.#holding.isHeld) this.release();
  }
}
