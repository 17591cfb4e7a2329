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
  #untold: [name: keyof Map, event: Map[keyof Map]][] = [];
  #isBusy = false;

  constructor(events: Events<Map>, tap: Tap<Map>) {
    this.#events = events;
    this.#tap = tap;
  }

  /** Told at the end of the step, or at once outside of one. */
  tell<Name extends keyof Map>(name: Name, event: Map[Name]): void {
    this.#untold.push([name, event]);
    if (!this.#isBusy) this.step(nothing);
  }

  /** Does the work, then tells what it brought about. Within another step it is a part of that. */
  step(work: () => void): void {
    if (this.#isBusy) return work();
    this.#isBusy = true;
    try {
      work();
      for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
        this.#tap.tapped(...next);
        this.#events.emit(...next);
      }
    } finally {
      this.#isBusy = false;
    }
  }
}

function nothing(): void {}
