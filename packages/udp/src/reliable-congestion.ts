/** RFC 6928. */
const INITIAL_WINDOW = 10;
const LEAST_WINDOW = 2;
/** No more packets than this are under way, whatever the network would take. */
export const MAX_WINDOW = 1_024;

/**
 * How many packets may be under way: slow start and congestion avoidance after RFC 5681, as RFC 8085 asks of whoever
 * builds on UDP.
 */
export class Congestion {
  #window = INITIAL_WINDOW;
  #threshold = MAX_WINDOW;
  /** Losses of packets before this one belong to a reduction that has been made. */
  #recoveryEnd = 0;

  get window(): number {
    return Math.floor(this.#window);
  }

  /** So many packets arrived; the newest of them is `packetNumber`. A sender that does not use its window learns nothing. */
  acknowledged(packets: number, packetNumber: number, wasFull: boolean): void {
    if (packetNumber < this.#recoveryEnd || !wasFull) return;
    this.#window += this.#window < this.#threshold ? packets : packets / this.#window;
    this.#window = Math.min(this.#window, MAX_WINDOW);
  }

  /** A packet is lost. Halves the window, once for each round trip. */
  lost(packetNumber: number, nextPacketNumber: number): void {
    if (packetNumber < this.#recoveryEnd) return;
    this.#threshold = Math.max(this.#window / 2, LEAST_WINDOW);
    this.#window = this.#threshold;
    this.#recoveryEnd = nextPacketNumber;
  }

  /** Nothing was acknowledged for a whole timeout: begins anew, with the least window of RFC 9002. */
  timedOut(nextPacketNumber: number): void {
    this.#threshold = Math.max(this.#window / 2, LEAST_WINDOW);
    this.#window = LEAST_WINDOW;
    this.#recoveryEnd = nextPacketNumber;
  }
}
