import type { Clock } from "@polywire/core";
import { Recency } from "./recency.ts";

/** Under pressure, who has made no progress for so long makes room. */
const STALLED_MS = 5_000;

/** A link that holds bytes which its holder cannot have yet. */
export interface Reassembling {
  /** Bytes of messages in part, of pieces beyond a gap, and of what a paused holder has not taken. */
  retainedBytes: number;
  progressAtMs: number;
  /** Gives everything back, and ends. */
  starve(): void;
}

/** What all links of one socket may hold together, so that many small debts do not add up to all memory. */
export class Reassembly {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #links = new Recency<Reassembling>();
  #bytes = 0;

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** Bytes that all links hold now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The link holds so many bytes now, after something arrived or was taken. */
  update(link: Reassembling, retainedBytes: number): void {
    const grown = retainedBytes - link.retainedBytes;
    if (grown === 0) return;
    this.#bytes += grown;
    link.retainedBytes = retainedBytes;
    link.progressAtMs = this.#clock.now();
    if (retainedBytes === 0) return this.#links.remove(link);
    this.#links.touch(link);
    while (this.#bytes > this.#maxBytes && grown > 0 && this.#makeRoom(link));
  }

  /** One link ends: the one that stalled the longest, or else the one that wants more. False if that was this one. */
  #makeRoom(link: Reassembling): boolean {
    const { oldest } = this.#links;
    const isStalled = oldest !== undefined && this.#clock.now() - oldest.progressAtMs >= STALLED_MS;
    const loser = isStalled ? oldest : link;
    this.update(loser, 0);
    loser.starve();
    return loser !== link;
  }
}
