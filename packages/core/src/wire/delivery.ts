import type { CloseInfo } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { Sink } from "../contract/link.ts";
import { copyPayload, type Payload } from "../contract/payload.ts";

/** Who hears that a sink threw: it closes the link. */
export interface DeliveryOwner {
  sinkFailed(error: PolywireError): void;
  /** The peer has ended its side, and the sink has no use for the other. It closes the link; only where there is half-close. */
  endUnheard?(): void;
}

/**
 * The one way in, from a wire to the sink of its link. It keeps the promises of {@link Sink} for every plugin: nothing
 * before `link.open` has returned or after `closed`, nothing while paused, one call at a time, `closed` exactly once
 * and last, and what the sink throws goes to the owner instead of the event loop.
 *
 * A message that arrives while it may not be delivered is copied and held, in order; a wire that stops reading when
 * {@link isPaused} makes it hold no more than the chunk it was reading.
 */
export class Delivery {
  readonly #owner: DeliveryOwner;
  #sink: Sink | undefined = undefined;
  #held: Payload[] | undefined = undefined;
  #heldFrom = 0;
  #isStarted = false;
  #isPaused = false;
  #isDropping = false;
  #isBusy = false;
  #isDrainDue = false;
  #isEndDue = false;
  #closeInfo: CloseInfo | undefined = undefined;
  #isClosed = false;

  constructor(owner: DeliveryOwner) {
    this.#owner = owner;
  }

  /**
   * Paused by the holder, or not started yet: the wire should not read. One that has control messages of its own (pings,
   * closes) may read on until {@link isHolding}.
   */
  get isPaused(): boolean {
    return !this.#isDropping && (this.#isPaused || !this.#isStarted);
  }

  /**
   * A message waits here for the holder's `resume`: the wire must not read on. One that only waits for a callback to return
   * is no reason to stop: it is delivered right then, and nobody would tell the wire to go on.
   */
  get isHolding(): boolean {
    return this.#held !== undefined && !(this.#isBusy && !this.#isPaused);
  }

  get isOpened(): boolean {
    return this.#sink !== undefined;
  }

  /** `closed` was told: nothing can follow. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Takes the sink. The wire calls {@link start} afterwards, once `link.open` has returned. */
  open(sink: Sink): void {
    if (this.#sink !== undefined)
      throw new PolywireError("invalid-state", "link.open was called twice: a link has one sink for its whole life");
    if (typeof sink?.message !== "function" || typeof sink.closed !== "function") {
      throw new PolywireError("invalid-argument", "link.open needs a sink with the functions message and closed");
    }
    this.#sink = sink;
  }

  /** `link.open` has returned: lets messages pass, unless the holder has paused since. */
  start(): void {
    if (this.#sink === undefined || this.#isStarted) return;
    this.#isStarted = true;
    this.#deliverDue();
  }

  /** The holder wants no messages for now. */
  pause(): void {
    this.#isPaused = true;
  }

  /** The holder wants messages again: delivers what was held, and lets what follows pass. */
  resume(): void {
    this.#isPaused = false;
    if (this.#isStarted) this.#deliverDue();
  }

  /** The holder has asked for the end: messages held and messages still to come are dropped, only `closed` follows. */
  drop(): void {
    this.#isDropping = true;
    this.#held = undefined;
    this.#heldFrom = 0;
    if (this.#isStarted) this.#deliverDue();
  }

  message(payload: Payload): void {
    if (this.#closeInfo !== undefined || this.#isDropping) return;
    if (this.#isBusy || this.#held !== undefined || this.#isPaused || !this.#isStarted) {
      this.#held ??= [];
      // Held past the call it was lent for.
      this.#held.push(copyPayload(payload));
      return;
    }
    this.#isBusy = true;
    this.#tellMessage(this.#sink as Sink, payload);
    this.#isBusy = false;
    this.#deliverDue();
  }

  drain(): void {
    this.#isDrainDue = true;
    if (this.#isStarted) this.#deliverDue();
  }

  ended(): void {
    this.#isEndDue = true;
    if (this.#isStarted) this.#deliverDue();
  }

  /**
   * The last call. Messages held by a pause are delivered first, when the holder resumes, unless it asked for the end
   * ({@link drop}).
   */
  closed(info: CloseInfo): void {
    if (this.#closeInfo !== undefined) return;
    this.#closeInfo = info;
    if (this.#isStarted) this.#deliverDue();
  }

  #deliverDue(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#isBusy) return;
    this.#isBusy = true;
    while (!this.#isClosed && this.#deliverOne(sink));
    this.#isBusy = false;
  }

  #deliverOne(sink: Sink): boolean {
    if (this.#isDrainDue) {
      this.#isDrainDue = false;
      if (this.#closeInfo === undefined && !this.#isDropping) this.#tellDrain(sink);
      return true;
    }
    if (this.#held !== undefined) {
      if (this.#isPaused) return false;
      const payload = this.#held[this.#heldFrom++] as Payload;
      if (this.#heldFrom === this.#held.length) this.#held = undefined;
      if (this.#held === undefined) this.#heldFrom = 0;
      this.#tellMessage(sink, payload);
      return true;
    }
    if (this.#isEndDue && (this.#isDropping || !this.#isPaused)) {
      this.#isEndDue = false;
      if (!this.#isDropping) this.#tellEnded(sink);
      return true;
    }
    if (this.#closeInfo === undefined || this.#isEndDue) return false;
    this.#isClosed = true;
    try {
      this.#watch("closed", sink.closed(this.#closeInfo));
    } catch (thrown) {
      this.#failed("closed", thrown);
    }
    return false;
  }

  #tellMessage(sink: Sink, payload: Payload): void {
    try {
      this.#watch("message", sink.message(payload));
    } catch (thrown) {
      this.#failed("message", thrown);
    }
  }

  #tellEnded(sink: Sink): void {
    let isHeard: unknown = false;
    try {
      if (sink.ended !== undefined) isHeard = sink.ended();
    } catch (thrown) {
      return this.#failed("ended", thrown);
    }
    if (isHeard === false) this.#owner.endUnheard?.();
    else this.#watch("ended", isHeard);
  }

  #tellDrain(sink: Sink): void {
    try {
      this.#watch("drain", sink.drain?.());
    } catch (thrown) {
      this.#failed("drain", thrown);
    }
  }

  /** An async sink that rejects is one that throws. */
  #watch(what: string, returned: unknown): void {
    if (returned instanceof Promise) returned.catch((thrown) => this.#failed(what, thrown));
  }

  #failed(what: string, thrown: unknown): void {
    this.#owner.sinkFailed(PolywireError.from(thrown, "internal", `the link's sink threw in ${what}`));
  }
}
