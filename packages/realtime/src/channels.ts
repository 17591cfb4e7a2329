import type { ClientInfo, LocalDelivery, PolywireError, Publication } from "@polywire/core";
import type { ChannelSettings } from "./channel-rules.ts";
import { ChannelState } from "./channel-state.ts";
import type { HubParts } from "./hub-parts.ts";

const NOBODY: LocalDelivery = { matched: 0, queued: 0, dropped: 0 };

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
