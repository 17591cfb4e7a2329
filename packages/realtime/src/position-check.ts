import type { Position } from "@polywire/core";
import type { ChannelState } from "./channel-state.ts";
import type { HubParts } from "./hub-parts.ts";
import type { Subscription } from "./subscription.ts";
import type { WheelEntry, WheelPlace } from "./timer-wheel.ts";

/** How long a publication may be on its way from the stream's top to us before it counts as lost. */
const GRACE_MS = 5_000;

/**
 * Notices lost publications without traffic: compares where the subscribers of a channel are with the top of its stream,
 * read once for all of them. Those who are behind get a moment for what is on its way.
 */
export class PositionCheck implements WheelEntry {
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #channel: ChannelState;
  readonly #parts: HubParts;
  #isRunning = false;
  #top: Position = { offset: 0, epoch: "" };
  #behind: Subscription[] = [];

  constructor(channel: ChannelState, parts: HubParts) {
    this.#channel = channel;
    this.#parts = parts;
  }

  start(): void {
    const { name, settings, subscribers } = this.#channel;
    const { stream } = settings;
    if (this.#isRunning || stream === undefined || !subscribers.some(({ isPositioned }) => isPositioned)) return;
    this.#isRunning = true;
    const request = { limit: 0, maxBytes: 0, sinceOffset: undefined, isReverse: false, metaTtlMs: stream.metaTtlMs };
    this.#parts.broker.streams.history(name, request, (error, page) => {
      if (page === undefined) {
        this.#isRunning = false;
        if (error !== undefined) this.#parts.channels.failed("history", name, error);
        return;
      }
      this.#compare(page.position);
    });
  }

  /** The wheel's call: those who are still behind have missed something. */
  due(): void {
    this.#isRunning = false;
    const behind = this.#behind;
    this.#behind = [];
    for (const subscription of behind) {
      if (isBehind(subscription, this.#top)) subscription.session.missedSomething(subscription);
    }
  }

  #compare(top: Position): void {
    this.#top = top;
    this.#behind = this.#channel.subscribers.filter((subscription) => isBehind(subscription, top));
    if (this.#behind.length === 0) this.#isRunning = false;
    else this.#parts.wheel.schedule(this, GRACE_MS);
  }
}

function isBehind(subscription: Subscription, top: Position): boolean {
  if (subscription.stage !== "live" || !subscription.isPositioned) return false;
  return subscription.epoch !== top.epoch || subscription.offset < top.offset;
}
