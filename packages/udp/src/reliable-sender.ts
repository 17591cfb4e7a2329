import type { Acknowledgement } from "./acknowledgement.ts";
import { LAST_NUMBER } from "./packet.ts";
import { Congestion, MAX_WINDOW } from "./reliable-congestion.ts";
import { RoundTrip } from "./reliable-round-trip.ts";

/** Packets that arrived after one that did not, before it counts as lost: RFC 5681's three. */
const REORDERING = 3;
/** Segments that are sent and not acknowledged in full, gaps included. */
const MAX_SEGMENTS = MAX_WINDOW * 2;

/** A piece of the stream, in one packet at a time. */
export interface Segment {
  readonly number: number;
  readonly payload: Buffer;
  /** The last one: its payload is the close. */
  readonly isFin: boolean;
  packetNumber: number;
  sentAtMs: number;
  state: "new" | "sent" | "lost" | "arrived";
}

export interface ReliableSenderSettings {
  /** Most bytes of the stream in one packet. */
  readonly payloadBytes: number;
  /** What the peer takes to begin with. */
  readonly windowBytes: number;
  /** See {@link LAST_NUMBER}, which it is but in tests. */
  readonly lastNumber?: number | undefined;
  readonly transmit: (segment: Segment) => void;
}

/** One direction of a reliable link, at its beginning: cuts a stream into segments and sees that each one arrives. */
export class ReliableSender {
  readonly roundTrip: RoundTrip = new RoundTrip();
  readonly #settings: ReliableSenderSettings;
  readonly #congestion = new Congestion();
  #chunks: Uint8Array[] = [];
  #chunkOffset = 0;
  #pendingBytes = 0;
  #fin: Buffer | undefined = undefined;
  /** Sent and not acknowledged without a gap, in order. */
  #segments: Segment[] = [];
  #segmentBytes = 0;
  #underWay = 0;
  #lost = 0;
  #nextSegment = 0;
  #nextPacket = 0;
  #latestPacket = -1;
  #windowBytes: number;
  #waitingSinceMs = 0;
  #progressAtMs = 0;

  constructor(settings: ReliableSenderSettings) {
    this.#settings = settings;
    this.#windowBytes = settings.windowBytes;
  }

  /** There are hardly any packet numbers left. */
  get isSpent(): boolean {
    return this.#nextPacket >= (this.#settings.lastNumber ?? LAST_NUMBER);
  }

  /** Bytes that no packet has carried yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Bytes that were sent and not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#segmentBytes;
  }

  /** Everything has arrived, the close included if there was one. */
  get isIdle(): boolean {
    return this.#segments.length === 0 && this.#pendingBytes === 0 && this.#fin === undefined;
  }

  /** Everything has arrived but, perhaps, the close. */
  get isOnlyFinUnderWay(): boolean {
    const [first] = this.#segments;
    return this.#pendingBytes === 0 && this.#fin === undefined && (first === undefined || first.isFin);
  }

