import { type Clock, PolywireError, type Timer } from "@polywire/core";

/** A link that is watched for silence. */
export interface Watched {
  /** Messages in and out so far. */
  readonly activity: number;
  stop(error: PolywireError): void;
}

/** How often in the time allowed the links are looked at. */
const LOOKS = 4;

interface Seen {
  activity: number;
  looks: number;
}

/** Closes links without a message for a time, with one timer for all of them. */
export class IdleWatch {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #links = new Map<Watched, Seen>();
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  add(link: Watched): void {
    this.#links.set(link, { activity: link.activity, looks: 0 });
    this.#timer ??= this.#setTimer();
  }

  remove(link: Watched): void {
    this.#links.delete(link);
    if (this.#links.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #setTimer(): Timer {
    return this.#clock.setTimer(() => this.#look(), Math.ceil(this.#timeoutMs / LOOKS));
  }

  #look(): void {
    this.#timer = this.#setTimer();
    for (const [link, seen] of this.#links) {
      if (seen.activity !== link.activity) {
        seen.activity = link.activity;
        seen.looks = 0;
      } else if (++seen.looks >= LOOKS) {
        link.stop(new PolywireError("timed-out", `no message for ${this.#timeoutMs} ms`));
      }
    }
  }
}
