import type { Events } from "./events.ts";

/** Who hears of every event before the listeners do, without being one. */
export interface Tap<Map> {
  tapped<Name extends keyof Map>(name: Name, event: Map[Name]): void;
}

/**
 * Tells events one after the other. What one step of work brings about is told when the step is done, in order; what a
 * listener brings about is told after that. So every listener hears the same story, whatever another one did meanwhile.
 */
export class Telling<Map extends object> {
  readonly #events: Events<Map>;
  readonly #tap: Tap<Map>;
  /** There while a step is under way. */
  #untold: [name: keyof Map, event: Map[keyof Map]][] | undefined = undefined;

  constructor(events: Events<Map>, tap: Tap<Map>) {
    this.#events = events;
    this.#tap = tap;
  }

  /** Told at the end of the step, or at once outside of one. */
  tell<Name extends keyof Map>(name: Name, event: Map[Name]): void {
    if (this.#untold === undefined) this.step(() => this.tell(name, event));
    else this.#untold.push([name, event]);
  }

  /** Does the work, then tells what it brought about. Within another step it is a part of that. */
  step(work: () => void): void {
    if (this.#untold !== undefined) return work();
    const untold: [name: keyof Map, event: Map[keyof Map]][] = [];
    this.#untold = untold;
    try {
      work();
      for (let next = untold.shift(); next !== undefined; next = untold.shift()) {
        this.#tap.tapped(...next);
        this.#events.emit(...next);
      }
    } finally {
      this.#untold = undefined;
    }
  }
}
