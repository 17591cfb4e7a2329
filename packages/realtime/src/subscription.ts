import type { ClientInfo, Publication } from "@polywire/core";
import type { ChannelState } from "./channel-state.ts";
import { DISCONNECTS, UNSUBSCRIBES, type Unsubscribe } from "./codes.ts";
import { Expiry } from "./expiry.ts";
import { HeldPublications } from "./held-publications.ts";
import type { SubscriptionFeatures } from "./options.ts";
import { EVENT_FORM, type MembershipEvent, type PublicationEvent } from "./outlet.ts";
import { judge } from "./position-gate.ts";
import type { Session } from "./session.ts";
import type { TagsFilter } from "./tags-filter.ts";

/** What became of a live publication: it was, or will be, told; it was lost to the client; the client does not want it. */
export type Taken = "queued" | "dropped" | "filtered";

const AS_THE_RULE_SAYS: SubscriptionFeatures = {};

const NO_TAGS: ReadonlyMap<string, string> = new Map();

/** What waits for a subscribe under way: commands about the same channel, in order. */
export interface Afterwards {
  readonly commands: (() => void)[];
  /** Ends the wait of a command that has waited long enough. */
  readonly cancelDeadline: () => void;
}

/**
 * One session in one channel. It holds the channel from its construction to its `end`, and is the subscriber's side of
 * the position gate.
 */
export class Subscription {
  readonly session: Session;
  readonly channel: ChannelState;
  /** Made by the server: it ends with the session rather than alone when something was missed. */
  readonly isServerSide: boolean;
  /** `starting`: not answered yet, so nothing may be told. `live`: everything is told. `ended`: nothing any more. */
  stage: "starting" | "live" | "ended" = "starting";
  /** The place in the channel's list of subscribers; -1 when it is not there. */
  index = -1;
  isPositioned = false;
  isRecoverable = false;
  /** What the client has; kept where `isPositioned`. */
  offset = 0;
  epoch = "";
  filter: TagsFilter | undefined = undefined;
  /** How events are told, as a sum of `EVENT_FORM`s. */
  form = 0;
  /** The publication that the client was told last, which the next may be a patch of; kept where there are deltas. */
  #base: Publication | undefined = undefined;
  info: ClientInfo;
  isPresent = false;
  /** The client may be in the channel because it was given the capability. */
  isByCapability = false;
  features: SubscriptionFeatures = AS_THE_RULE_SAYS;
  /** Its time is limited. */
  expiry: Expiry | undefined = undefined;
  isJoinTold = false;
  held: HeldPublications | undefined = undefined;
  afterwards: Afterwards | undefined = undefined;

  constructor(session: Session, channel: ChannelState, { isServerSide }: { readonly isServerSide: boolean }) {
    this.session = session;
    this.channel = channel;
    this.isServerSide = isServerSide;
    this.info = session.info;
    channel.claim();
  }

  /** Whether the client asked for it. */
  wants({ tags = NO_TAGS }: Publication): boolean {
    return this.filter === undefined || this.filter(tags);
  }

