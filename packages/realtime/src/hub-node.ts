import type { HubParts } from "./hub-parts.ts";

/** One process of a hub, and what it holds now. */
export interface HubNode {
  /** Made anew with every start. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** Sessions that are connected. */
  readonly clients: number;
  /** Users with a name among them. */
  readonly users: number;
  readonly subscriptions: number;
  /** Channels that somebody is subscribed to. */
  readonly channels: number;
  /** Since its construction. */
  readonly uptimeMs: number;
}

export function describeNode(
  { settings, sessions, channels, clock }: HubParts,
  { id, startedAtMs }: { readonly id: string; readonly startedAtMs: number },
): HubNode {
  let clients = 0;
  let subscriptions = 0;
  for (const session of sessions) {
    if (session.stage === "connected") clients++;
    subscriptions += session.subscriptions?.size ?? 0;
  }
  const { nodeName: name, version } = settings;
  const uptimeMs = clock.now() - startedAtMs;
  return { id, name, version, clients, users: sessions.userCount, subscriptions, channels: channels.count, uptimeMs };
}
