import type { Timer } from "../contract/clock.ts";
import type { CloseInfo } from "../contract/close.ts";
import type { PolywireError } from "../contract/error.ts";
import type { Link, Sink } from "../contract/link.ts";
import type { Payload } from "../contract/payload.ts";
import { Holding, type HoldingOwner } from "./holding.ts";

/**
 * - `offered`: about to be lent, or to be idle.
 * - `settling`: given back just now; what was on its way to the last holder shows itself now.
 * - `closing`: evicted, and not gone yet.
 */
export type MemberState = "offered" | "idle" | "settling" | "verifying" | "leased" | "closing";

export interface MemberOwner {
  readonly lender: object;
  givenBack(member: Member, holding: Holding): void;
  holderThrew(error: PolywireError): void;
  /** Something came that nobody is there for: a message, or the peer's end. */
  spoke(member: Member, isEnd: boolean): void;
  gone(member: Member, info: CloseInfo): void;
}

/** One link of a pool, opened once for its whole life: it hears everything, and passes on to the holder what is his. */
export class Member implements Sink, HoldingOwner {
  readonly link: Link;
  readonly #owner: MemberOwner;
  state: MemberState = "offered";
  holding: Holding | undefined = undefined;
  uses = 0;
  idleSinceMs = 0;
  /** Past its lifetime. */
  isExpired = false;
  lifetime: Timer | undefined = undefined;

  constructor(link: Link, owner: MemberOwner) {
    this.link = link;
    this.#owner = owner;
  }

  get lender(): object {
    return this.#owner.lender;
  }

  /** Lends the link: nothing is read any more before the borrower opens it. */
  lend(nowMs: number): Holding {
    this.link.pause();
    this.state = "leased";
    this.uses++;
    this.holding = new Holding(this.link, this, nowMs);
    return this.holding;
  }

  // From the holding.

  givenBack(holding: Holding): void {
    this.#owner.givenBack(this, holding);
  }

  holderThrew(error: PolywireError): void {
    this.#owner.holderThrew(error);
  }

  // From the link.

  message(payload: Payload): void {
    if (this.holding !== undefined) this.holding.message(payload);
    else this.#owner.spoke(this, false);
  }

  drain(): void {
    this.holding?.drain();
  }

  ended(): void | false {
    if (this.holding !== undefined) return this.holding.ended();
    this.#owner.spoke(this, true);
    return false;
  }

  closed(info: CloseInfo): void {
    this.#owner.gone(this, info);
  }
}
