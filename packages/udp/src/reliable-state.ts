import {
  ACKNOWLEDGEMENT_BYTES,
  acknowledgementBytes,
  MAX_RANGES,
  RANGE_BYTES,
  readAcknowledgement,
  writeAcknowledgement,
} from "./acknowledgement.ts";
import { type ConnectionId, closeBody, HEADER_BYTES, packet, readCloseBody, TYPE } from "./packet.ts";
import { HeldStream } from "./reliable-held.ts";
import { ReliableReceiver } from "./reliable-receiver.ts";
import { type RecordFault, RecordReader, type RecordSink } from "./reliable-records.ts";
import { ReliableSender, type Segment } from "./reliable-sender.ts";

/** What either side takes before it has said what it takes. */
const INITIAL_WINDOW_BYTES = 65_536;
/** What a receiver holds: messages that wait for a paused holder, and pieces beyond a gap. */
const WINDOW_BYTES = 262_144;
/** Long enough for an answer to carry the acknowledgement, short beside every timeout. */
const ACKNOWLEDGEMENT_DELAY_MS = 25;
/** Every second packet is acknowledged at once: RFC 5681, section 4.2. */
const PACKETS_PER_ACKNOWLEDGEMENT = 2;
/** A system hands over a few dozen datagrams at a time: longer bursts only overflow the receiver's socket. */
const MOST_PACKETS_PER_TURN = 32;
/** Header, flags, packet number, segment number, acknowledgement. */
const DATA_BYTES = HEADER_BYTES + 9 + ACKNOWLEDGEMENT_BYTES;
const FLAG_FIN = 1;

/** What a datagram turned out to be that the state could not use. */
export type StateFault = "malformed" | "badAcknowledgement" | "tooFarAhead" | "duplicate";

/** Who holds the state: it owns socket and sink. */
export interface ReliableOwner extends RecordSink {
  transmit(datagram: Buffer): void;
  /** Asks the peer for its window: its answer is an acknowledgement. */
  probe(): void;
  /** The peer's last word, after all its messages. */
  peerFinished(code: number | undefined, reason: string): void;
  /** What the peer sent is against the rules. */
  violated(fault: RecordFault): void;
}

export interface ReliableSettings {
  readonly peerId: ConnectionId;
  /** Largest datagram that both sides take. */
  readonly datagramBytes: number;
  readonly maxMessageBytes: number;
  readonly lastNumber?: number;
  readonly owner: ReliableOwner;
}

/**
 * A reliable link without socket and clock: datagrams and the time go in, datagrams and messages come out. Nothing is
 * lost, doubled or reordered between the streams of the two sides.
 */
export class ReliableState {
  readonly #settings: ReliableSettings;
  readonly #sender: ReliableSender;
  readonly #receiver: ReliableReceiver;
  readonly #records: RecordReader;
  #latestPacket = 0;
  #unacknowledged = 0;
  #acknowledgeAtMs = Infinity;
  #toldWindowBytes = WINDOW_BYTES;
  readonly #held = new HeldStream();
  #isReading = false;
  #lastWord: Buffer | undefined = undefined;

