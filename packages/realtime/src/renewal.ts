import { mayEnter } from "./authorizing.ts";
import { DISCONNECTS, ERRORS, UNSUBSCRIBES } from "./codes.ts";
import { limited } from "./expiry.ts";
import type { Authenticated } from "./options.ts";
import type { Answer, RefreshResult } from "./requests.ts";
import type { Session } from "./session.ts";
import { Terms } from "./terms.ts";
import { unsubscribeByServer } from "./unsubscribing.ts";

/** What the program said of the client last, for whoever is asked again. */
export function before({ terms }: Session): { readonly before?: Authenticated } {
  return terms === undefined ? {} : { before: terms.verdict };
}

/** The client may stay. */
export function renew(session: Session, verdict: Authenticated, answer: Answer<RefreshResult>): void {
  const { user, connectionInfo } = verdict;
  if (user !== session.info.user) return session.disconnect(DISCONNECTS.invalidToken);
  const ttlMs = limited(verdict.ttlMs);
  if (ttlMs !== undefined && ttlMs <= 0) return answer(ERRORS.expired, undefined);
  // It comes back, and is in the right channels then.
  if (session.terms?.keepsChannels(verdict) === false) return session.disconnect(DISCONNECTS.insufficientState);
  session.info = { client: session.id, user, ...(connectionInfo === undefined ? {} : { connectionInfo }) };
  session.terms = new Terms(verdict);
  session.parts.counters.refreshes++;
  session.expiry?.set(ttlMs);
  answer(undefined, ttlMs === undefined ? {} : { ttlMs });
  // Whoever was let in by a capability that is gone is let in no longer.
  for (const { isByCapability, channel } of session.subscriptions?.values() ?? []) {
    if (isByCapability && !mayEnter(session, channel)) unsubscribeByServer(session, channel.name, UNSUBSCRIBES.server);
  }
}
