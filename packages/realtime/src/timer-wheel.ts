import { type Clock, PolywireError, type Timer } from "@polywire/core";

const DEFAULT_TICK_MS = 500;

/** A tick that is later than this did not wait for others: the event loop stood still. */
const STALL_ABOVE_MS = 1_000;

/** Slots of the first level, one a tick: 128 s at 500 ms. */
const FIRST_SLOTS = 256;

/** Slots of each level above, each as long as the whole level below: up to 2.3 hours, then 6 days. */
const UPPER_SLOTS = 64;
const SECOND_LEVEL = FIRST_SLOTS;
const SECOND_SPAN = FIRST_SLOTS;
const THIRD_LEVEL = SECOND_LEVEL + UPPER_SLOTS;
const THIRD_SPAN = SECOND_SPAN * UPPER_SLOTS;
const REACH = THIRD_SPAN * UPPER_SLOTS;

/** Something that a wheel calls back. It belongs to one wheel. */
export interface WheelEntry {
  /** The time has come. The entry is not scheduled any more and may schedule itself again. */
  due(): void;
  /** The wheel's own; nobody else touches it. Made with the first schedule, kept for all later ones. */
  wheelPlace?: WheelPlace | undefined;
}

/** How long the event loop did nothing, and when it was noticed, on the wheel's clock. */
export interface Stall {
  readonly atMs: number;
  readonly durationMs: number;
}

export interface TimerWheelOptions {
  /** How late an entry may be. 500. */
  readonly tickMs?: number;
  /** Gets what an entry's `due` threw. By default the last of it is thrown once the tick is done. */
  readonly report?: (error: PolywireError) => void;
}

/** An entry's place: a link of the ring of its slot, or of a ring of its own while it is not scheduled. */
class WheelPlace {
  readonly entry: WheelEntry | undefined;
  next: WheelPlace = this;
  previous: WheelPlace = this;
  dueTick = 0;

  constructor(entry: WheelEntry | undefined) {
    this.entry = entry;
  }
}

export type { WheelPlace };

