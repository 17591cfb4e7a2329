import type { Clock, Timer } from "../contract/clock.ts";
import type { Member } from "./member.ts";
import type { CompletePoolOptions } from "./options.ts";

export interface IdleLinksOptions {
  readonly clock: Clock;
  readonly options: Pick<CompletePoolOptions, "idleTimeoutMs" | "order">;
  /** How many links there are beyond those that are always kept. */
  readonly surplus: () => number;
  /** Nobody has borrowed it for too long, and it is not among those that are kept. */
  readonly idledOut: (member: Member) => void;
}

/** The idle links of a pool, in the order they came back; those that stay for too long are sorted out. */
export class IdleLinks {
  readonly #options: IdleLinksOptions;
  readonly #idle: Member[] = [];
  #timer: Timer | undefined = undefined;

  constructor(options: IdleLinksOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#idle.length;
  }

  add(member: Member): void {
    member.state = "idle";
    member.idleSinceMs = this.#options.clock.now();
    this.#idle.push(member);
    this.watch();
  }

  /** The one to lend next. */
  take(): Member | undefined {
    return this.#options.options.order === "lifo" ? this.#idle.pop() : this.#idle.shift();
  }

  remove(member: Member): void {
    const at = this.#idle.indexOf(member);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  /** Sorts nothing out any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The one that has been here the longest is looked at when its time is over; until then nothing needs a timer. */
  watch(): void {
    const [oldest] = this.#idle;
    const { clock, options, surplus } = this.#options;
    if (this.#timer !== undefined || oldest === undefined || surplus() <= 0) return;
    if (options.idleTimeoutMs === Infinity) return;
    const restMs = Math.max(0, oldest.idleSinceMs + options.idleTimeoutMs - clock.now());
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined;
      this.#sortOut();
      this.watch();
    }, restMs);
  }

  #sortOut(): void {
    const { clock, options, surplus, idledOut } = this.#options;
    const dueMs = clock.now() - options.idleTimeoutMs;
    for (let [oldest] = this.#idle; oldest !== undefined; [oldest] = this.#idle) {
      if (oldest.idleSinceMs > dueMs || surplus() <= 0) return;
      idledOut(oldest);
    }
  }
}
