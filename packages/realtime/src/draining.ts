import { DISCONNECTS } from "./codes.ts";
import type { HubParts } from "./hub-parts.ts";
import type { Session } from "./session.ts";

/** Between two batches of sessions that are ended. */
const BATCH_INTERVAL_MS = 100;

/**
 * Ends every session with `shutdown`, a batch at a time; those left when the signal fires end at once.
 *
 * What a volatile broker keeps is gone with this process, so nobody who is told to come back could recover it: then no
 * publication is taken any more, and those under way are told to everybody before the first session ends. So whatever was
 * acknowledged has been told to all who were subscribed.
 */
export function drainSessions(parts: HubParts, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let timer = { cancel(): void {} };
    let batchSize = 0;
    const endBatch = (): void => {
      const { sessions, clock } = parts;
      for (const session of firstOf(sessions, signal.aborted ? sessions.count : batchSize)) {
        session.disconnect(DISCONNECTS.shutdown);
      }
      if (sessions.count > 0) {
        timer = clock.setTimer(endBatch, BATCH_INTERVAL_MS);
        return;
      }
      signal.removeEventListener("abort", hurry);
      resolve();
    };
    const begin = (): void => {
      if (signal.aborted) return;
      batchSize = batchSizeOf(parts);
      endBatch();
    };
    const hurry = (): void => {
      timer.cancel();
      endBatch();
    };
    signal.addEventListener("abort", hurry, { once: true });
    if (signal.aborted) hurry();
    else if (parts.broker.isVolatile === true) parts.publishGate.close(begin);
    else begin();
  });
}

function batchSizeOf({ sessions, settings }: HubParts): number {
  const { sessionsPerSecond, spreadMs } = settings.draining;
  const perBatch = (sessionsPerSecond * BATCH_INTERVAL_MS) / 1_000;
  return Math.ceil(Math.max(perBatch, (sessions.count * BATCH_INTERVAL_MS) / spreadMs));
}

function firstOf(sessions: Iterable<Session>, count: number): Session[] {
  const first: Session[] = [];
  for (const session of sessions) {
    if (first.length === count) break;
    first.push(session);
  }
  return first;
}
