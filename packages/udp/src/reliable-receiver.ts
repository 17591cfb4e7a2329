import { MAX_WINDOW } from "./reliable-congestion.ts";

/** Segments further ahead than any sender of ours can be are hostile or broken. */
const MAX_AHEAD = MAX_WINDOW * 2;

/** What became of a segment that arrived. */
export type Reception = "in-order" | "ahead" | "duplicate" | "too-far";

interface Waiting {
  readonly payload: Buffer;
  readonly isFin: boolean;
}

export interface ReliableReceiverSettings {
  /** Bytes that may wait beyond a gap. */
  readonly windowBytes: number;
  /** The stream, piece by piece and in order. */
  readonly bytes: (payload: Buffer) => void;
  /** The stream has ended. */
  readonly fin: (closeBody: Buffer) => void;
}

/** One direction of a reliable link, at its end: puts segments in order, each one once. */
export class ReliableReceiver {
  readonly #settings: ReliableReceiverSettings;
  readonly #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  #next = 0;
  #isFinished = false;
  #isReleased = false;

  constructor(settings: ReliableReceiverSettings) {
    this.#settings = settings;
  }

  /** Every segment below this number has arrived. */
  get next(): number {
    return this.#next;
  }

  /** Bytes that wait beyond a gap. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The end of the stream has been reached. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  arrived(number: number, payload: Buffer, isFin: boolean): Reception {
    if (number < this.#next || this.#waiting.has(number)) return "duplicate";
    if (number === this.#next) {
      this.#take(payload, isFin);
      this.#takeWaiting();
      return "in-order";
    }
    const isTooMuch = this.#waitingBytes + payload.length > this.#settings.windowBytes;
    if (this.#isFinished || this.#isReleased || isTooMuch || number - this.#next > MAX_AHEAD) return "too-far";
    this.#waiting.set(number, { payload, isFin });
    this.#waitingBytes += payload.length;
    return "ahead";
  }

  /** Nobody wants the stream any more: gives back what waits beyond a gap, and keeps nothing from here on. */
  release(): void {
    this.#isReleased = true;
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }

  /** What has arrived beyond gaps, lowest first: from, to (exclusive), from, to… */
  ranges(most: number): readonly number[] {
    const ranges: number[] = [];
    if (this.#waiting.size === 0) return ranges;
    const numbers = [...this.#waiting.keys()].sort((one, other) => one - other);
    for (const number of numbers) {
      if (ranges.at(-1) === number) ranges[ranges.length - 1] = number + 1;
      else if (ranges.length === most * 2) break;
      else ranges.push(number, number + 1);
    }
    return ranges;
  }

  #takeWaiting(): void {
    for (let waiting = this.#waiting.get(this.#next); waiting !== undefined; waiting = this.#waiting.get(this.#next)) {
      this.#waiting.delete(this.#next);
      this.#waitingBytes -= waiting.payload.length;
      this.#take(waiting.payload, waiting.isFin);
    }
  }

  #take(payload: Buffer, isFin: boolean): void {
    this.#next++;
    if (this.#isFinished || this.#isReleased) return;
    if (!isFin) return this.#settings.bytes(payload);
    this.#isFinished = true;
    this.#settings.fin(payload);
  }
}