/**
 * Very many timers behind one of the platform's, which is set only while something is scheduled, and only for ticks that
 * have something to do. An entry is called back once, never before its delay has passed and at most one tick after, in
 * constant time and without an allocation: a hierarchical wheel (Varghese and Lauck, 1987).
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #report: ((error: PolywireError) => void) | undefined;
  readonly #originMs: number;
  /** Rings with an end of their own: the first level's slots, then those of the levels above. */
  readonly #slots: readonly WheelPlace[];
  /** Those of the tick under way. */
  readonly #due = new WheelPlace(undefined);
  /** The last tick that was worked off. */
  #tick = 0;
  #size = 0;
  #timer: Timer | undefined = undefined;
  #timerTick = 0;
  #isTicking = false;
  #isClosed = false;
  #stallMs = 0;
  #lastStall: Stall | undefined = undefined;

  constructor(clock: Clock, { tickMs = DEFAULT_TICK_MS, report }: TimerWheelOptions = {}) {
    if (!(tickMs >= 1 && tickMs <= 60_000)) {
      throw new PolywireError("invalid-argument", `tickMs is ${tickMs}: give 1 to 60,000 milliseconds`);
    }
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#report = report;
    this.#originMs = clock.now();
    this.#slots = Array.from({ length: THIRD_LEVEL + UPPER_SLOTS }, () => new WheelPlace(undefined));
  }

  /** Entries that are scheduled. */
  get size(): number {
    return this.#size;
  }

  /**
   * How late the tick under way is, if that is more than a second: then the event loop stood still, and what the entries
   * wait for may have come without anybody having had the time to read it. Else 0.
   */
  get stallMs(): number {
    return this.#stallMs;
  }

  /** The last stall that a tick noticed. */
  get lastStall(): Stall | undefined {
    return this.#lastStall;
  }

  /**
   * Calls the entry back once, after the delay. An entry that is scheduled already is moved. Does nothing once the wheel is
   * closed.
   */
  schedule(entry: WheelEntry, delayMs: number): void {
    if (!(delayMs >= 0 && delayMs <= Number.MAX_SAFE_INTEGER)) {
      throw new PolywireError("invalid-argument", `delayMs is ${delayMs}: give 0 or more milliseconds`);
    }
    if (this.#isClosed) return;
    const place = (entry.wheelPlace ??= new WheelPlace(entry));
    if (place.next === place) this.#size++;
    else unlink(place);
    const nowMs = this.#clock.now();
    if (!this.#isTicking) this.#skipTo(this.#tickAt(nowMs));
    place.dueTick = Math.max(Math.ceil((nowMs - this.#originMs + delayMs) / this.#tickMs), this.#tick + 1);
    const wakeTick = this.#insert(place);
    if (!this.#isTicking && (this.#timer === undefined || wakeTick < this.#timerTick)) this.#arm();
  }

  /** The entry is not called back any more. Idempotent. */
  cancel(entry: WheelEntry): void {
    const place = entry.wheelPlace;
    if (place === undefined || place.next === place) return;
    unlink(place);
    this.#size--;
    if (this.#size === 0 && !this.#isTicking) this.#disarm();
  }

  /** Forgets all entries. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#disarm();
    for (const slot of this.#slots) clear(slot);
    clear(this.#due);
    this.#size = 0;
  }

  /** Leaves out the ticks up to now that have nothing to do: all those before the one that the timer is set for. */
  #skipTo(nowTick: number): void {
    const tick = this.#timer === undefined ? nowTick : Math.min(nowTick, this.#timerTick - 1);
    if (tick > this.#tick) this.#tick = tick;
  }

  /** Returns the tick at which the entry is due, or comes down to the level below. */
  #insert(place: WheelPlace): number {
    const { dueTick } = place;
    const distance = dueTick - this.#tick;
    if (distance < FIRST_SLOTS) {
      append(this.#slots[dueTick % FIRST_SLOTS] as WheelPlace, place);
      return dueTick;
    }
    const isOnSecond = distance < SECOND_SPAN * UPPER_SLOTS;
    const span = isOnSecond ? SECOND_SPAN : THIRD_SPAN;
    // What lies beyond the last level's reach waits in its farthest slot and is judged again from there.
    const turn = Math.floor((distance < REACH ? dueTick : this.#tick + REACH - 1) / span);
    append(this.#slots[(isOnSecond ? SECOND_LEVEL : THIRD_LEVEL) + (turn % UPPER_SLOTS)] as WheelPlace, place);
    return turn * span;
  }

  /** The last tick whose time has come. */
  #tickAt(nowMs: number): number {
    const tick = Math.floor((nowMs - this.#originMs) / this.#tickMs);
    return this.#msOf(tick + 1) <= nowMs ? tick + 1 : tick;
  }

  #msOf(tick: number): number {
    return this.#originMs + tick * this.#tickMs;
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#size === 0) return;
    this.#timerTick = this.#nextTick();
    // At least a millisecond: clocks round, and a timer that is early must not spin.
    this.#timer = this.#clock.setTimer(this.#tickOver, Math.max(1, this.#msOf(this.#timerTick) - this.#clock.now()));
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The next tick with something to do: entries that are due, or a slot of a level above whose time begins. */
  #nextTick(): number {
    const tick = this.#tick;
    let next = Number.POSITIVE_INFINITY;
    for (let distance = 1; distance < FIRST_SLOTS; distance++) {
      if (!isEmpty(this.#slots[(tick + distance) % FIRST_SLOTS] as WheelPlace)) {
        next = tick + distance;
        break;
      }
    }
    const second = this.#nextTurn(SECOND_LEVEL, SECOND_SPAN);
    const third = this.#nextTurn(THIRD_LEVEL, THIRD_SPAN);
    return Math.min(next, second, third);
  }

  #nextTurn(level: number, span: number): number {
    const turn = Math.floor(this.#tick / span);
    for (let distance = 1; distance <= UPPER_SLOTS; distance++) {
      if (isEmpty(this.#slots[level + ((turn + distance) % UPPER_SLOTS)] as WheelPlace)) continue;
      return (turn + distance) * span;
    }
    return Number.POSITIVE_INFINITY;
  }

  readonly #tickOver = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    const nowTick = this.#tickAt(nowMs);
    const lateMs = nowMs - this.#msOf(this.#timerTick);
    if (lateMs > STALL_ABOVE_MS) {
      this.#stallMs = lateMs;
      this.#lastStall = { atMs: nowMs, durationMs: lateMs };
    }
    this.#isTicking = true;
    let failure: PolywireError | undefined;
    // A timer of the platform may be a moment early; then there is nothing to do yet.
    for (let next = this.#timerTick; next <= nowTick; next = this.#nextTick()) {
      failure = this.#work(next) ?? failure;
    }
    this.#isTicking = false;
    this.#stallMs = 0;
    if (!this.#isClosed) this.#arm();
    if (failure !== undefined) throw failure;
  };

  #work(tick: number): PolywireError | undefined {
    this.#tick = tick;
    if (tick % THIRD_SPAN === 0) this.#bringDown(THIRD_LEVEL + ((tick / THIRD_SPAN) % UPPER_SLOTS));
    if (tick % SECOND_SPAN === 0) this.#bringDown(SECOND_LEVEL + ((tick / SECOND_SPAN) % UPPER_SLOTS));
    const due = this.#due;
    move(this.#slots[tick % FIRST_SLOTS] as WheelPlace, due);
    let failure: PolywireError | undefined;
    for (let place = due.next; place !== due; place = due.next) {
      unlink(place);
      this.#size--;
      try {
        place.entry?.due();
      } catch (thrown) {
        const error = PolywireError.from(thrown, "internal", "timer wheel: an entry threw");
        if (this.#report === undefined) failure = error;
        else this.#report(error);
      }
    }
    return failure;
  }

  /** The time of a slot of an upper level begins: its entries are spread over the levels below. */
  #bringDown(slot: number): void {
    const spread = this.#due;
    move(this.#slots[slot] as WheelPlace, spread);
    for (let place = spread.next; place !== spread; place = spread.next) {
      unlink(place);
      this.#insert(place);
    }
  }
}

function isEmpty(ring: WheelPlace): boolean {
  return ring.next === ring;
}

function append(ring: WheelPlace, place: WheelPlace): void {
  const last = ring.previous;
  place.previous = last;
  place.next = ring;
  last.next = place;
  ring.previous = place;
}

function unlink(place: WheelPlace): void {
  place.previous.next = place.next;
  place.next.previous = place.previous;
  place.next = place;
  place.previous = place;
}

/** Moves everything of one ring into another, which is empty. */
function move(from: WheelPlace, to: WheelPlace): void {
  if (isEmpty(from)) return;
  to.next = from.next;
  to.previous = from.previous;
  to.next.previous = to;
  to.previous.next = to;
  from.next = from;
  from.previous = from;
}

function clear(ring: WheelPlace): void {
  for (let place = ring.next; place !== ring; place = ring.next) unlink(place);
}
