import { DISCONNECTS } from "./codes.ts";
import type { HubParts } from "./hub-parts.ts";
import type { Session } from "./session.ts";

/** Sessions ended at a time, and how long until the next: 500 in a second come back elsewhere without a stampede. */
const BATCH_SIZE = 50;
const BATCH_INTERVAL_MS = 100;

/** Longest that ending all sessions may take; with more of them the batches are larger. */
const MAX_DRAIN_MS = 20_000;

/** Ends every session with `shutdown`, a batch at a time; those left when the signal fires end at once. */
export function drainSessions({ sessions, clock }: HubParts, signal: AbortSignal): Promise<void> {
  const batchSize = Math.max(BATCH_SIZE, Math.ceil((sessions.count * BATCH_INTERVAL_MS) / MAX_DRAIN_MS));
  return new Promise((resolve) => {
    let timer = { cancel(): void {} };
    const endBatch = (): void => {
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
    const hurry = (): void => {
      timer.cancel();
      endBatch();
    };
    signal.addEventListener("abort", hurry, { once: true });
    endBatch();
  });
}

function firstOf(sessions: Iterable<Session>, count: number): Session[] {
  const first: Session[] = [];
  for (const session of sessions) {
    if (first.length === count) break;
    first.push(session);
  }
  return first;
}
