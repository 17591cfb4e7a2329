import { type Clock, type Logger, type Peer, type Refused, systemClock } from "@polywire/core";
import { sourceOf } from "@polywire/realtime";

/** Refusing is told when it begins and then no more often than this. */
const REFUSAL_LOG_MS = 10_000;

/** Most addresses that are remembered; what was not heard of for the longest time is forgotten. */
const MAX_SOURCES = 10_000;

const TOO_MANY: Refused = { accepted: false, status: 503, reason: "too many clients come at once: try again later" };

export interface ConnectRatesOptions {
  /** Clients in a second, from everywhere. Absent: as many as come. */
  readonly perSecond: number | undefined;
  /** Clients in a second, from one address, or one IPv6 network of 64 bits. */
  readonly perSecondPerAddress: number | undefined;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** How many more may come, and since when that is so. */
interface Room {
  count: number;
  atMs: number;
}

/**
 * How many clients may come in a second, whatever their wire; a second's worth may come at once. Who is one too many is
 * refused before there is a link, may come back, and is told in the log.
 */
export class ConnectRates {
  readonly #perSecond: number | undefined;
  readonly #perSecondPerAddress: number | undefined;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #total: Room;
  /** In the order of their last use. */
  readonly #sources = new Map<string, Room>();
  #refused = 0;
  #nextLogMs = Number.NEGATIVE_INFINITY;

  constructor({ perSecond, perSecondPerAddress, logger, clock = systemClock }: ConnectRatesOptions) {
    this.#perSecond = perSecond;
    this.#perSecondPerAddress = perSecondPerAddress;
    this.#logger = logger;
    this.#clock = clock;
    this.#total = { count: perSecond ?? 0, atMs: clock.now() };
  }

  get refused(): number {
    return this.#refused;
  }

  /** Counts a client that comes; the refusal, if it is one too many. */
  judge({ address }: Peer): Refused | undefined {
    const isWithin = this.#isWithinAddress(address) && this.#isWithinTotal();
    if (isWithin) return undefined;
    this.#refused++;
    this.#log();
    return TOO_MANY;
  }

  /** The address is asked first, so that one that floods takes no room from the others. */
  #isWithinAddress(address: string | undefined): boolean {
    const perSecond = this.#perSecondPerAddress;
    if (perSecond === undefined || address === undefined) return true;
    const source = sourceOf(address);
    const room = this.#sources.get(source) ?? { count: perSecond, atMs: this.#clock.now() };
    this.#sources.delete(source);
    this.#sources.set(source, room);
    if (this.#sources.size > MAX_SOURCES) {
      const [oldest] = this.#sources.keys();
      this.#sources.delete(oldest as string);
    }
    return this.#takeFrom(room, perSecond);
  }

  #isWithinTotal(): boolean {
    return this.#perSecond === undefined || this.#takeFrom(this.#total, this.#perSecond);
  }

  #takeFrom(room: Room, perSecond: number): boolean {
    const nowMs = this.#clock.now();
    room.count = Math.min(perSecond, room.count + ((nowMs - room.atMs) * perSecond) / 1_000);
    room.atMs = nowMs;
    if (room.count < 1) return false;
    room.count--;
    return true;
  }

  #log(): void {
    const nowMs = this.#clock.now();
    if (nowMs < this.#nextLogMs) return;
    this.#nextLogMs = nowMs + REFUSAL_LOG_MS;
    this.#logger.log("warn", "server", "clients refused: too many come at once", { refused: this.#refused });
  }
}
