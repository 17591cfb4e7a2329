import { ChannelRules, type ChannelSettings } from "./channel-rules.ts";
import type { ChannelState } from "./channel-state.ts";
import { DISCONNECTS, UNSUBSCRIBES } from "./codes.ts";
import type { HubParts } from "./hub-parts.ts";
import { changedHubSettings, type HubChanges } from "./hub-settings.ts";
import type { Session } from "./session.ts";
import { unsubscribeByServer } from "./unsubscribing.ts";

/** What subscribers were told, or hold, of their channel: they have to subscribe anew where it changes. */
const HELD_BY_SUBSCRIBERS: readonly (keyof ChannelSettings)[] = [
  "kind",
  "data",
  "isRecoverable",
  "isPositioned",
  "isCache",
  "overflow",
  "hasDelta",
  "isCompact",
  "hasTagsFilter",
  "hasPresence",
  "tellsJoinLeave",
];

/**
 * Goes on with other rules, limits and hooks; sessions stay.
 *
 * @throws PolywireError `invalid-argument` naming what is wrong; then nothing has changed.
 */
export function reconfigure(parts: HubParts, changes: HubChanges): void {
  const settings = changedHubSettings(parts.settings, changes);
  const rules = new ChannelRules(settings.channels, settings.limits);
  parts.settings = settings;
  parts.rules = rules;
  const ended = new Set<ChannelState>();
  for (const state of parts.channels) {
    const next = rules.find(state.name);
    if (next === undefined || mustSubscribeAnew(state.settings, next)) ended.add(state);
    state.isCovered = next !== undefined;
    state.settings = next ?? state.settings;
  }
  if (ended.size === 0) return;
  // Lists of their own: whoever is told may subscribe again at once.
  for (const session of Array.from(parts.sessions)) endSubscriptions(session, ended);
}

function mustSubscribeAnew(before: ChannelSettings, after: ChannelSettings): boolean {
  const hadStream = before.stream !== undefined;
  const hasStream = after.stream !== undefined;
  return hadStream !== hasStream || HELD_BY_SUBSCRIBERS.some((name) => before[name] !== after[name]);
}

/** Clients subscribe again at once, by the rules of now; what the server subscribed them to, they get by connecting again. */
function endSubscriptions(session: Session, ended: ReadonlySet<ChannelState>): void {
  for (const { channel, isServerSide } of Array.from(session.subscriptions?.values() ?? [])) {
    if (!ended.has(channel)) continue;
    if (isServerSide) return session.disconnect(DISCONNECTS.forceReconnect);
    unsubscribeByServer(session, channel.name, UNSUBSCRIBES.stateInvalidated);
  }
}