  constructor(settings: ReliableSettings) {
    const { datagramBytes, maxMessageBytes, owner } = settings;
    this.#settings = settings;
    this.#sender = new ReliableSender({
      payloadBytes: datagramBytes - DATA_BYTES,
      windowBytes: INITIAL_WINDOW_BYTES,
      lastNumber: settings.lastNumber,
      transmit: (segment) => this.#transmit(segment),
    });
    this.#records = new RecordReader(maxMessageBytes, owner);
    this.#receiver = new ReliableReceiver({
      windowBytes: WINDOW_BYTES,
      bytes: (payload) => this.#take(payload),
      fin: (body) => {
        this.#lastWord = body;
      },
    });
  }

  /** There are hardly any packet numbers left: the link should close. */
  get isSpent(): boolean {
    return this.#sender.isSpent;
  }

  /** Bytes that no datagram has carried yet. */
  get pendingBytes(): number {
    return this.#sender.pendingBytes;
  }

  /** Bytes that may not have arrived. */
  get unacknowledgedBytes(): number {
    return this.#sender.unacknowledgedBytes;
  }

  /** Everything has arrived at the peer, its close included. */
  get isIdle(): boolean {
    return this.#sender.isIdle;
  }

  /** Everything has arrived at the peer but, perhaps, the close. */
  get isOnlyFinUnderWay(): boolean {
    return this.#sender.isOnlyFinUnderWay;
  }

  /** All of the peer's stream has arrived. */
  get isPeerFinished(): boolean {
    return this.#receiver.isFinished;
  }

  /** Bytes that have arrived and that the holder cannot have yet, or does not want. */
  get retainedBytes(): number {
    return this.#records.partialBytes + this.#held.byteLength + this.#receiver.waitingBytes;
  }

  /** How many segments have been put in order: it grows with all progress. */
  get segmentsInOrder(): number {
    return this.#receiver.next;
  }

  /** The peer owes the rest of a message, or what belongs into a gap. */
  get isOwed(): boolean {
    return (this.#records.isMidway || this.#receiver.waitingBytes > 0) && this.#held.byteLength === 0;
  }

  /** When {@link tick} has something to do. */
  get dueMs(): number {
    return Math.min(this.#sender.dueMs, this.#acknowledgeAtMs);
  }

  /** The round trip in milliseconds; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#sender.roundTrip.smoothedMs;
  }

  /** There is something that {@link flush} would send at once. */
  get isFlushDue(): boolean {
    return this.#unacknowledged >= PACKETS_PER_ACKNOWLEDGEMENT || this.#sender.canSend;
  }

  /** Milliseconds for which nothing of what is under way was acknowledged. */
  stalledForMs(nowMs: number): number {
    return this.#sender.stalledForMs(nowMs);
  }

  /** Takes bytes of the stream: whole records. They are kept and must not change. */
  accept(buffers: readonly Uint8Array[], byteLength: number): void {
    this.#sender.accept(buffers, byteLength);
  }

  /** Ends the stream after what was accepted. */
  finish(code: number | undefined, reason: string): void {
    this.#sender.finish(closeBody(code, reason));
  }

  /** The link is over: gives its memory back. What comes from here on is only acknowledged. */
  release(): void {
    this.#sender.release();
    this.#receiver.release();
    this.#records.release();
    this.#held.taken(this.#held.byteLength);
    this.#lastWord = undefined;
  }

  /** A data packet. */
  dataArrived(datagram: Buffer, nowMs: number): StateFault | undefined {
    const at = HEADER_BYTES + 9;
    const acknowledged = acknowledgementBytes(datagram, at);
    if (acknowledged === 0) return "malformed";
    if (!this.#sender.acknowledged(readAcknowledgement(datagram, at), nowMs)) return "badAcknowledgement";
    const packetNumber = datagram.readUInt32BE(HEADER_BYTES + 1);
    const number = datagram.readUInt32BE(HEADER_BYTES + 5);
    const isFin = ((datagram[HEADER_BYTES] as number) & FLAG_FIN) !== 0;
    const payload = datagram.subarray(at + acknowledged);
    // A sender that looks at the window never comes here.
    if (this.#held.byteLength + payload.length > WINDOW_BYTES + datagram.length) return "tooFarAhead";
    // Only what moved this side forward may be acknowledged later: the sender has to learn of gaps at once.
    const reception = this.#receiver.arrived(number, payload, isFin);
    if (reception === "too-far") return "tooFarAhead";
    this.#latestPacket = Math.max(this.#latestPacket, packetNumber);
    this.#unacknowledged += reception === "in-order" && !isFin ? 1 : PACKETS_PER_ACKNOWLEDGEMENT;
    if (this.#acknowledgeAtMs === Infinity) this.#acknowledgeAtMs = nowMs + ACKNOWLEDGEMENT_DELAY_MS;
    this.read();
    return reception === "duplicate" ? "duplicate" : undefined;
  }

  /** An acknowledgement on its own. */
  acknowledgementArrived(datagram: Buffer, nowMs: number): StateFault | undefined {
    if (HEADER_BYTES + acknowledgementBytes(datagram, HEADER_BYTES) !== datagram.length) return "malformed";
    const isTrue = this.#sender.acknowledged(readAcknowledgement(datagram, HEADER_BYTES), nowMs);
    return isTrue ? undefined : "badAcknowledgement";
  }

  /** The peer asked for the window. */
  acknowledgeNow(): void {
    this.#unacknowledged = PACKETS_PER_ACKNOWLEDGEMENT;
  }

  /** Delivers what has arrived, as far as the holder wants it. To be called when it wants messages again, too. */
  read(): void {
    // A holder may resume inside the call that delivers to it.
    if (this.#isReading) return;
    this.#isReading = true;
    this.#held.taken(this.#records.read(this.#held.bytes));
    this.#isReading = false;
    const { owner } = this.#settings;
    const { fault } = this.#records;
    if (fault !== undefined) owner.violated(fault);
    else if (this.#lastWord !== undefined && this.#held.byteLength === 0) this.#tellLastWord(this.#lastWord);
    // The peer may be waiting to hear of the room.
    if (this.#toldWindowBytes < WINDOW_BYTES / 2 && this.#windowBytes >= WINDOW_BYTES / 2) this.acknowledgeNow();
  }

  /** Sends what may be sent now: data first, for it carries the acknowledgement too. */
  flush(nowMs: number): void {
    this.#sender.flush(nowMs, MOST_PACKETS_PER_TURN);
    if (this.#unacknowledged >= PACKETS_PER_ACKNOWLEDGEMENT) this.#acknowledge();
  }

  /** Does what is due. */
  tick(nowMs: number): void {
    if (this.#sender.tick(nowMs)) this.#settings.owner.probe();
    if (nowMs >= this.#acknowledgeAtMs) this.acknowledgeNow();
    this.flush(nowMs);
  }

  get #windowBytes(): number {
    return Math.max(WINDOW_BYTES - this.#held.byteLength, 0);
  }

  #take(payload: Buffer): void {
    let read = 0;
    if (!this.#isReading && this.#held.byteLength === 0) {
      this.#isReading = true;
      read = this.#records.read(payload);
      this.#isReading = false;
    }
    if (read < payload.length) this.#held.add(payload.subarray(read));
  }

  #tellLastWord(body: Buffer): void {
    this.#lastWord = undefined;
    const { owner } = this.#settings;
    const close = readCloseBody(body);
    if (close === undefined || this.#records.isMidway) owner.violated({ fault: "malformed", byteLength: 0 });
    else owner.peerFinished(close.code, close.reason);
  }

  #acknowledge(): void {
    this.#settings.owner.transmit(this.acknowledgement());
  }

  /** What has arrived so far, as a packet of its own. */
  acknowledgement(): Buffer {
    const ranges = this.#receiver.ranges(MAX_RANGES);
    const datagram = packet(TYPE.ack, this.#settings.peerId, ACKNOWLEDGEMENT_BYTES + ranges.length * (RANGE_BYTES / 2));
    this.#writeAcknowledgement(datagram, HEADER_BYTES, ranges);
    return datagram;
  }

  #transmit(segment: Segment): void {
    const { peerId, datagramBytes, owner } = this.#settings;
    const { payload, packetNumber, number, isFin } = segment;
    const room = Math.floor((datagramBytes - DATA_BYTES - payload.length) / RANGE_BYTES);
    const ranges = this.#receiver.ranges(Math.min(room, MAX_RANGES));
    const bodyBytes = 9 + ACKNOWLEDGEMENT_BYTES + ranges.length * (RANGE_BYTES / 2) + payload.length;
    const datagram = packet(TYPE.data, peerId, bodyBytes);
    datagram[HEADER_BYTES] = isFin ? FLAG_FIN : 0;
    datagram.writeUInt32BE(packetNumber, HEADER_BYTES + 1);
    datagram.writeUInt32BE(number, HEADER_BYTES + 5);
    const at = this.#writeAcknowledgement(datagram, HEADER_BYTES + 9, ranges);
    payload.copy(datagram, at);
    owner.transmit(datagram);
  }

  #writeAcknowledgement(datagram: Buffer, at: number, ranges: readonly number[]): number {
    const { next } = this.#receiver;
    const windowBytes = this.#windowBytes;
    this.#unacknowledged = 0;
    this.#acknowledgeAtMs = Infinity;
    this.#toldWindowBytes = windowBytes;
    const acknowledgement = { next, windowBytes, latestPacket: this.#latestPacket, ranges };
    return writeAcknowledgement(datagram, acknowledgement, { at, ranges: ranges.length / 2 });
  }
}
