import { PolywireError } from "../contract/error.ts";

/** Dials that wait for their turn. */
const MAX_WAITING = 10_000;

/** So many dials at once and no more; the others wait, first come first served. */
export class DialGate {
  readonly #most: number;
  readonly #waiting = new Set<() => void>();
  #underWay = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Fulfilled when it is this dial's turn; {@link leave} ends it.
   *
   * @throws PolywireError `limit-reached` when too many wait, and the signal's reason when it fires.
   */
  enter(signal: AbortSignal): Promise<void> | undefined {
    if (this.#underWay < this.#most) {
      this.#underWay++;
      return undefined;
    }
    if (this.#waiting.size >= MAX_WAITING) {
      throw new PolywireError("limit-reached", `${MAX_WAITING} dials wait for their turn: dial less at once`);
    }
    return new Promise((resolve, reject) => {
      const admitted = (): void => {
        signal.removeEventListener("abort", abandoned);
        resolve();
      };
      const abandoned = (): void => {
        this.#waiting.delete(admitted);
        reject(signal.reason as Error);
      };
      this.#waiting.add(admitted);
      signal.addEventListener("abort", abandoned, { once: true });
    });
  }

  /** A dial that had entered is over. */
  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#underWay--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
