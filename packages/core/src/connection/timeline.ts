/** What happened when. */
export interface TimelineEntry {
  /** On the network's clock, in milliseconds. */
  readonly atMs: number;
  /** A phase of a dial that is over (`dns`, `connect`, `tls`, `handshake`), or a state that began. */
  readonly what: string;
  /** Why, where there is something to say: a cause, an error's code and message. */
  readonly detail: string | undefined;
}

/** Entries of one connection: the newest are kept. */
const MAX_ENTRIES = 32;
const FIELDS = 3;

/** The last things that happened to a connection, for people who ask why. */
export class Timeline {
  /** Time, what, detail; time, what, detail…: every connection has one, and hardly any is read. */
  #fields: readonly (number | string | undefined)[] = [];
  #forgotten = 0;

  add(atMs: number, what: string, detail?: string): void {
    const isFull = this.#fields.length === MAX_ENTRIES * FIELDS;
    if (isFull) this.#forgotten++;
    this.#fields = (isFull ? this.#fields.slice(FIELDS) : this.#fields).concat(atMs, what, detail);
  }

  get entries(): readonly TimelineEntry[] {
    const entries: TimelineEntry[] = [];
    for (let index = 0; index < this.#fields.length; index += FIELDS) {
      const [atMs, what, detail] = this.#fields.slice(index, index + FIELDS) as [number, string, string | undefined];
      entries.push({ atMs, what, detail });
    }
    return entries;
  }

  /** Entries that gave way to newer ones. */
  get forgotten(): number {
    return this.#forgotten;
  }
}
