import type { CloseInfo } from "./close.ts";
import { PolywireError } from "./error.ts";
import type { Sink } from "./link.ts";
import type { Payload } from "./payload.ts";

/** Who hears that a sink threw: it closes the link. */
export interface DeliveryOwner {
  sinkFailed(error: PolywireError): void;
}

/**
 * The one way in, from a wire to the sink of its link. It keeps the promises of {@link Sink} for every plugin: nothing
 * before `open` or after `closed`, nothing while paused, one call at a time, `closed` exactly once and last, and what
 * the sink throws goes to the owner instead of the event loop.
 *
 * A message that arrives while it may not be delivered is copied and held, in order; a wire that stops reading when
 * {@link isPaused} makes it hold no more than the chunk it was reading.
 */
export class Delivery {
  readonly #owner: DeliveryOwner;
  #sink: Sink | undefined = undefined;
  #held: Payload[] | undefined = undefined;
  #heldFrom = 0;
  #isPaused = true;
  #isBusy = false;
  #isDrainDue = false;
  #isEndDue = false;
  #closeInfo: CloseInfo | undefined = undefined;
  #isClosed = false;

  constructor(owner: DeliveryOwner) {
    this.#owner = owner;
  }

  /** Paused, or not opened yet: the wire should not read. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isOpened(): boolean {
    return this.#sink !== undefined;
  }

  /** `closed` was told: nothing can follow. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Takes the sink. The wire calls {@link resume} afterwards, once `link.open` has returned. */
  open(sink: Sink): void {
    if (this.#sink !== undefined)
      throw new PolywireError("invalid-state", "link.open was called twice: a link has one sink for its whole life");
    if (typeof sink?.message !== "function" || typeof sink.closed !== "function") {
      throw new PolywireError("invalid-argument", "link.open needs a sink with the functions message and closed");
    }
    this.#sink = sink;
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** Delivers what was held, and lets messages pass. */
  resume(): void {
    if (this.#sink === undefined) return;
    this.#isPaused = false;
    this.#deliverDue();
  }

  message(payload: Payload): void {
    if (this.#closeInfo !== undefined) return;
    if (this.#isPaused || this.#isBusy || this.#held !== undefined) {
      this.#held ??= [];
      // Held past the call it was lent for.
      this.#held.push(typeof payload === "string" ? payload : payload.slice());
      return;
    }
    this.#isBusy = true;
    this.#tellMessage(this.#sink as Sink, payload);
    this.#isBusy = false;
    this.#deliverDue();
  }

  drain(): void {
    this.#isDrainDue = true;
    this.#deliverDue();
  }

  ended(): void {
    this.#isEndDue = true;
    this.#deliverDue();
  }

  /**
   * The last call. Messages held by a pause are delivered first, when the holder resumes; only an end that the holder
   * asked for drops them.
   */
  closed(info: CloseInfo): void {
    if (this.#closeInfo !== undefined) return;
    this.#closeInfo = info;
    if (info.by === "local") this.#held = undefined;
    this.#deliverDue();
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
      if (this.#closeInfo === undefined) this.#tell(sink, "drain");
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
    if (this.#isEndDue && !this.#isPaused) {
      this.#isEndDue = false;
      this.#tell(sink, "ended");
      return true;
    }
    if (this.#closeInfo === undefined) return false;
    this.#isClosed = true;
    try {
      sink.closed(this.#closeInfo);
    } catch (thrown) {
      this.#failed("closed", thrown);
    }
    return false;
  }

  #tellMessage(sink: Sink, payload: Payload): void {
    try {
      sink.message(payload);
    } catch (thrown) {
      this.#failed("message", thrown);
    }
  }

  #tell(sink: Sink, what: "drain" | "ended"): void {
    try {
      sink[what]?.();
    } catch (thrown) {
      this.#failed(what, thrown);
    }
  }

  #failed(what: string, thrown: unknown): void {
    this.#owner.sinkFailed(PolywireError.from(thrown, "internal", `the link's sink threw in ${what}`));
  }
}
