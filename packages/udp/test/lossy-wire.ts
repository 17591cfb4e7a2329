import type { Payload, Timer } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { packet, pingPacket, TYPE, typeOf } from "../src/packet.ts";
import { type RecordFault, record } from "../src/reliable-records.ts";
import { type ReliableOwner, ReliableState } from "../src/reliable-state.ts";

/** What happens to datagrams on their way. */
export interface Weather {
  /** Share that gets lost, 0 to 1. */
  loss: number;
  /** Share that arrives twice. */
  duplicates: number;
  /** Delay in milliseconds, the least and the most: what differs reorders. */
  delayMs: readonly [number, number];
}

const CALM: Weather = { loss: 0, duplicates: 0, delayMs: [5, 5] };

const PEER = { high: 1, low: 2 };

/** A generator with a seed (mulberry32), so that a failure can be seen again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One end of a reliable link without a socket. */
export class Side implements ReliableOwner {
  readonly state: ReliableState;
  readonly messages: Payload[] = [];
  readonly faults: RecordFault[] = [];
  finished: { readonly code: number | undefined; readonly reason: string } | undefined = undefined;
  isPaused = false;
  sent = 0;
  other: Side | undefined = undefined;
  weather: Weather = CALM;
  readonly #clock: ManualClock;
  readonly #random: () => number;
  #alarm: Timer | undefined = undefined;

  constructor(clock: ManualClock, random: () => number, lastNumber?: number) {
    this.#clock = clock;
    this.#random = random;
    this.state = new ReliableState({
      peerId: PEER,
      datagramBytes: 1_200,
      maxMessageBytes: 1_048_576,
      owner: this,
      ...(lastNumber === undefined ? {} : { lastNumber }),
    });
  }

  send(...payloads: readonly Payload[]): void {
    const records = payloads.map(record);
    this.state.accept(
      records,
      records.reduce((sum, { length }) => sum + length, 0),
    );
    this.flush();
  }

  finish(code: number, reason: string): void {
    this.state.finish(code, reason);
    this.flush();
  }

  resume(): void {
    this.isPaused = false;
    this.state.read();
    this.flush();
  }

  flush(): void {
    do this.state.flush(this.#clock.now());
    while (this.state.isFlushDue);
    this.#alarm?.cancel();
    const { dueMs } = this.state;
    if (dueMs === Infinity) return;
    this.#alarm = this.#clock.setTimer(
      () => {
        this.state.tick(this.#clock.now());
        this.flush();
      },
      Math.max(dueMs - this.#clock.now(), 0),
    );
  }

  arrive(datagram: Buffer): void {
    const now = this.#clock.now();
    if (typeOf(datagram) === TYPE.data) this.state.dataArrived(datagram, now);
    else if (typeOf(datagram) === TYPE.ack) this.state.acknowledgementArrived(datagram, now);
    else if (typeOf(datagram) === TYPE.ping) this.state.acknowledgeNow();
    this.flush();
  }

  transmit(datagram: Buffer): void {
    this.sent++;
    const { loss, duplicates, delayMs } = this.weather;
    if (this.#random() < loss) return;
    const copies = this.#random() < duplicates ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const delay = delayMs[0] + this.#random() * (delayMs[1] - delayMs[0]);
      this.#clock.setTimer(() => this.other?.arrive(Buffer.from(datagram)), delay);
    }
  }

  probe(): void {
    this.transmit(pingPacket(TYPE.ping, PEER, 0));
  }

  message(payload: Payload): void {
    this.messages.push(typeof payload === "string" ? payload : new Uint8Array(payload));
  }

  peerFinished(code: number | undefined, reason: string): void {
    this.finished = { code, reason };
  }

  violated(fault: RecordFault): void {
    this.faults.push(fault);
  }
}

/** Two sides with a wire between them that has weather. */
export function lossyPair(
  seed: number,
  weather: Weather,
  lastNumber?: number,
): { clock: ManualClock; left: Side; right: Side } {
  const clock = new ManualClock();
  const random = seeded(seed);
  const left = new Side(clock, random, lastNumber);
  const right = new Side(clock, random, lastNumber);
  left.other = right;
  right.other = left;
  left.weather = { ...weather };
  right.weather = { ...weather };
  return { clock, left, right };
}

/** Moves time on, a little at a time, until it holds; returns how many milliseconds that took. */
export function waitUntil(clock: ManualClock, holds: () => boolean, mostMs: number): number {
  const startMs = clock.now();
  while (!holds()) {
    if (clock.now() - startMs > mostMs) throw new Error(`not within ${mostMs} ms of the clock`);
    clock.advance(10);
  }
  return clock.now() - startMs;
}

/** A data packet as a hostile or broken peer might write it. */
export function dataPacket(fields: {
  readonly packetNumber: number;
  readonly number: number;
  readonly payload: Uint8Array;
  readonly next?: number;
  readonly latestPacket?: number;
  readonly ranges?: number;
}): Buffer {
  const { packetNumber, number, payload, next = 0, latestPacket = 0, ranges = 0 } = fields;
  const datagram = packet(TYPE.data, PEER, 22 + payload.byteLength);
  datagram.writeUInt32BE(packetNumber, 13);
  datagram.writeUInt32BE(number, 17);
  datagram.writeUInt32BE(next, 21);
  datagram.writeUInt32BE(65_536, 25);
  datagram.writeUInt32BE(latestPacket, 29);
  datagram[33] = ranges;
  datagram.set(payload, 34);
  return datagram;
}
