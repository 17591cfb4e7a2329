import type { ChannelState } from "./channel-state.ts";
import type { HubParts } from "./hub-parts.ts";
import type { Subscription } from "./subscription.ts";

/** How long an entry lasts without renewal: three renewals, one of which may fail. */
export const PRESENCE_TTL_MS = 60_000;

/** Renews the leases of everyone who is in the channel through this process. */
export function keepPresent(channel: ChannelState, parts: HubParts): void {
  for (const { isPresent, info } of channel.subscribers) {
    if (!isPresent) continue;
    parts.broker.presence.put(channel.name, info, PRESENCE_TTL_MS, (error) => {
      if (error !== undefined) parts.channels.failed("presence put", channel.name, error);
    });
  }
}

export function removePresence(channel: ChannelState, { info }: Subscription, parts: HubParts): void {
  parts.broker.presence.remove(channel.name, info.client, (error) => {
    if (error !== undefined) parts.channels.failed("presence remove", channel.name, error);
  });
}
