import { type Clock, PolywireError, type Timer } from "@polywire/core";

/** How long the peer of a link may take for what. */
export interface DeadlineLimits {
  readonly frameTimeoutMs: number;
  readonly idleTimeoutMs: number | undefined;
  readonly firstByteTimeoutMs: number | undefined;
  readonly stallTimeoutMs: number | undefined;
}

/** The link whose peer is watched. */
export interface DeadlineOwner {
  /** Nothing is read: a peer that is not read can be neither silent nor late. */
  readonly isPaused: boolean;
  deadlinePassed(error: PolywireError): void;
}

/** Watches that the peer of one link is in time. What no option asks for costs no timer. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #limits: DeadlineLimits;
  readonly #owner: DeadlineOwner;
  #frame: Timer | undefined = undefined;
  #silence: Timer | undefined = undefined;
  #stall: Timer | undefined = undefined;
  #heardAtMs = 0;
  #hasSpoken = false;

  constructor(clock: Clock, limits: DeadlineLimits, owner: DeadlineOwner) {
    this.#clock = clock;
    this.#limits = limits;
    this.#owner = owner;
    const { firstByteTimeoutMs, idleTimeoutMs } = limits;
    const firstMs = firstByteTimeoutMs ?? idleTimeoutMs;
    if (firstMs === undefined) return;
    this.#heardAtMs = clock.now();
    this.#watchSilence(firstMs, firstMs);
  }

  /** Bytes have come. */
  heard(): void {
    if (this.#silence === undefined) return;
    this.#hasSpoken = true;
    if (this.#limits.idleTimeoutMs === undefined) this.#silence = cancelled(this.#silence);
    else this.#heardAtMs = this.#clock.now();
  }

  /** A message is not whole yet: sets its deadline, unless it has one. */
  frameBegan(): void {
    const { frameTimeoutMs } = this.#limits;
    this.#frame ??= this.#clock.setTimer(() => {
      this.#passed(`a message was not whole within ${frameTimeoutMs} ms`);
    }, frameTimeoutMs);
  }

  /** It is whole, or is not read any more for now. */
  frameOver(): void {
    if (this.#frame !== undefined) this.#frame = cancelled(this.#frame);
  }

  /** The system takes no more bytes for the peer. */
  stalled(): void {
    const { stallTimeoutMs } = this.#limits;
    if (stallTimeoutMs === undefined) return;
    this.#stall ??= this.#clock.setTimer(() => {
      this.#passed(`the peer did not take what it was sent within ${stallTimeoutMs} ms`);
    }, stallTimeoutMs);
  }

  /** It has taken them. */
  flowed(): void {
    if (this.#stall !== undefined) this.#stall = cancelled(this.#stall);
  }

  /** The link is over. */
  cancel(): void {
    this.frameOver();
    this.flowed();
    if (this.#silence !== undefined) this.#silence = cancelled(this.#silence);
  }

  #watchSilence(mostMs: number, leftMs: number): void {
    this.#silence = this.#clock.setTimer(() => this.#checkSilence(mostMs), leftMs);
  }

  /** Looks once for each period, not for each chunk. */
  #checkSilence(mostMs: number): void {
    if (this.#owner.isPaused) this.#heardAtMs = this.#clock.now();
    const silentMs = this.#clock.now() - this.#heardAtMs;
    const nextMs = this.#hasSpoken ? (this.#limits.idleTimeoutMs ?? mostMs) : mostMs;
    if (silentMs >= nextMs) this.#passed(`nothing came from the peer for ${nextMs} ms`);
    else this.#watchSilence(nextMs, Math.max(1, nextMs - silentMs));
  }

  #passed(message: string): void {
    this.#owner.deadlinePassed(new PolywireError("timed-out", message));
  }
}

function cancelled(timer: Timer): undefined {
  timer.cancel();
}
