import type { PolywireError, Position, Publication } from "@polywire/core";
import type { StreamPage } from "./broker.ts";
import type { FeedWaiter } from "./channel-state.ts";
import { EVENT_FORM } from "./outlet.ts";
import { PRESENCE_TTL_MS } from "./presence-lease.ts";
import { isComplete, merge } from "./recovery.ts";
import type { SubscribeResult } from "./requests.ts";
import type { Subscription } from "./subscription.ts";
import { wireBytes } from "./wire-size.ts";

/** What a subscriber asks for beyond live publications. */
export interface SubscribeWish {
  readonly positioned: boolean;
  readonly recoverable: boolean;
  /** Everything after this is to be recovered. */
  readonly since: Position | undefined;
  readonly data: Uint8Array | undefined;
}

export const NO_WISH: SubscribeWish = { positioned: false, recoverable: false, since: undefined, data: undefined };

const NOWHERE: Position = { offset: 0, epoch: "" };

/** Called once: with an error, or when `finish` can say how it went. Never after the subscription's end. */
export type Ready = (error: PolywireError | undefined) => void;

/** A publication between the stream and us was lost while we were subscribing. */
export const HOLE: unique symbol = Symbol("hole");

/**
 * A subscribe under way: opens the channel, then reads the stream and enters presence, all by callbacks that come in any
 * order. Live publications are held back meanwhile.
 */
export class Subscribing implements FeedWaiter {
  readonly subscription: Subscription;
  readonly #wish: SubscribeWish;
  readonly #ready: Ready;
  #page: StreamPage | undefined = undefined;
  #recoveredBytes = 0;
  #waits = 0;
  #isOver = false;

  constructor(subscription: Subscription, wish: SubscribeWish, ready: Ready) {
    this.subscription = subscription;
    this.#wish = wish;
    this.#ready = ready;
    const { stream, hasHistory, isRecoverable, isPositioned, overflow } = subscription.channel.settings;
    const { features } = subscription;
    const { recovery = isRecoverable || wish.recoverable, positioning = isPositioned || wish.positioned } = features;
    // Who may read the history of a channel may also have its position kept: reading is every subscriber's right. But where
    // publications may be dropped, a position would only lead to the end of the subscription.
    const maySkip = overflow !== "disconnect";
    subscription.isRecoverable = hasHistory && !maySkip && recovery;
    subscription.isPositioned = subscription.isRecoverable || (stream !== undefined && !maySkip && positioning);
  }

  /** About how many bytes `finish` gave to recover. */
  get recoveredBytes(): number {
    return this.#recoveredBytes;
  }

  start(): void {
    this.subscription.channel.whenOpen(this);
  }

  feedOpened(error: PolywireError | undefined): void {
    const { subscription } = this;
    if (subscription.stage === "ended") return;
    if (error !== undefined) return this.#end(error);
    subscription.channel.add(subscription);
    this.#waits = 1;
    this.#readStream();
    this.#enterPresence();
    this.#settle(undefined);
  }

