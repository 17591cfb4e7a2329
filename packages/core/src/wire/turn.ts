import type { Clock } from "../contract/clock.ts";
import { Run } from "./run.ts";

/** Something that gathered work during a turn and does it at the turn's end. */
export interface Flushable {
  flush(): void;
}

/**
 * One turn of the event loop: gathers what it produced and flushes everything once it is over. Joining the writes of a
 * turn is what makes many small channels fast: one system call for a link instead of one for each message.
 */
export class Turn {
  readonly #clock: Clock;
  #dirty: Flushable[] = [];
  #flushing: Flushable[] = [];
  #root = new Run(undefined, undefined);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Where every run of shared bytes of this turn begins. */
  get root(): Run {
    return this.#root;
  }

  /** Flushes at the end of this turn. The caller schedules a thing at most once a turn. */
  schedule(flushable: Flushable): void {
    if (this.#dirty.length === 0) this.#clock.endOfTurn(this.#flush);
    this.#dirty.push(flushable);
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = this.#flushing;
    this.#flushing = dirty;
    this.#root = new Run(undefined, undefined);
    let failure: unknown;
    for (const flushable of dirty) {
      try {
        flushable.flush();
      } catch (thrown) {
        // A wire that breaks its contract must not cost the other links their turn.
        failure = thrown;
      }
    }
    dirty.length = 0;
    if (failure !== undefined) throw failure;
  };
}
