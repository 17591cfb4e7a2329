import type { Clock, Position, Publication, Random } from "@polywire/core";
import type { Draft, StreamOptions, StreamPage, StreamRead } from "./broker.ts";
import { RecencyList, Recent } from "./recency-list.ts";
import { Stream } from "./stream.ts";
import type { TimerWheel, WheelEntry, WheelPlace } from "./timer-wheel.ts";

const EPOCH_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const EPOCH_LENGTH = 8;

/** A view that keeps this much more memory alive than it shows is copied before it is kept. */
const MAX_HIDDEN_BYTES = 65_536;

export interface MemoryStreamsOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Tells streams that their time has come. */
  readonly wheel: TimerWheel;
  /** Most bytes of publications of all streams. */
  readonly maxTotalBytes: number;
  /** Most streams. */
  readonly maxStreams: number;
}

type StreamsFigure = "streams" | "publications" | "publicationBytes" | "publicationsEvicted" | "streamsEvicted";

/** A publication in its stream; none if it came too late, with an old version of its document. */
export interface Appended {
  readonly publication: Publication | undefined;
  readonly position: Position;
}

/**
 * The streams of this process, by channel, within its memory: past `maxTotalBytes` the streams that were not used for the
 * longest time lose their oldest publications, and are left with their position; past `maxStreams` the ones least used
 * vanish, those without publications first. Both are as if their time had come, and told to clients as honestly.
 */
export class MemoryStreams {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #wheel: TimerWheel;
  readonly #maxTotalBytes: number;
  readonly #maxStreams: number;
  readonly #byChannel = new Map<string, KeptStream>();
  readonly #holding = new RecencyList<KeptStream>();
  readonly #empty = new RecencyList<KeptStream>();
  #bytes = 0;
  #publications = 0;
  #publicationsEvicted = 0;
  #streamsEvicted = 0;

  constructor({ clock, random, wheel, maxTotalBytes, maxStreams }: MemoryStreamsOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#wheel = wheel;
    this.#maxTotalBytes = maxTotalBytes;
    this.#maxStreams = maxStreams;
  }

  append(channel: string, draft: Draft, options: StreamOptions): Appended {
    const nowMs = this.#clock.now();
    const kept = this.#obtain(channel, options.metaTtlMs, nowMs);
    const { stream } = kept;
    if (draft.version !== undefined && !stream.advanceTo(draft.version)) {
      return { publication: undefined, position: stream.position };
    }
    const publication = publicationOf(draft, stream.top + 1);
    this.#publications -= stream.count;
    this.#bytes -= stream.bytes;
    stream.append(publication, options, nowMs);
    this.#publications += stream.count;
    this.#bytes += stream.bytes;
    this.#used(kept, nowMs);
    while (this.#bytes > this.#maxTotalBytes && this.#dropOldest());
    return { publication, position: stream.position };
  }

  read(channel: string, request: StreamRead): StreamPage {
    const nowMs = this.#clock.now();
    const kept = this.#obtain(channel, request.metaTtlMs, nowMs);
    kept.stream.use(request.metaTtlMs, nowMs);
    this.#used(kept, nowMs);
    return kept.stream.read(request);
  }

  remove(channel: string): void {
    const kept = this.#byChannel.get(channel);
    if (kept === undefined) return;
    this.#publications -= kept.stream.count;
    this.#bytes -= kept.stream.bytes;
    kept.stream.clear();
    this.#empty.use(kept);
  }

  /** A stream's own call, when its time seems to have come. */
  check(kept: KeptStream): void {
    const nowMs = this.#clock.now();
    if (this.#expire(kept, nowMs)) return;
    if (kept.stream.count === 0) this.#empty.use(kept);
    this.#watch(kept, nowMs);
  }

  inspect(): Readonly<Record<StreamsFigure, number>> {
    return {
      streams: this.#byChannel.size,
      publications: this.#publications,
      publicationBytes: this.#bytes,
      publicationsEvicted: this.#publicationsEvicted,
      streamsEvicted: this.#streamsEvicted,
    };
  }

  /** The channel's stream, without what has had its time. */
  #obtain(channel: string, metaTtlMs: number, nowMs: number): KeptStream {
    const found = this.#byChannel.get(channel);
    if (found !== undefined && !this.#expire(found, nowMs)) return found;
    if (this.#byChannel.size >= this.#maxStreams) {
      const least = this.#empty.oldest ?? this.#holding.oldest;
      if (least !== undefined) this.#forget(least);
      this.#streamsEvicted++;
    }
    const kept = new KeptStream(this, channel, new Stream(this.#newEpoch(), { metaTtlMs, nowMs }));
    this.#byChannel.set(channel, kept);
    return kept;
  }

  #used(kept: KeptStream, nowMs: number): void {
    if (kept.stream.count === 0) this.#empty.use(kept);
    else this.#holding.use(kept);
    if (kept.stream.expiresAtMs < kept.watchedUntilMs) this.#watch(kept, nowMs);
  }

  /** A time that moves away is looked at when the earlier one has come: streams in use move theirs all the time. */
  #watch(kept: KeptStream, nowMs: number): void {
    kept.watchedUntilMs = kept.stream.expiresAtMs;
    this.#wheel.schedule(kept, Math.max(0, kept.watchedUntilMs - nowMs));
  }

  /** Returns true when the stream has vanished. */
  #expire(kept: KeptStream, nowMs: number): boolean {
    const { stream } = kept;
    if (nowMs < stream.expiresAtMs) return false;
    const { count, bytes } = stream;
    const isForgotten = stream.expire(nowMs);
    this.#publications += stream.count - count;
    this.#bytes += stream.bytes - bytes;
    if (isForgotten) this.#forget(kept);
    return isForgotten;
  }

  #forget(kept: KeptStream): void {
    this.#publications -= kept.stream.count;
    this.#bytes -= kept.stream.bytes;
    this.#byChannel.delete(kept.channel);
    kept.list?.remove(kept);
    this.#wheel.cancel(kept);
  }

