import type { Position } from "@polywire/core";
import type { PublicationEvent } from "./outlet.ts";

/** Most publications held for one subscriber; as many as one recovery may have by default. */
const MAX_HELD = 300;

export interface HeldPublication {
  readonly event: PublicationEvent;
  readonly epoch: string | undefined;
}

/**
 * What is published between the moment a subscriber joins a channel and the moment it may be told. When it gets too much,
 * everything so far is forgotten and the subscription starts later: `skippedTo` says where.
 */
export class HeldPublications {
  readonly #maxBytes: number;
  #entries: HeldPublication[] = [];
  #bytes = 0;
  #skippedTo: Position | undefined = undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get entries(): readonly HeldPublication[] {
    return this.#entries;
  }

  /** The last publication that was forgotten, if any was. */
  get skippedTo(): Position | undefined {
    return this.#skippedTo;
  }

  /** Returns how many publications had to be forgotten to take this one. */
  add(event: PublicationEvent, epoch: string | undefined): number {
    const { length } = event.publication.data;
    let forgotten = 0;
    if (this.#entries.length === MAX_HELD || this.#bytes + length > this.#maxBytes) forgotten = this.#forget();
    this.#entries.push({ event, epoch });
    this.#bytes += length;
    return forgotten;
  }

  #forget(): number {
    const forgotten = this.#entries.length;
    for (const { event, epoch } of this.#entries) {
      const { offset } = event.publication;
      if (offset !== undefined && epoch !== undefined) this.#skippedTo = { offset, epoch };
    }
    this.#entries = [];
    this.#bytes = 0;
    return forgotten;
  }
}
