import { PolywireError } from "../contract/error.ts";

export type Listener<Event> = (event: Event) => void;

export interface ListenOptions {
  /** Higher is called first; equal ones in the order of registration. An integer, 0 by default. */
  readonly priority?: number;
  /** Called for the next event only. */
  readonly once?: boolean;
  /** Unsubscribes when it fires. */
  readonly signal?: AbortSignal;
}

interface Entry {
  readonly listener: Listener<never>;
  readonly priority: number;
  readonly once: boolean;
}

/**
 * Typed events, told synchronously. A listener that throws or rejects stops neither the others nor the teller: it is
 * reported to the function given at construction. Listeners added or removed while an event is told take effect with the next one.
 */
export class Events<Map extends object> {
  readonly #listeners: { [Name in keyof Map]?: readonly Entry[] | undefined } = {};
  readonly #report: (error: PolywireError) => void;

  constructor(report: (error: PolywireError) => void) {
    this.#report = report;
  }

  /** Returns the function that unsubscribes; calling it again does nothing. */
  on<Name extends keyof Map>(name: Name, listener: Listener<Map[Name]>, options: ListenOptions = {}): () => void {
    const { priority = 0, once = false, signal } = options;
    if (typeof listener !== "function")
      throw new PolywireError("invalid-argument", `listener for "${String(name)}" is not a function`);
    if (!Number.isInteger(priority))
      throw new PolywireError("invalid-argument", `priority ${priority} is not an integer`);
    if (signal?.aborted === true) return () => {};
    const entry: Entry = { listener: listener as Listener<never>, priority, once };
    const entries = this.#listeners[name] ?? [];
    const later = entries.findIndex((other) => other.priority < priority);
    this.#listeners[name] = later === -1 ? [...entries, entry] : entries.toSpliced(later, 0, entry);
    const unsubscribe = (): void => {
      this.#remove(name, entry);
      signal?.removeEventListener("abort", unsubscribe);
    };
    signal?.addEventListener("abort", unsubscribe, { once: true });
    return unsubscribe;
  }

  /** Whether anybody listens; lets a caller skip the making of an event. */
  has(name: keyof Map): boolean {
    return this.#listeners[name] !== undefined;
  }

  emit<Name extends keyof Map>(name: Name, event: Map[Name]): void {
    const entries = this.#listeners[name];
    if (entries === undefined) return;
    for (const entry of entries) {
      if (entry.once) this.#remove(name, entry);
      try {
        const returned: unknown = (entry.listener as Listener<Map[Name]>)(event);
        // An async listener that rejects is one that throws.
        if (returned instanceof Promise) returned.catch((thrown) => this.#threw(name, thrown));
      } catch (thrown) {
        this.#threw(name, thrown);
      }
    }
  }

  #threw(name: keyof Map, thrown: unknown): void {
    this.#report(PolywireError.from(thrown, "internal", `listener for "${String(name)}" threw`));
  }

  #remove(name: keyof Map, entry: Entry): void {
    const rest = (this.#listeners[name] ?? []).filter((other) => other !== entry);
    // Not deleted: that would make a hash table of an object that every connection has.
    this.#listeners[name] = rest.length === 0 ? undefined : rest;
  }
}
