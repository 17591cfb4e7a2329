import type { Clock, Timer } from "@polywire/core";

export interface HeartbeatOptions {
  /** Milliseconds of silence after which a link is pinged. 25,000. */
  readonly intervalMs: number;
  /** Milliseconds a pinged peer has to answer before the link is cut. 8,000. */
  readonly timeoutMs: number;
}

/** Ticks in the shorter of interval and timeout: how finely time is cut. */
const TICKS = 8;
const NOT_PINGED = -1;

/** What a heartbeat needs of a link, and what it notes on it; small integers, because every link holds them. */
export interface Beating {
  /** The tick in which something arrived last. */
  heardAtTick: number;
  /** The tick in which it was pinged, while that is unanswered. */
  pingedAtTick: number;
  /** Bytes that had arrived when it was pinged: a large message on a slow line is life too. */
  bytesReadAtPing: number;
  readonly bytesRead: number;
  /** The holder does not read, so no answer can arrive. */
  readonly isPaused: boolean;
  heartbeatPing(): void;
  heartbeatMissed(): void;
}

/**
 * Finds peers that are gone without a word. A link that has been silent for the interval is pinged; one that does not
 * answer in time is cut. Traffic of any kind is life, so a busy link, or one whose program sends pings of its own, is
 * never pinged.
 *
 * One timer serves all links of a listener. Time is counted in ticks of that timer, so a process that was stopped for
 * a minute does not blame its peers for it.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #intervalTicks: number;
  readonly #timeoutTicks: number;
  readonly #links = new Set<Beating>();
  #timer: Timer | undefined = undefined;
  tick = 0;

  constructor(clock: Clock, { intervalMs, timeoutMs }: HeartbeatOptions) {
    this.#clock = clock;
    this.#tickMs = Math.max(Math.min(intervalMs, timeoutMs) / TICKS, 1);
    this.#intervalTicks = Math.ceil(intervalMs / this.#tickMs);
    this.#timeoutTicks = Math.ceil(timeoutMs / this.#tickMs);
  }

  add(link: Beating): void {
    link.heardAtTick = this.tick;
    link.pingedAtTick = NOT_PINGED;
    this.#links.add(link);
    this.#timer ??= this.#clock.setTimer(this.#beat, this.#tickMs);
  }

  remove(link: Beating): void {
    this.#links.delete(link);
    if (this.#links.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Something arrived. */
  heard(link: Beating): void {
    link.heardAtTick = this.tick;
    link.pingedAtTick = NOT_PINGED;
  }

  readonly #beat = (): void => {
    this.tick++;
    this.#timer = undefined;
    for (const link of this.#links) this.#check(link);
    if (this.#links.size > 0) this.#timer ??= this.#clock.setTimer(this.#beat, this.#tickMs);
  };

  #check(link: Beating): void {
    if (link.isPaused) {
      this.heard(link);
    } else if (link.pingedAtTick !== NOT_PINGED) {
      if (this.tick - link.pingedAtTick < this.#timeoutTicks) return;
      if (link.bytesRead !== link.bytesReadAtPing) {
        this.heard(link);
      } else {
        this.remove(link);
        link.heartbeatMissed();
      }
    } else if (this.tick - link.heardAtTick >= this.#intervalTicks) {
      link.pingedAtTick = this.tick;
      link.bytesReadAtPing = link.bytesRead;
      link.heartbeatPing();
    }
  }
}
