import { PolywireError } from "../contract/error.ts";

type Done = (roundTripMs: number | undefined) => void;

interface Ping {
  readonly done: Done;
  readonly sentAtMs: number;
}

/** Pings without an answer on one link. */
const MAX_PINGS = 64;

/** The pings of one end of a memory link, on their way there and back. */
export class MemoryPings {
  readonly #failed: (error: PolywireError) => void;
  #asked: Ping[] = [];
  #answered: Ping[] = [];

  constructor(failed: (error: PolywireError) => void) {
    this.#failed = failed;
  }

  /** @throws PolywireError `invalid-argument`, or `limit-reached` with too many on their way. */
  ask(done: Done, sentAtMs: number): void {
    if (typeof done !== "function")
      throw new PolywireError("invalid-argument", "link.ping needs a function to call back");
    if (this.#asked.length + this.#answered.length >= MAX_PINGS)
      throw new PolywireError("limit-reached", `${MAX_PINGS} pings wait for an answer: wait for one`);
    this.#asked.push({ done, sentAtMs });
  }

  /** The other end answers what has arrived there; true if there was anything. */
  answer(): boolean {
    if (this.#asked.length === 0) return false;
    this.#answered.push(...this.#asked.splice(0));
    return true;
  }

  /** Tells the answers that have come back. */
  tell(nowMs: number): void {
    for (const { done, sentAtMs } of this.#answered.splice(0)) this.#call(done, nowMs - sentAtMs);
  }

  /** No answer will come any more. */
  abandon(): void {
    for (const { done } of [...this.#asked.splice(0), ...this.#answered.splice(0)]) this.#call(done, undefined);
  }

  #call(done: Done, roundTripMs: number | undefined): void {
    try {
      done(roundTripMs);
    } catch (thrown) {
      this.#failed(PolywireError.from(thrown, "internal", "the callback of a ping threw"));
    }
  }
}
