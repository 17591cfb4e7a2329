import { askAuthorize } from "./authorizing.ts";
import { DISCONNECTS, ERRORS } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { limited } from "./expiry.ts";
import { runHook } from "./hooks.ts";
import { before, renew } from "./renewal.ts";
import type { Session } from "./session.ts";
import type { Subscription } from "./subscription.ts";
import { isAuthenticated } from "./verdicts.ts";

/* Times that the server prolongs by itself: it asks the program, and tells the client only of an end. */

export function refreshByServer(session: Session): void {
  const { expiry, origin } = session;
  const { authenticate } = session.parts.settings;
  if (session.isClosed || expiry === undefined || origin === undefined || authenticate === undefined) return;
  runHook(
    () => authenticate({ action: "refresh", client: session.id, origin, ...before(session) }),
    session.hookDeadline("authenticate"),
    (error, verdict) => {
      if (session.isClosed) return;
      if (isDenied(verdict)) {
        return session.disconnect("disconnect" in verdict ? verdict.disconnect : DISCONNECTS.connectionExpired);
      }
      const isYes = verdict !== undefined && isAuthenticated(verdict);
      if (isYes && (verdict.ttlMs ?? Infinity) > 0) {
        expiry.succeeded();
        return renew(session, verdict, () => {});
      }
      if (!isYes) session.hookFailed("authenticate", error);
      if (isYes || !expiry.tryAgain()) session.disconnect(DISCONNECTS.connectionExpired);
    },
  );
}

export function refreshSubscriptionByServer(subscription: Subscription): void {
  const { session, expiry } = subscription;
  if (subscription.stage === "ended" || expiry === undefined) return;
  if (session.parts.settings.authorize === undefined) return subscription.expired();
  askAuthorize(subscription, { action: "refresh", token: undefined }, (verdict) => {
    if (session.isClosed || subscription.stage === "ended") return;
    if ("disconnect" in verdict) return session.disconnect(verdict.disconnect);
    const isTemporary = "error" in verdict && verdict.error.code === ERRORS.internal.code;
    if (isTemporary && expiry.tryAgain()) return;
    if ("error" in verdict || (verdict.ttlMs ?? Infinity) <= 0) return subscription.expired();
    expiry.succeeded();
    session.parts.counters.refreshes++;
    subscription.describe(verdict.channelInfo);
    expiry.set(limited(verdict.ttlMs));
  });
}
