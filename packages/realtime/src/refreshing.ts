import { DISCONNECTS, ERRORS, UNSUBSCRIBES } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { limited } from "./expiry.ts";
import { runHook } from "./hooks.ts";
import type { Authenticated, Authorized, Denied } from "./options.ts";
import type { Answer, RefreshResult } from "./requests.ts";
import type { Session } from "./session.ts";
import { askAuthorize, mayEnter, unsubscribeByServer, waitFor } from "./subscribe-commands.ts";
import type { Subscription } from "./subscription.ts";
import { Terms } from "./terms.ts";
import { isAuthenticated } from "./verdicts.ts";

/** A client whose time is limited shows a new token. */
export function refresh(session: Session, token: string, answer: Answer<RefreshResult>): void {
  const { expiry, origin } = session;
  const { authenticate } = session.parts.settings;
  if (expiry === undefined || origin === undefined || authenticate === undefined || token === "") {
    return session.disconnect(DISCONNECTS.badRequest);
  }
  if (!expiry.begin()) return answer(ERRORS.tooManyRequests, undefined);
  runHook(
    () => authenticate({ action: "refresh", client: session.id, origin, token }),
    session.hookDeadline("authenticate"),
    (error, verdict) => {
      if (session.isClosed) return;
      if (verdict !== undefined && isAuthenticated(verdict)) {
        renew(session, verdict, answer);
      } else if (isDenied(verdict)) {
        if ("disconnect" in verdict) return session.disconnect(verdict.disconnect);
        // It comes back with another token, or is refused where it says so.
        if (verdict.error.code === ERRORS.tokenExpired.code) return session.disconnect(DISCONNECTS.connectionExpired);
        answer(verdict.error, undefined);
      } else {
        session.hookFailed("authenticate", error);
        answer(ERRORS.internal, undefined);
      }
      expiry.settle();
    },
  );
}

function renew(session: Session, verdict: Authenticated, answer: Answer<RefreshResult>): void {
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

/** A client whose subscription is limited in time shows a new token for it. */
export function refreshSubscription(
  session: Session,
  { channel, token }: { readonly channel: string; readonly token: string },
  answer: Answer<RefreshResult>,
): void {
  const subscription = session.subscriptions?.get(channel);
  if (subscription === undefined) return answer(ERRORS.permissionDenied, undefined);
  if (subscription.stage === "starting") {
    return waitFor(subscription, () => refreshSubscription(session, { channel, token }, answer));
  }
  const { expiry } = subscription;
  if (subscription.isServerSide || expiry === undefined) return session.disconnect(DISCONNECTS.badRequest);
  if (token === "") return answer(ERRORS.badRequest, undefined);
  if (!expiry.begin()) return answer(ERRORS.tooManyRequests, undefined);
  askAuthorize(subscription, { action: "refresh", token }, (verdict) => {
    if (session.isClosed) return;
    prolong(subscription, verdict, answer);
    if (!session.isClosed) expiry.settle();
  });
}

function prolong(subscription: Subscription, verdict: Authorized | Denied, answer: Answer<RefreshResult>): void {
  const { session, expiry } = subscription;
  if (subscription.stage === "ended") return answer(ERRORS.permissionDenied, undefined);
  if ("disconnect" in verdict) return session.disconnect(verdict.disconnect);
  if ("error" in verdict) {
    const isExpired = verdict.error.code === ERRORS.tokenExpired.code;
    return answer(isExpired ? ERRORS.expired : verdict.error, undefined);
  }
  const ttlMs = limited(verdict.ttlMs);
  if (ttlMs !== undefined && ttlMs <= 0) return answer(ERRORS.expired, undefined);
  session.parts.counters.refreshes++;
  subscription.describe(verdict.channelInfo);
  expiry?.set(ttlMs);
  answer(undefined, ttlMs === undefined ? {} : { ttlMs });
}
