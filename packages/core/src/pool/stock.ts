import { discardLink } from "../connection/link-keeper.ts";
import type { CloseInfo } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link, Pingable } from "../contract/link.ts";
import type { HostContext } from "../contract/protocol.ts";
import type { PoolTotals } from "../metrics/pool-counts.ts";
import { type DialLink, PoolDials } from "./dials.ts";
import type { EvictionReason, PoolEvents, PoolStats } from "./figures.ts";
import type { Holding } from "./holding.ts";
import { IdleLinks } from "./idle-links.ts";
import { Member, type MemberOwner } from "./member.ts";
import type { CompletePoolOptions } from "./options.ts";

export interface StockOwner {
  /** Who wait for a link. */
  readonly waiting: number;
  /** A link for the one who waits the longest; there is one. */
  serve(holding: Holding): void;
  /** For the one who waits the longest; false if nobody does. */
  dialFailed(error: PolywireError): boolean;
  evicted(event: PoolEvents["evicted"]): void;
  /** The program's own code threw. */
  holderThrew(error: PolywireError): void;
  /** Closed, and the last link is gone. */
  emptied(): void;
}

export interface StockParts {
  /** The pool. */
  readonly lender: object;
  readonly options: CompletePoolOptions;
  readonly dial: DialLink;
  readonly totals: PoolTotals;
  readonly owner: StockOwner;
}

/** An answer later than this is none: somebody waits for it. */
const VERIFY_TIMEOUT_MS = 2_000;

/**
 * All links of a pool, from the dial to the end. A wait is served by whichever source is first: a link that comes back, one
 * that answers its ping, one that was dialled. There are as many sources under way as there are waits, if `max` lets them.
 */
export class Stock implements MemberOwner {
  readonly lender: object;
  readonly #host: HostContext;
  readonly #options: CompletePoolOptions;
  readonly #owner: StockOwner;
  readonly #totals: PoolTotals;
  readonly #members = new Set<Member>();
  readonly #idle: IdleLinks;
  readonly #dials: PoolDials;
  readonly #evicted: Record<EvictionReason, number> = { idle: 0, lifetime: 0, uses: 0, closed: 0, verify: 0, dirty: 0 };
  #settling = 0;
  #verifying = 0;
  #leased = 0;
  #closing = 0;
  #created = 0;
  #acquired = 0;
  #isOpen = true;