  /** There is something to send, and nothing under way: the peer's window is shut. */
  get #isShutOut(): boolean {
    return this.#segments.length === 0 && this.#pendingBytes > 0;
  }

  /** When {@link tick} has something to do. */
  get dueMs(): number {
    return this.#segments.length > 0 || this.#isShutOut ? this.#waitingSinceMs + this.roundTrip.timeoutMs : Infinity;
  }

  /** Milliseconds for which nothing of what is under way was acknowledged. */
  stalledForMs(nowMs: number): number {
    return this.#segments.length === 0 ? 0 : nowMs - this.#progressAtMs;
  }

  /** Takes bytes of the stream. They are kept and must not change. */
  accept(buffers: readonly Uint8Array[], byteLength: number): void {
    for (const buffer of buffers) if (buffer.byteLength > 0) this.#chunks.push(buffer);
    this.#pendingBytes += byteLength;
  }

  /** Ends the stream with these bytes. */
  finish(closeBody: Buffer): void {
    this.#fin = closeBody;
  }

  /** Forgets everything: nothing is sent any more, and whatever is acknowledged is believed. */
  release(): void {
    this.#chunks = [];
    this.#chunkOffset = 0;
    this.#pendingBytes = 0;
    this.#segments = [];
    this.#segmentBytes = 0;
    this.#underWay = 0;
    this.#lost = 0;
    this.#fin = undefined;
  }

  /** Sends what may be sent, up to so many packets. Returns how many it sent. */
  flush(nowMs: number, mostPackets: number): number {
    let sent = 0;
    while (sent < mostPackets && this.#underWay < this.#congestion.window) {
      const segment = this.#lost > 0 ? this.#nextLost() : this.#cut();
      if (segment === undefined) break;
      this.#send(segment, nowMs);
      sent++;
    }
    return sent;
  }

  /** There is more to send and the network and the peer take it. */
  get canSend(): boolean {
    if (this.#underWay >= this.#congestion.window) return false;
    return this.#lost > 0 || this.#hasRoom;
  }

  /** Takes the peer's word. False if it acknowledges what was never sent. */
  acknowledged({ next, windowBytes, latestPacket, ranges }: Acknowledgement, nowMs: number): boolean {
    if (next > this.#nextSegment || (latestPacket >= this.#nextPacket && next > 0)) return false;
    const wasFull = this.#underWay >= this.#congestion.window / 2;
    let arrived = 0;
    let gone = 0;
    for (const segment of this.#segments) {
      if (segment.number >= next) break;
      gone++;
      this.#segmentBytes -= segment.payload.length;
      arrived += this.#arrived(segment, { latestPacket, nowMs });
    }
    if (gone > 0) this.#segments.splice(0, gone);
    for (let index = 0; index + 1 < ranges.length; index += 2) {
      const first = this.#segments[0]?.number ?? this.#nextSegment;
      const from = Math.max(ranges[index] as number, first);
      const to = Math.min(ranges[index + 1] as number, this.#nextSegment);
      for (let number = from; number < to; number++) {
        arrived += this.#arrived(this.#segments[number - first] as Segment, { latestPacket, nowMs });
      }
    }
    // An old acknowledgement that was overtaken knows nothing of the window.
    if (latestPacket >= this.#latestPacket || gone > 0) this.#windowBytes = windowBytes;
    if (next > 0 || ranges.length > 0) this.#latestPacket = Math.max(this.#latestPacket, latestPacket);
    if (arrived > 0) {
      this.roundTrip.recovered();
      this.#waitingSinceMs = nowMs;
      this.#progressAtMs = nowMs;
      this.#congestion.acknowledged(arrived, latestPacket, wasFull);
    }
    this.#findLost();
    return true;
  }

  /** A timeout: what is under way counts as lost. True if the peer's window has to be asked for instead. */
  tick(nowMs: number): boolean {
    if (nowMs < this.dueMs) return false;
    this.#waitingSinceMs = nowMs;
    const isFirst = !this.roundTrip.isBackedOff;
    this.roundTrip.backOff();
    if (this.#isShutOut) return true;
    for (const segment of this.#segments) if (segment.state === "sent") this.#lose(segment);
    // One timeout may be a late acknowledgement; from the second on the network takes next to nothing (RFC 9002, section 7.6).
    if (isFirst) this.#congestion.lost(this.#latestSent, this.#nextPacket);
    else this.#congestion.timedOut(this.#nextPacket);
    return false;
  }

  #arrived(segment: Segment, { latestPacket, nowMs }: { latestPacket: number; nowMs: number }): number {
    if (segment.state === "arrived") return 0;
    if (segment.state === "lost") this.#lost--;
    else this.#underWay--;
    segment.state = "arrived";
    if (segment.packetNumber === latestPacket) this.roundTrip.sample(nowMs - segment.sentAtMs);
    return 1;
  }

  #findLost(): void {
    // With fewer than four under way three can never follow: RFC 5827, early retransmit.
    const reordering = Math.max(Math.min(this.#segments.length - 1, REORDERING), 1);
    for (const segment of this.#segments) {
      if (segment.state !== "sent" || segment.packetNumber + reordering > this.#latestPacket) continue;
      this.#lose(segment);
      this.#congestion.lost(segment.packetNumber, this.#nextPacket);
    }
  }

  get #latestSent(): number {
    return this.#nextPacket - 1;
  }

  #lose(segment: Segment): void {
    segment.state = "lost";
    this.#lost++;
    this.#underWay--;
  }

  #nextLost(): Segment | undefined {
    const segment = this.#segments.find(({ state }) => state === "lost");
    if (segment !== undefined) this.#lost--;
    return segment;
  }

  get #hasRoom(): boolean {
    if (this.#segments.length >= MAX_SEGMENTS) return false;
    if (this.#pendingBytes === 0) return this.#fin !== undefined;
    const next = Math.min(this.#pendingBytes, this.#settings.payloadBytes);
    return this.#segmentBytes + next <= this.#windowBytes;
  }

  /** The next segment of the stream, if the peer takes it. */
  #cut(): Segment | undefined {
    if (!this.#hasRoom) return undefined;
    const fin = this.#pendingBytes === 0 ? this.#fin : undefined;
    if (fin !== undefined) this.#fin = undefined;
    const payload = fin ?? this.#take(Math.min(this.#pendingBytes, this.#settings.payloadBytes));
    const isFin = fin !== undefined;
    const segment: Segment = {
      number: this.#nextSegment++,
      payload,
      isFin,
      packetNumber: 0,
      sentAtMs: 0,
      state: "new",
    };
    this.#segments.push(segment);
    this.#segmentBytes += payload.length;
    return segment;
  }

  #take(byteLength: number): Buffer {
    const payload = Buffer.alloc(byteLength);
    let filled = 0;
    let index = 0;
    while (filled < byteLength) {
      const chunk = this.#chunks[index] as Uint8Array;
      const end = Math.min(chunk.byteLength, this.#chunkOffset + byteLength - filled);
      payload.set(chunk.subarray(this.#chunkOffset, end), filled);
      filled += end - this.#chunkOffset;
      this.#chunkOffset = end;
      if (end < chunk.byteLength) break;
      index++;
      this.#chunkOffset = 0;
    }
    this.#chunks.splice(0, index);
    this.#pendingBytes -= byteLength;
    return payload;
  }

  #send(segment: Segment, nowMs: number): void {
    if (this.#underWay === 0) this.#waitingSinceMs = nowMs;
    if (this.#segments[0] === segment && segment.state === "new") this.#progressAtMs = nowMs;
    segment.packetNumber = this.#nextPacket++;
    segment.sentAtMs = nowMs;
    segment.state = "sent";
    this.#underWay++;
    this.#settings.transmit(segment);
  }
}