  /**
   * What the subscriber is told, as of now. Whoever calls must tell it before anything else happens, then let the
   * subscription go live. {@link HOLE} means that there is nothing right to tell.
   *
   * @param maxBytes what the client's queue has room for.
   */
  finish(maxBytes: number = this.subscription.session.answerBytes): SubscribeResult | typeof HOLE {
    const { subscription } = this;
    const { since, data } = this.#wish;
    const told = {
      isRecoverable: subscription.isRecoverable,
      isPositioned: subscription.isPositioned,
      wasRecovering: since !== undefined || subscription.channel.settings.isCache,
      ...(data === undefined ? {} : { data }),
      ...((subscription.form & EVENT_FORM.delta) === 0 ? {} : { isDelta: true }),
      ...((subscription.form & EVENT_FORM.compact) === 0 ? {} : { channelId: subscription.channel.id }),
    };
    const page = this.#page;
    if (page === undefined) return { ...told, isRecovered: false, publications: [] };
    const { position: top } = page;
    subscription.epoch = top.epoch;
    if (subscription.channel.settings.isCache) return { ...told, ...this.#cached(page, maxBytes) };
    if (since !== undefined && this.#canRecover(since, page)) {
      const publications = merge(top.offset, page.publications, this.#heldSince(top));
      if (publications === undefined) return HOLE;
      const wanted = publications.filter((publication) => subscription.wants(publication));
      const bytes = wireBytes(wanted);
      if (bytes <= maxBytes) {
        this.#recoveredBytes = bytes;
        subscription.offset = publications.at(-1)?.offset ?? top.offset;
        return {
          ...told,
          isRecovered: true,
          publications: wanted,
          position: { offset: since.offset, epoch: top.epoch },
        };
      }
    }
    subscription.offset = this.#startOffset(top, since !== undefined);
    const position = { offset: subscription.offset, epoch: top.epoch };
    return { ...told, isRecovered: false, publications: [], position };
  }

  /** The latest publication, or nothing for a client that has it: who asks for the newest has not missed what was before. */
  #cached(
    { publications: [read], position: top }: StreamPage,
    maxBytes: number,
  ): Pick<SubscribeResult, "isRecovered" | "publications" | "position"> {
    const { subscription } = this;
    const { since = NOWHERE } = this.#wish;
    const live = this.#heldSince(top).findLast(
      ({ offset = 0 }) => offset > top.offset && offset < Number.POSITIVE_INFINITY,
    );
    const latest = live ?? read;
    const offset = live?.offset ?? top.offset;
    subscription.offset = offset;
    const hasIt = since.offset > 0 && since.offset === offset && since.epoch === top.epoch;
    const publications = hasIt || latest === undefined || !subscription.wants(latest) ? [] : [latest];
    const isHere = latest === undefined ? hasIt : latest.offset === offset;
    const bytes = wireBytes(publications);
    if (!isHere || bytes > maxBytes) {
      return { isRecovered: false, publications: [], position: { offset, epoch: top.epoch } };
    }
    this.#recoveredBytes = bytes;
    return { isRecovered: true, publications, position: { offset: since.offset, epoch: top.epoch } };
  }

  #readStream(): void {
    const { subscription } = this;
    const { channel, session } = subscription;
    const { stream, isCache } = channel.settings;
    if (!subscription.isPositioned || stream === undefined) return;
    this.#waits++;
    const { since } = this.#wish;
    const isRecovering = since !== undefined && subscription.isRecoverable;
    const request = {
      limit: isCache ? 1 : isRecovering ? session.parts.settings.limits.recoverySize : 0,
      maxBytes: session.answerBytes,
      sinceOffset: isRecovering && !isCache ? since.offset : undefined,
      isReverse: isCache,
      metaTtlMs: stream.metaTtlMs,
    };
    session.parts.broker.streams.history(channel.name, request, (error, page) => {
      this.#page = page;
      this.#settle(error);
    });
  }

  #enterPresence(): void {
    const { subscription } = this;
    const { channel, session, info } = subscription;
    if (!channel.settings.hasPresence || subscription.features.presence === false) return;
    this.#waits++;
    subscription.isPresent = true;
    session.parts.broker.presence.put(channel.name, info, PRESENCE_TTL_MS, (error) => this.#settle(error));
  }

  #settle(error: PolywireError | undefined): void {
    this.#waits--;
    if (this.#isOver || this.subscription.stage === "ended") return;
    if (error !== undefined) return this.#end(error);
    if (this.#waits > 0) return;
    this.#isOver = true;
    this.#ready(undefined);
  }

  #end(error: PolywireError): void {
    this.#isOver = true;
    const { session, channel } = this.subscription;
    session.parts.channels.failed("subscribe", channel.name, error);
    this.#ready(error);
  }

  #canRecover(since: Position, page: StreamPage): boolean {
    const { isRecoverable, held } = this.subscription;
    return isRecoverable && held?.skippedTo === undefined && isComplete(since, page);
  }

  /** What came live in the meantime. One of another epoch is no successor of what was read: it counts as a hole. */
  #heldSince(top: Position): Publication[] {
    const live: Publication[] = [];
    for (const { event, epoch } of this.subscription.held?.entries ?? []) {
      const { publication } = event;
      if (publication.offset === undefined) continue;
      live.push(epoch === top.epoch ? publication : { ...publication, offset: Number.POSITIVE_INFINITY });
    }
    return live;
  }

  /** The stream's top, or where the client starts instead: what it has not got by then it is told that it missed. */
  #startOffset(top: Position, isUnrecovered: boolean): number {
    const { held } = this.subscription;
    if (held === undefined) return top.offset;
    const { skippedTo } = held;
    let offset = skippedTo?.epoch === top.epoch ? Math.max(top.offset, skippedTo.offset) : top.offset;
    if (!isUnrecovered) return offset;
    for (const { event, epoch } of held.entries) {
      if (epoch === top.epoch) offset = Math.max(offset, event.publication.offset ?? 0);
    }
    return offset;
  }
}
