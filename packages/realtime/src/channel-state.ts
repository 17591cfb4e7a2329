import type { ClientInfo, LocalDelivery, Publication } from "@polywire/core";
import { PolywireError } from "@polywire/core";
import type { ChannelSettings } from "./channel-rules.ts";
import type { HubParts } from "./hub-parts.ts";
import type { MembershipEvent, PublicationEvent } from "./outlet.ts";
import { PositionCheck } from "./position-check.ts";
import { keepPresent, removePresence } from "./presence-lease.ts";
import type { Subscription } from "./subscription.ts";
import type { WheelEntry, WheelPlace } from "./timer-wheel.ts";
import { wireBytesOf } from "./wire-size.ts";

/** How often leases of presence are renewed; every second time positions are compared with the stream's top. */
const UPKEEP_INTERVAL_MS = 20_000;

/** Between attempts to hear of a channel that listeners of this process wait for. */
const FEED_RETRY_MS = 5_000;

/** Waits until this process hears of what happens in a channel. */
export interface FeedWaiter {
  feedOpened(error: PolywireError | undefined): void;
}

export type PublicationListener = (publication: Publication) => void;

/**
 * A channel on this process: who is subscribed here, and whether the broker tells us of it. It lives as long as somebody
 * has claimed it or the broker's answer is awaited.
 */
export class ChannelState implements WheelEntry {
  readonly name: string;
  /** Stands for the name; never given to another channel of the hub, nor to this one again. */
  readonly id: number;
  /** Those of the rule that covers the channel, or that did. */
  settings: ChannelSettings;
  /** False when the hub was given other rules, none of which covers the channel: nobody can enter it any more. */
  isCovered = true;
  readonly subscribers: Subscription[] = [];
  /** What subscribers were told from the beginning on. */
  saidBytes = 0;
  saidPublications = 0;
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #parts: HubParts;
  #listeners: readonly PublicationListener[] | undefined = undefined;
  /** Subscriptions, also those under way, and listeners. */
  #claims = 0;
  #feed: "off" | "opening" | "open" | "closing" = "off";
  #waiting: FeedWaiter[] = [];
  /** Subscribers are being told something: those who leave meanwhile are taken off the list afterwards. */
  #isTelling = false;
  #hasLeft = false;
  #isKeptUp = false;
  #upkeeps = 0;
  #positionCheck: PositionCheck | undefined = undefined;
  /** What was told last, where the channel has deltas. */
  #previous: Publication | undefined = undefined;

  constructor(
    name: string,
    id: number,
    { settings, parts }: { readonly settings: ChannelSettings; readonly parts: HubParts },
  ) {
    this.name = name;
    this.id = id;
    this.settings = settings;
    this.#parts = parts;
  }

  /** Clients that are behind may miss something here. */
  get maySkip(): boolean {
    return this.settings.overflow !== "disconnect";
  }

  get isFull(): boolean {
    return this.#claims - (this.#listeners?.length ?? 0) >= this.settings.maxSubscribers;
  }

  claim(): void {
    this.#claims++;
  }

