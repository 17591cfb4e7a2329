/** What happened when. */
export interface TimelineEntry {
  /** On the network's clock, in milliseconds. */
  readonly atMs: number;
  /** A phase of a dial that is over (`dns`, `connect`, `tls`, `handshake`), or a state that began. */
  readonly what: string;
  /** Why, where there is something to say: a cause, an error's code and message. */
  readonly detail?: string;
}

/** Entries of one connection: the newest are kept. */
const MAX_ENTRIES = 32;

/** The last things that happened to a connection, for people who ask why. */
export class Timeline {
  #entries: readonly TimelineEntry[] = [];
  /** Entries that gave way to newer ones. */
  #forgotten = 0;

  add(entry: TimelineEntry): void {
    const isFull = this.#entries.length === MAX_ENTRIES;
    if (isFull) this.#forgotten++;
    this.#entries = [...(isFull ? this.#entries.slice(1) : this.#entries), entry];
  }

  get entries(): readonly TimelineEntry[] {
    return this.#entries;
  }

  get forgotten(): number {
    return this.#forgotten;
  }
}