  /** Returns false when there is none to drop. */
  #dropOldest(): boolean {
    const kept = this.#holding.oldest;
    if (kept === undefined) return false;
    const { stream } = kept;
    this.#bytes -= stream.bytes;
    stream.dropOldest();
    this.#bytes += stream.bytes;
    this.#publications--;
    this.#publicationsEvicted++;
    if (stream.count === 0) this.#empty.use(kept);
    return true;
  }

  #newEpoch(): string {
    let epoch = "";
    while (epoch.length < EPOCH_LENGTH) epoch += EPOCH_LETTERS[Math.floor(this.#random() * EPOCH_LETTERS.length)];
    return epoch;
  }
}

/** A stream, and what is needed to forget it in time. */
export class KeptStream extends Recent implements WheelEntry {
  readonly channel: string;
  readonly stream: Stream;
  /** When the wheel calls. */
  watchedUntilMs: number = Number.POSITIVE_INFINITY;
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #streams: MemoryStreams;

  constructor(streams: MemoryStreams, channel: string, stream: Stream) {
    super();
    this.#streams = streams;
    this.channel = channel;
    this.stream = stream;
  }

  due(): void {
    this.#streams.check(this);
  }
}

/** @param offset absent: the publication is not kept. */
export function publicationOf(draft: Draft, offset: number | undefined): Publication {
  const { format, info, tags, time } = draft;
  const data = offset === undefined ? draft.data : withoutHiddenBytes(draft.data);
  const publication: { -readonly [Name in keyof Publication]: Publication[Name] } = { data, format };
  if (offset !== undefined) publication.offset = offset;
  if (info !== undefined) publication.info = info;
  if (tags !== undefined) publication.tags = tags;
  if (time !== undefined) publication.time = time;
  return publication;
}

/** Only views that begin inside their memory are looked at: to ask a small array for its memory moves it. */
function withoutHiddenBytes(data: Uint8Array): Uint8Array {
  if (data.byteOffset === 0 || data.buffer.byteLength - data.byteLength <= MAX_HIDDEN_BYTES) return data;
  return new Uint8Array(data);
}