  /** @param maySkip the channel's rule lets a client that is behind miss something: asked once for all subscribers. */
  take(event: PublicationEvent, epoch: string | undefined, maySkip: boolean): Taken {
    if (this.stage !== "live") return this.#hold(event, epoch) ? "queued" : "dropped";
    const { offset } = event.publication;
    if (this.isPositioned && offset !== undefined) {
      const verdict = judge(this, offset, epoch);
      if (verdict === "drop") return "queued";
      if (verdict === "insufficient") {
        this.session.missedSomething(this);
        return "dropped";
      }
      // What the client does not want moves it on all the same: that is no gap.
      this.offset = offset;
      this.epoch = epoch ?? "";
    }
    if (!this.wants(event.publication)) return "filtered";
    if (maySkip) return this.#offer(event);
    return this.session.tell(event, this.#formFor(event)) ? "queued" : "dropped";
  }

  /** Tells the client now what it can do without. */
  tellOrSkip(event: PublicationEvent): Taken {
    if (this.session.tellOrSkip(event, this.#formFor(event))) return "queued";
    // What it was not told is nothing to make a patch from.
    this.#base = undefined;
    return this.#skipped();
  }

  /** Takes a join or leave. Those that come before the subscription is live are in the presence that a client reads. */
  takeMembership(event: MembershipEvent): void {
    if (this.stage !== "live" || this.features.hearsJoinLeave === false) return;
    this.session.tell(event, this.form & EVENT_FORM.compact);
  }

  /** The client knows of its subscription: tells it what was held back, then the others that it is there. */
  goLive(): void {
    if (this.stage !== "starting") return;
    this.stage = "live";
    const { held } = this;
    this.held = undefined;
    if (held !== undefined) {
      for (const { event, epoch } of held.entries) {
        if (this.#isLive()) this.take(event, epoch, this.channel.maySkip);
      }
    }
    if (this.#isLive() && this.features.joinLeave !== false) this.channel.tellJoin(this);
  }

  /** What others are told of the client in this channel. */
  describe(channelInfo: Uint8Array | undefined): void {
    const { info } = this.session;
    this.info = channelInfo === undefined ? info : { ...info, channelInfo };
  }

  /** It lasts so long from now on. Then whoever `refresh` asks may prolong it; without one the client has a grace to do so. */
  limit(ttlMs: number | undefined, refresh?: () => void): void {
    if (ttlMs === undefined) return;
    const { parts } = this.session;
    this.expiry =
      refresh === undefined
        ? new Expiry(parts, ttlMs, () => this.expired())
        : new Expiry(parts, ttlMs, refresh, { hasGrace: false });
  }

  /** Its time is over, and nobody has prolonged it. */
  expired(): void {
    this.session.parts.counters.subscriptionsExpired++;
    if (this.isServerSide) this.session.disconnect(DISCONNECTS.subscriptionExpired);
    else this.endByServer(UNSUBSCRIBES.subscriptionExpired);
  }

  /** Leaves the channel; nothing is told any more. Idempotent. */
  end(): void {
    if (this.stage === "ended") return;
    this.stage = "ended";
    this.expiry?.cancel();
    this.held = undefined;
    this.session.subscriptions?.delete(this.channel.name);
    this.session.queue.forget(this);
    this.channel.leave(this);
  }

  /** Ends, and tells the client why. */
  endByServer(unsubscribe: Unsubscribe): void {
    if (this.stage === "ended") return;
    this.end();
    this.session.outlet.unsubscribed(this.channel.name, unsubscribe);
  }

  /** What a client that is behind need not be told, or not yet. */
  #offer(event: PublicationEvent): Taken {
    const { queue } = this.session;
    const { overflow, overflowKey } = this.channel.settings;
    if (!queue.isBehind) return this.tellOrSkip(event);
    if (overflow === "drop-newest") return this.#skipped();
    if (overflow === "drop-oldest") return queue.backlog.hold(this, event) ? "queued" : "dropped";
    const { tags = NO_TAGS } = event.publication;
    const key = overflowKey === undefined ? "" : (tags.get(overflowKey) ?? "");
    return queue.backlog.hold(this, event, key) ? "queued" : "dropped";
  }

  #skipped(): "dropped" {
    const { counters } = this.session.parts;
    const { overflow } = this.channel.settings;
    if (overflow === "drop-oldest") counters.overflowDropOldest++;
    else if (overflow === "drop-newest") counters.overflowDropNewest++;
    else counters.overflowKeepLatest++;
    return "dropped";
  }

  #formFor(event: PublicationEvent): number {
    return (this.form & EVENT_FORM.delta) === 0 ? this.form : this.#patchForm(event);
  }

  /** A patch is for whom was told the very publication that it is made from, whatever was left out in between. */
  #patchForm({ publication, previous }: PublicationEvent): number {
    const isPatch = previous !== undefined && previous === this.#base;
    this.#base = publication;
    return isPatch ? this.form | EVENT_FORM.patch : this.form;
  }

  #isLive(): boolean {
    return this.stage === "live";
  }

  #hold(event: PublicationEvent, epoch: string | undefined): boolean {
    if (this.stage === "ended") return false;
    this.held ??= new HeldPublications(this.session.answerBytes);
    this.session.parts.counters.heldForgotten += this.held.add(event, epoch);
    return true;
  }
}