  constructor(host: HostContext, { lender, options, dial, totals, owner }: StockParts) {
    const { clock, random } = host;
    this.lender = lender;
    this.#host = host;
    this.#options = options;
    this.#owner = owner;
    this.#totals = totals;
    this.#idle = new IdleLinks({
      clock,
      options,
      surplus: () => this.#held - options.min,
      idledOut: (member) => this.#evict(member, "idle"),
    });
    this.#dials = new PoolDials({
      clock,
      random,
      dial,
      arrived: (link, durationMs) => this.#arrived(link, durationMs),
      failed: (error) => this.#dialFailed(error),
      rested: () => this.supply(),
    });
  }

  get figures(): Omit<PoolStats, "waiting" | "timedOut"> {
    return {
      open: this.#members.size - this.#closing,
      idle: this.#idle.size + this.#settling,
      leased: this.#leased + this.#verifying,
      dialling: this.#dials.underWay,
      closing: this.#closing,
      created: this.#created,
      acquired: this.#acquired,
      evicted: { ...this.#evicted },
    };
  }

  get lastFailure(): PolywireError | undefined {
    return this.#dials.lastFailure;
  }

  /** What a wait may come from, under way now. */
  get sources(): number {
    return this.#verifying + this.#settling + this.#dials.underWay;
  }

  /** Open, or about to be. */
  get #held(): number {
    return this.#members.size - this.#closing + this.#dials.underWay;
  }

  /** An idle link at once, if there is one that needs no verification. */
  take(): Holding | undefined {
    const member = this.#idle.take();
    if (member === undefined) return undefined;
    if (!this.#isStale(member)) return this.#lend(member);
    this.#verify(member);
    return undefined;
  }

  /** Sees to it that there is a source for each who waits, for `more` who are about to, and for the links that are kept. */
  supply(more: number = 0): void {
    if (!this.#isOpen) return;
    while (this.sources < this.#owner.waiting + more && this.#idle.size > 0) {
      const holding = this.take();
      if (holding !== undefined) this.#owner.serve(holding);
    }
    const { min, max } = this.#options;
    while (this.sources < this.#owner.waiting + more || this.#held < min) {
      if (this.#members.size + this.#dials.underWay >= max) return;
      if (!this.#dials.mayStart) return this.#dials.awaitRest();
      this.#dials.start();
    }
  }

  /** Somebody waits no more. */
  waiterLeft(): void {
    if (this.#owner.waiting === 0 && this.#held >= this.#options.min) this.#dials.forgetRest();
  }

  /** Idle links end, dials are given up; borrowed links end when they come back. */
  close(reason: PolywireError): void {
    this.#isOpen = false;
    this.#dials.abort(reason);
    this.#idle.stop();
    for (const member of this.#members) {
      if (member.state !== "leased" && member.state !== "closing") this.#evict(member, "closed");
    }
    this.#tellIfEmpty();
  }

  cutOff(): void {
    for (const { link } of this.#members) link.close({ discard: true });
  }

  #arrived(link: Link, durationMs: number): void {
    if (!this.#isOpen) {
      discardLink(link);
      return this.#tellIfEmpty();
    }
    const member = new Member(link, this);
    const { maxLifetimeMs } = this.#options;
    try {
      link.open(member);
    } catch (thrown) {
      const error = PolywireError.from(thrown);
      this.#dials.setBack(error);
      return this.#dialFailed(error);
    }
    this.#members.add(member);
    this.#created++;
    this.#totals.created(durationMs);
    if (maxLifetimeMs !== Infinity) {
      const lifetimeMs = maxLifetimeMs * (0.9 + 0.2 * this.#host.random());
      member.lifetime = this.#host.clock.setTimer(() => this.#expired(member), lifetimeMs);
    }
    this.#offer(member);
    this.#idle.watch();
    this.supply();
  }

  #dialFailed(error: PolywireError): void {
    if (!this.#isOpen) return this.#tellIfEmpty();
    if (!this.#owner.dialFailed(error)) this.#host.logger.log("warn", "pool", "dial failed", { error: error.message });
    this.supply();
  }

  #expired(member: Member): void {
    member.isExpired = true;
    if (member.state === "idle") this.#evict(member, "lifetime");
  }

  /** To who waits the longest, or to the idle ones. */
  #offer(member: Member): void {
    member.state = "offered";
    if (member.isExpired) this.#evict(member, "lifetime");
    else if (this.#owner.waiting > 0) this.#owner.serve(this.#lend(member));
    else this.#idle.add(member);
  }

  #lend(member: Member): Holding {
    this.#leased++;
    this.#acquired++;
    this.#dials.succeeded();
    return member.lend(this.#host.clock.now());
  }

  #isStale({ idleSinceMs, link }: Member): boolean {
    if (link.traits.ping === "none") return false;
    return this.#host.clock.now() - idleSinceMs >= this.#options.verifyAfterIdleMs;
  }

  #verify(member: Member): void {
    member.state = "verifying";
    this.#verifying++;
    const answered = (roundTripMs: number | undefined): void => {
      deadline.cancel();
      if (member.state !== "verifying") return;
      if (roundTripMs === undefined) this.#evict(member, "verify");
      else {
        this.#verifying--;
        this.#offer(member);
      }
      this.supply();
    };
    const deadline = this.#host.clock.setTimer(() => answered(undefined), VERIFY_TIMEOUT_MS);
    try {
      (member.link as Link & Pingable).ping(answered);
    } catch {
      // Whatever is wrong with it: who waits gets another.
      answered(undefined);
    }
  }

  // From a member.

  givenBack(member: Member, holding: Holding): void {
    this.#totals.used(this.#host.clock.now() - holding.lentAtMs);
    if (holding.isLost) return;
    // A link that is closing tells its last holder how it ended.
    if (!holding.isClosing) member.holding = undefined;
    const reason = this.#reasonToEvict(member, holding);
    if (reason === undefined) this.#settle(member, holding.wasReading);
    else this.#evict(member, reason);
  }

  #reasonToEvict({ uses, isExpired, link }: Member, holding: Holding): EvictionReason | undefined {
    if (holding.isClosing || !this.#isOpen) return "closed";
    if (holding.isHalf || link.bufferedBytes > 0 || link.refusal === "closed") return "dirty";
    if (uses >= this.#options.maxUses) return "uses";
    return isExpired ? "lifetime" : undefined;
  }

  /**
   * What was on its way to the last holder must not reach the next: nobody has the link before this turn of the event loop
   * is over, in which the rest of what was read shows itself; nor before the next is, if nothing was read until now.
   */
  #settle(member: Member, wasReading: boolean): void {
    this.#leave(member);
    member.state = "settling";
    this.#settling++;
    // First, so that what its wire does at the end of the turn comes before what is done here.
    member.link.resume();
    const { clock } = this.#host;
    const settled = (): void => this.#settled(member);
    clock.endOfTurn(wasReading ? settled : () => clock.endOfTurn(settled));
  }

  #settled(member: Member): void {
    if (member.state !== "settling") return;
    this.#settling--;
    this.#offer(member);
    this.supply();
  }

  holderThrew(error: PolywireError): void {
    this.#owner.holderThrew(error);
  }

  spoke(member: Member, isEnd: boolean): void {
    if (member.state === "closing") return;
    const what = isEnd ? "the peer ended a link" : "something came on a link";
    const error = new PolywireError("protocol-violation", `${what} that nobody had borrowed: it was not lent again`);
    this.#setBackIfUnused(member, error);
    this.#evict(member, isEnd ? "closed" : "dirty", error);
    this.supply();
  }

  gone(member: Member, info: CloseInfo): void {
    const wasClosing = member.state === "closing";
    this.#leave(member);
    this.#members.delete(member);
    member.state = "closing";
    member.lifetime?.cancel();
    if (!wasClosing) {
      this.#countEvicted("closed");
      this.#setBackIfUnused(member, info.error);
    }
    member.holding?.lost(info);
    if (!wasClosing) this.#owner.evicted({ reason: "closed", error: info.error });
    this.supply();
    this.#tellIfEmpty();
  }

  /** A peer that ends links as soon as they are made must not be dialled as fast as it does. */
  #setBackIfUnused({ uses }: Member, error: PolywireError | undefined): void {
    if (uses === 0) this.#dials.setBack(error);
  }

  #evict(member: Member, reason: EvictionReason, error?: PolywireError): void {
    this.#leave(member);
    member.state = "closing";
    member.lifetime?.cancel();
    this.#closing++;
    this.#countEvicted(reason);
    // Who does not answer a ping has no part in a close either.
    member.link.close(reason === "verify" ? { discard: true } : {});
    this.#owner.evicted({ reason, error });
  }

  #countEvicted(reason: EvictionReason): void {
    this.#evicted[reason]++;
    this.#totals.evicted(reason);
  }

  /** It is no longer what it was. */
  #leave(member: Member): void {
    const { state } = member;
    if (state === "idle") this.#idle.remove(member);
    else if (state === "settling") this.#settling--;
    else if (state === "verifying") this.#verifying--;
    else if (state === "leased") this.#leased--;
    else if (state === "closing") this.#closing--;
  }

  #tellIfEmpty(): void {
    if (!this.#isOpen && this.#members.size === 0 && this.#dials.underWay === 0) this.#owner.emptied();
  }
}
