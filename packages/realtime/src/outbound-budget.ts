import type { Clock } from "@polywire/core";
import type { ChannelState } from "./channel-state.ts";
import { DISCONNECTS } from "./codes.ts";
import type { Counters } from "./counters.ts";
import type { Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";

/** What a message in a queue takes besides its bytes, which it may share with others. */
const PART_BYTES = 72;

/** Links keep no more messages than this, however small they are. */
const MAX_PARTS = 65_536;

/** Sessions are cut until this part of the budget is free again. */
const FREE_SHARE = 1 / 8;

/** Where a session was when it fell behind. */
interface Behind {
  /** What was in its queue then. */
  readonly bytes: number;
  readonly marks: ReadonlyMap<ChannelState, Mark>;
}

/** How much a channel had told its subscribers. */
interface Mark {
  readonly bytes: number;
  readonly publications: number;
}

export interface OutboundBudgetOptions {
  readonly maxBytes: number;
  readonly sessions: Sessions;
  readonly counters: Counters;
  readonly clock: Clock;
}

/**
 * Bounds what waits for all clients together. A publication that waits for many is in memory once, so it counts once: in a
 * channel the queues of those who are behind are the ends, of different lengths, of the same sequence, of which the longest
 * counts. Answers and messages to one client are its own.
 *
 * Nothing is counted for each delivery: it is known how much was said since the last look, and only when that might be too
 * much all queues are looked at, at the end of the turn, when what the system takes at once is gone.
 */
export class OutboundBudget {
  readonly #maxBytes: number;
  readonly #sessions: Sessions;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #behind = new Map<Session, Behind>();
  /** What may be said before the next look. */
  #allowance: number;
  #isLooking = false;

  constructor({ maxBytes, sessions, counters, clock }: OutboundBudgetOptions) {
    this.#maxBytes = maxBytes;
    this.#sessions = sessions;
    this.#counters = counters;
    this.#clock = clock;
    this.#allowance = maxBytes / 2;
  }

  /** Something was said that may have to wait, to one client or to many. */
  said(bytes: number): void {
    this.#allowance -= bytes + this.#behind.size * PART_BYTES;
    if (this.#allowance > 0 || this.#isLooking) return;
    this.#isLooking = true;
    this.#clock.endOfTurn(() => this.#look());
  }

  fellBehind(session: Session): void {
    const marks = new Map<ChannelState, Mark>();
    for (const { channel } of session.subscriptions?.values() ?? []) {
      marks.set(channel, { bytes: channel.saidBytes, publications: channel.saidPublications });
    }
    this.#behind.set(session, { bytes: session.queue.bytes, marks });
  }

  /** It has caught up, or gone. */
  caughtUp(session: Session): void {
    this.#behind.delete(session);
  }

  /** About how much memory everything takes that waits for clients. Looks at every session. */
  retainedBytes(): number {
    let ownBytes = 0;
    const shared = new Map<ChannelState, number>();
    for (const session of this.#sessions) {
      const bytes = session.queue.bytes;
      if (bytes === 0) continue;
      let unexplained = bytes - session.queue.ownBytes;
      for (const { channel } of session.subscriptions?.values() ?? []) {
        const most = Math.min(bytes, this.#mostOf(session, channel));
        unexplained -= most;
        if (most > (shared.get(channel) ?? 0)) shared.set(channel, most);
      }
      // What is left is of channels that it is in no more.
      ownBytes += Math.min(bytes, session.queue.ownBytes + Math.max(0, unexplained)) + this.#overheadOf(session);
    }
    let sharedBytes = 0;
    for (const bytes of shared.values()) sharedBytes += bytes;
    return Math.min(ownBytes + sharedBytes, this.#countedForEach());
  }

  /** What waits, counted for each session. */
  #countedForEach(): number {
    let bytes = 0;
    for (const session of this.#sessions) bytes += this.#sizeOf(session);
    return bytes;
  }

  #sizeOf(session: Session): number {
    return session.queue.bytes + this.#overheadOf(session);
  }

  /** What its messages take besides their bytes; those of a client that is not behind are few. */
  #overheadOf(session: Session): number {
    const behind = this.#behind.get(session);
    if (behind === undefined) return 0;
    let parts = 0;
    for (const { channel } of session.subscriptions?.values() ?? []) {
      parts += channel.saidPublications - (behind.marks.get(channel)?.publications ?? channel.saidPublications);
    }
    return Math.min(parts, MAX_PARTS) * PART_BYTES;
  }

  /** The most that may wait for the session of what the channel has told. */
  #mostOf(session: Session, channel: ChannelState): number {
    const behind = this.#behind.get(session);
    const mark = behind?.marks.get(channel);
    if (behind === undefined || mark === undefined) return channel.saidBytes;
    return behind.bytes + channel.saidBytes - mark.bytes;
  }

  #look(): void {
    this.#isLooking = false;
    // Each round counts everybody anew: what one had to itself is free now, what others wait for too is not.
    let retained = Math.min(this.#countedForEach(), this.#maxBytes + 1);
    if (retained > this.#maxBytes) retained = this.retainedBytes();
    if (retained > this.#maxBytes) {
      const mostBytes = this.#maxBytes * (1 - FREE_SHARE);
      while (retained > mostBytes && this.#cut(retained - mostBytes)) retained = this.retainedBytes();
    }
    this.#allowance = Math.max(this.#maxBytes - retained, this.#maxBytes * FREE_SHARE) / 2;
  }

  /** Ends the sessions with the largest queues, until these were this large together. False: nothing waits for anybody. */
  #cut(bytes: number): boolean {
    const largest = [...this.#sessions].filter((session) => session.queue.bytes > 0);
    largest.sort((one, other) => this.#sizeOf(other) - this.#sizeOf(one));
    let cut = 0;
    for (const session of largest) {
      if (cut >= bytes) break;
      cut += this.#sizeOf(session);
      this.#counters.budgetCuts++;
      session.disconnect(DISCONNECTS.slow);
    }
    return largest.length > 0;
  }
}
