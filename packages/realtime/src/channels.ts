import { type ClientInfo, type LocalDelivery, PolywireError, type Publication } from "@polywire/core";
import type { ChannelSettings } from "./channel-rules.ts";
import { ChannelState } from "./channel-state.ts";
import { ERRORS } from "./codes.ts";
import type { HubParts } from "./hub-parts.ts";
import type { NamePattern } from "./name-pattern.ts";

const NOBODY: LocalDelivery = { matched: 0, queued: 0, dropped: 0 };

/** Most channels that are listed. */
const MAX_LISTED = 10_000;

/** A channel that somebody is subscribed to. */
export interface ActiveChannel {
  readonly name: string;
  /** Subscriptions of clients. */
  readonly clients: number;
}

/** The channels that somebody on this process is subscribed to. */
export class Channels {
  readonly #states = new Map<string, ChannelState>();
  #parts: HubParts | undefined = undefined;
  #lastId = 0;

  /** Called once, with the parts of the hub that this is one of. */
  connect(parts: HubParts): void {
    this.#parts = parts;
  }

  get count(): number {
    return this.#states.size;
  }

  [Symbol.iterator](): IterableIterator<ChannelState> {
    return this.#states.values();
  }

  /**
   * The channels with subscribers whose names fit.
   *
   * @throws PolywireError `limit-reached` for more than 10,000 of them.
   */
  active(pattern: NamePattern): ActiveChannel[] {
    const active: ActiveChannel[] = [];
    for (const { name, subscribers } of this.#states.values()) {
      if (subscribers.length === 0 || !pattern.matches(name)) continue;
      if (active.length === MAX_LISTED) {
        const message = `more than ${MAX_LISTED} channels fit "${pattern.text}": give a narrower pattern`;
        throw new PolywireError("limit-reached", message, { cause: ERRORS.limitExceeded });
      }
      active.push({ name, clients: subscribers.length });
    }
    return active;
  }

  get(name: string): ChannelState | undefined {
    return this.#states.get(name);
  }

  /** What the rules say of a channel; `undefined` when no rule covers it. */
  settingsOf(name: string): ChannelSettings | undefined {
    const state = this.#states.get(name);
    return state?.isCovered === true ? state.settings : this.#hub.rules.find(name);
  }

  /** The channel's state, made when there is none. Who does not claim it must `forget` it. */
  obtain(name: string, settings: ChannelSettings): ChannelState {
    let state = this.#states.get(name);
    if (state === undefined) {
      state = new ChannelState(name, ++this.#lastId, { settings, parts: this.#hub });
      this.#states.set(name, state);
    }
    return state;
  }

  forget(state: ChannelState): void {
    if (this.#states.get(state.name) !== state) return;
    this.#states.delete(state.name);
    this.#hub.wheel.cancel(state);
  }

  publication(name: string, publication: Publication, epoch: string | undefined): LocalDelivery {
    const { counters } = this.#hub;
    counters.publications++;
    const state = this.#states.get(name);
    if (state === undefined) return NOBODY;
    const delivery = state.publication(publication, epoch);
    counters.deliveriesQueued += delivery.queued;
    counters.deliveriesDropped += delivery.dropped;
    return delivery;
  }

  membership(name: string, kind: "join" | "leave", info: ClientInfo): void {
    this.#hub.counters.memberships++;
    this.#states.get(name)?.membership(kind, info);
  }

  /** A call of the broker for this channel failed. */
  failed(call: string, name: string, error: PolywireError): void {
    this.#hub.counters.brokerFailures++;
    this.#hub.journal.brokerFailed(call, name, error);
  }

  get #hub(): HubParts {
    return this.#parts as HubParts;
  }
}
