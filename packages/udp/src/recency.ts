/** Things in the order in which they were last heard of; the one that was silent the longest is known at once. */
export class Recency<Thing> {
  readonly #things = new Set<Thing>();
  #newest: Thing | undefined = undefined;

  /** The one that was heard of last, unless it was removed: bursts come from one. */
  get newest(): Thing | undefined {
    return this.#newest;
  }

  get size(): number {
    return this.#things.size;
  }

  /** It has been heard of just now. */
  touch(thing: Thing): void {
    if (thing === this.#newest) return;
    this.#newest = thing;
    this.#things.delete(thing);
    this.#things.add(thing);
  }

  remove(thing: Thing): void {
    if (thing === this.#newest) this.#newest = undefined;
    this.#things.delete(thing);
  }

  /** Undefined if there is none. */
  get oldest(): Thing | undefined {
    return this.#things.values().next().value;
  }
}
