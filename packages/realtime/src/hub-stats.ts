import type { Counters } from "./counters.ts";
import type { HubParts } from "./hub-parts.ts";

/** Gauges of now, and counters from the hub's start on. All are plain numbers. */
export interface HubStats extends Readonly<Counters> {
  /** Sessions now, connected or not yet. */
  readonly sessions: number;
  readonly sessionsConnected: number;
  /** Users with a name that have a session. */
  readonly users: number;
  /** Channels that somebody on this process is subscribed to. */
  readonly channels: number;
  /** Sessions in channels, those under way included. */
  readonly subscriptions: number;
  /** Commands of all clients that wait for their answers. */
  readonly commandsInFlight: number;
  /** Data that came with them, in bytes. */
  readonly bytesInFlight: number;
  /** Bytes on their way to all clients, and to the client that is furthest behind. */
  readonly bufferedBytes: number;
  readonly largestBufferedBytes: number;
  /** About how much memory they take: what several clients wait for counts once. */
  readonly retainedBytes: number;
}

export function collectStats({ sessions, channels, counters, outbound }: HubParts): HubStats {
  let sessionsConnected = 0;
  let subscriptions = 0;
  let commandsInFlight = 0;
  let bytesInFlight = 0;
  let bufferedBytes = 0;
  let largestBufferedBytes = 0;
  for (const session of sessions) {
    if (session.stage === "connected") sessionsConnected++;
    subscriptions += session.subscriptions?.size ?? 0;
    commandsInFlight += session.commandsInFlight;
    bytesInFlight += session.bytesInFlight;
    const bytes = session.queue.bytes;
    bufferedBytes += bytes;
    largestBufferedBytes = Math.max(largestBufferedBytes, bytes);
  }
  return {
    sessions: sessions.count,
    sessionsConnected,
    users: sessions.userCount,
    channels: channels.count,
    subscriptions,
    commandsInFlight,
    bytesInFlight,
    bufferedBytes,
    largestBufferedBytes,
    retainedBytes: outbound.retainedBytes(),
    ...counters,
  };
}
