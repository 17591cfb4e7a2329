import type { Position, Publication } from "@polywire/core";
import type { DocumentVersion, StreamOptions, StreamPage, StreamRead } from "./broker.ts";

/** What a publication takes besides its bytes: objects, its place in the stream. */
const PUBLICATION_BYTES = 256;

const FIRST_CAPACITY = 4;

/**
 * One channel's stream: its last publications, whose offsets follow one another up to the top, so that each is found by its
 * offset at once. They leave from the old end only, which moves neither top nor epoch.
 *
 * Time is passed in, and nothing happens by itself: whoever holds streams lets them {@link expire}.
 */
export class Stream {
  readonly epoch: string;
  #top = 0;
  #bytes = 0;
  /** A ring, its capacity a power of two; the oldest is at `#head`. */
  #ring: (Publication | undefined)[] = [];
  #head = 0;
  #count = 0;
  /** When the publications go, and when the stream itself does. */
  #endsAtMs = Number.POSITIVE_INFINITY;
  #forgottenAtMs: number;
  /** Of the last publication that had one. */
  #version: DocumentVersion | undefined = undefined;

  constructor(epoch: string, { metaTtlMs, nowMs }: { readonly metaTtlMs: number; readonly nowMs: number }) {
    this.epoch = epoch;
    this.#forgottenAtMs = nowMs + metaTtlMs;
  }

  /** The offset of the last publication there ever was. */
  get top(): number {
    return this.#top;
  }

  get position(): Position {
    return { offset: this.#top, epoch: this.epoch };
  }

  /** Publications kept. */
  get count(): number {
    return this.#count;
  }

  /** About how much memory they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When {@link expire} will next have something to do. */
  get expiresAtMs(): number {
    return this.#count === 0 ? this.#forgottenAtMs : Math.min(this.#endsAtMs, this.#forgottenAtMs);
  }

  /** The stream is used: its time begins again. */
  use(metaTtlMs: number, nowMs: number): void {
    this.#forgottenAtMs = nowMs + metaTtlMs;
  }

  /** The document moves on to this version; false if it was published in this one or a later one already. */
  advanceTo({ number, epoch }: DocumentVersion): boolean {
    const latest = this.#version;
    const isSameEpoch = latest !== undefined && (epoch === "" || epoch === latest.epoch);
    if (isSameEpoch && number <= latest.number) return false;
    this.#version = { number, epoch: isSameEpoch ? latest.epoch : epoch };
    return true;
  }

  /** Adds a publication whose offset is the one after the top, and drops what is too much. */
  append(publication: Publication, { size, ttlMs, metaTtlMs, maxBytes }: StreamOptions, nowMs: number): void {
    this.#top++;
    this.#forgottenAtMs = nowMs + metaTtlMs;
    while (this.#count >= size && this.#count > 0) this.#drop();
    if (size === 0) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#count) & (this.#ring.length - 1)] = publication;
    this.#count++;
    this.#bytes += retainedBytes(publication);
    this.#endsAtMs = nowMs + ttlMs;
    while (this.#bytes > maxBytes) this.#drop();
  }

  /** Forgets the oldest publication. */
  dropOldest(): void {
    if (this.#count > 0) this.#drop();
    if (this.#count === 0) this.clear();
  }

  /** Forgets all publications. */
  clear(): void {
    this.#ring = [];
    this.#head = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  /** Forgets what has had its time. Returns true when that is the stream itself: offsets begin again, in another epoch. */
  expire(nowMs: number): boolean {
    if (nowMs >= this.#forgottenAtMs) {
      this.clear();
      return true;
    }
    if (this.#count > 0 && nowMs >= this.#endsAtMs) this.clear();
    return false;
  }

  read({ limit, maxBytes, sinceOffset, isReverse }: StreamRead): StreamPage {
    const oldest = this.#top - this.#count + 1;
    const publications: Publication[] = [];
    let bytes = 0;
    let offset = isReverse
      ? Math.min(this.#top, (sinceOffset ?? Number.POSITIVE_INFINITY) - 1)
      : Math.max(oldest, (sinceOffset ?? 0) + 1);
    for (const step = isReverse ? -1 : 1; offset >= oldest && offset <= this.#top; offset += step) {
      if (publications.length >= limit) break;
      const publication = this.#ring[(this.#head + offset - oldest) & (this.#ring.length - 1)] as Publication;
      bytes += publication.data.length;
      if (bytes > maxBytes && publications.length > 0) break;
      publications.push(publication);
    }
    return { publications, position: this.position };
  }

  #drop(): void {
    const publication = this.#ring[this.#head] as Publication;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#count--;
    this.#bytes -= retainedBytes(publication);
  }

  #grow(): void {
    const { length } = this.#ring;
    const grown = new Array<Publication | undefined>(length === 0 ? FIRST_CAPACITY : length * 2);
    for (let index = 0; index < this.#count; index++) grown[index] = this.#ring[(this.#head + index) & (length - 1)];
    this.#ring = grown;
    this.#head = 0;
  }
}

/** About how much memory a publication takes. */
export function retainedBytes({ data, info, tags }: Publication): number {
  let bytes = PUBLICATION_BYTES + data.length;
  if (info !== undefined) bytes += (info.connectionInfo?.length ?? 0) + (info.channelInfo?.length ?? 0);
  if (tags !== undefined) for (const [name, value] of tags) bytes += 2 * (name.length + value.length);
  return bytes;
}