  release(): void {
    this.#claims--;
    if (this.#claims === 0) this.#giveUp();
  }

  /** Calls back once this process hears of the channel: at once if it does already. The caller has claimed the channel. */
  whenOpen(waiter: FeedWaiter): void {
    if (this.#feed === "open") return waiter.feedOpened(undefined);
    this.#waiting.push(waiter);
    if (this.#feed === "off") this.#openFeed();
  }

  /** Adds a subscriber to those who are told; it must wait for {@link whenOpen} before. */
  add(subscription: Subscription): void {
    subscription.index = this.subscribers.length;
    this.subscribers.push(subscription);
    if (this.settings.kind === "system") return this.#parts.system.entered(this.name);
    if (this.#isKeptUp || (this.settings.stream === undefined && !this.settings.hasPresence)) return;
    this.#isKeptUp = true;
    // Spread, for after a restart all channels come back at once.
    this.#parts.wheel.schedule(this, UPKEEP_INTERVAL_MS * (0.5 + this.#parts.random() / 2));
  }

  /** Undoes everything a subscription did to the channel, its claim included. */
  leave(subscription: Subscription): void {
    const { index } = subscription;
    if (index !== -1) {
      subscription.index = -1;
      if (this.#isTelling) this.#hasLeft = true;
      else this.#swapRemove(index);
    }
    if (subscription.isPresent) removePresence(this, subscription, this.#parts);
    if (subscription.isJoinTold) this.#tellMembership("leave", subscription.info);
    this.release();
  }

  tellJoin(subscription: Subscription): void {
    const { joinLeaveMembers } = this.#parts.settings.limits;
    if (!this.settings.tellsJoinLeave || this.subscribers.length > joinLeaveMembers) return;
    subscription.isJoinTold = true;
    this.#tellMembership("join", subscription.info);
  }

  /** Listeners of this process. The returned function removes; calling it again does nothing. */
  listen(listener: PublicationListener): () => void {
    const own: PublicationListener = (publication) => listener(publication);
    this.#listeners = [...(this.#listeners ?? []), own];
    this.claim();
    this.whenOpen({
      feedOpened: (error) => {
        if (error !== undefined) this.#parts.journal.brokerFailed("subscribe", this.name, error);
      },
    });
    return () => {
      const rest = this.#listeners?.filter((other) => other !== own);
      if (rest === undefined || rest.length === this.#listeners?.length) return;
      this.#listeners = rest.length === 0 ? undefined : rest;
      this.release();
    };
  }

  /** Fans a publication out. Nothing here waits, and no subscriber's fault is another's. */
  publication(publication: Publication, epoch: string | undefined): LocalDelivery {
    const { subscribers, name } = this;
    const event: PublicationEvent = {
      kind: "publication",
      channel: name,
      publication,
      previous: this.#previous,
      channelId: this.id,
      epoch: publication.offset === 1 ? epoch : undefined,
    };
    if (this.settings.hasDelta) this.#previous = publication;
    const bytes = wireBytesOf(publication);
    this.saidBytes += bytes;
    this.saidPublications++;
    if (subscribers.length > 0) this.#parts.outbound.said(bytes);
    const { maySkip } = this;
    let matched = 0;
    let queued = 0;
    this.#isTelling = true;
    const count = subscribers.length;
    for (let index = 0; index < count; index++) {
      const subscription = subscribers[index] as Subscription;
      if (subscription.index === -1) continue;
      try {
        const taken = subscription.take(event, epoch, maySkip);
        if (taken === "filtered") continue;
        matched++;
        if (taken === "queued") queued++;
      } catch (thrown) {
        matched++;
        subscription.session.failed(thrown);
      }
    }
    this.#told();
    if (this.#listeners !== undefined) this.#tellListeners(this.#listeners, publication);
    return { matched, queued, dropped: matched - queued };
  }

  membership(kind: "join" | "leave", info: ClientInfo): void {
    if (!this.settings.tellsJoinLeave) return;
    const event: MembershipEvent = { kind, channel: this.name, channelId: this.id, info };
    const { subscribers } = this;
    this.#isTelling = true;
    const count = subscribers.length;
    for (let index = 0; index < count; index++) {
      const subscription = subscribers[index] as Subscription;
      if (subscription.index === -1) continue;
      try {
        subscription.takeMembership(event);
      } catch (thrown) {
        subscription.session.failed(thrown);
      }
    }
    this.#told();
  }

  /** The wheel's call: what a channel needs from time to time. */
  due(): void {
    if (this.#feed === "off" && this.#listeners !== undefined) this.#openFeed();
    if (this.subscribers.length === 0) {
      this.#isKeptUp = false;
      return;
    }
    this.#parts.wheel.schedule(this, UPKEEP_INTERVAL_MS);
    this.#upkeeps++;
    if (this.settings.hasPresence) keepPresent(this, this.#parts);
    if (this.settings.stream === undefined || this.#upkeeps % 2 !== 0) return;
    this.#positionCheck ??= new PositionCheck(this, this.#parts);
    this.#positionCheck.start();
  }

  #told(): void {
    this.#isTelling = false;
    if (!this.#hasLeft) return;
    this.#hasLeft = false;
    const { subscribers } = this;
    let kept = 0;
    for (const subscription of subscribers) {
      if (subscription.index === -1) continue;
      subscription.index = kept;
      subscribers[kept++] = subscription;
    }
    subscribers.length = kept;
  }

  #swapRemove(index: number): void {
    const last = this.subscribers.pop() as Subscription;
    if (index === this.subscribers.length) return;
    this.subscribers[index] = last;
    last.index = index;
  }

  #tellListeners(listeners: readonly PublicationListener[], publication: Publication): void {
    const failed = (thrown: unknown): void => {
      this.#parts.counters.hookFailures++;
      const error = PolywireError.from(thrown, "internal", `listener of channel "${this.name}"`);
      this.#parts.journal.write("error", "program code failed", { error });
    };
    for (const listener of listeners) {
      try {
        // Whoever gives an async function may have it reject.
        const told: unknown = listener(publication);
        if (told instanceof Promise) told.catch(failed);
      } catch (thrown) {
        failed(thrown);
      }
    }
  }

  #tellMembership(kind: "join" | "leave", info: ClientInfo): void {
    this.#parts.broker.streams.membership(this.name, kind, info, (error) => {
      if (error !== undefined) this.#parts.channels.failed("membership", this.name, error);
    });
  }

  #giveUp(): void {
    if (this.#feed === "open") this.#closeFeed();
    else if (this.#feed === "off") this.#parts.channels.forget(this);
  }

  #openFeed(): void {
    this.#feed = "opening";
    this.#parts.broker.streams.subscribe(this.name, (error) => {
      this.#feed = error === undefined ? "open" : "off";
      if (error !== undefined) this.#parts.channels.failed("subscribe", this.name, error);
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const waiter of waiting) waiter.feedOpened(error);
      // Subscribers are told of the failure and come back; listeners of this process wait for the next attempt.
      if (error !== undefined && this.#listeners !== undefined) this.#parts.wheel.schedule(this, FEED_RETRY_MS);
      if (this.#claims === 0) this.#giveUp();
    });
  }

  #closeFeed(): void {
    this.#feed = "closing";
    this.#parts.broker.streams.unsubscribe(this.name, (error) => {
      if (error !== undefined) this.#parts.channels.failed("unsubscribe", this.name, error);
      this.#feed = "off";
      if (this.#claims === 0) this.#parts.channels.forget(this);
      else this.#openFeed();
    });
  }
}
