import { Capabilities } from "./capabilities.ts";
import type { Action, Authenticated } from "./options.ts";

/** What most clients have: shared, so that it costs none of them anything. */
const NOTHING: Capabilities = new Capabilities([]);
const NO_CHANNELS: ReadonlySet<string> = new Set();

/** What a program said of a client beyond who it is. Most clients have none. */
export class Terms {
  /** What was said last. */
  readonly verdict: Authenticated;
  readonly #capabilities: Capabilities;
  readonly #channels: ReadonlySet<string>;

  constructor(verdict: Authenticated) {
    this.verdict = verdict;
    this.#capabilities = verdict.capabilities === undefined ? NOTHING : new Capabilities(verdict.capabilities);
    this.#channels = serverChannels(verdict);
  }

  get meta(): unknown {
    return this.verdict.meta;
  }

  /** Whether the client may do so, whatever the channel's rule says. */
  allow(action: Action, channel: string): boolean {
    return this.#capabilities.allow(action, channel);
  }

  /** Whether the server subscribes the client to the very channels that it was subscribed to when it connected. */
  keepsChannels(verdict: Authenticated): boolean {
    const channels = serverChannels(verdict);
    return channels.size === this.#channels.size && [...channels].every((name) => this.#channels.has(name));
  }
}

export function termsOf(verdict: Authenticated): Terms | undefined {
  const { meta, capabilities, ttlMs } = verdict;
  return meta === undefined && capabilities === undefined && ttlMs === undefined ? undefined : new Terms(verdict);
}

/** The channels that the program wants the client to be in. */
export function serverChannels({ channels = [], subscriptions }: Authenticated): ReadonlySet<string> {
  if (channels.length === 0 && subscriptions === undefined) return NO_CHANNELS;
  return new Set([...channels, ...(subscriptions?.keys() ?? [])]);
}
