import type { ControlCommand, SubscribeOrder } from "./broker.ts";
import { DISCONNECTS } from "./codes.ts";
import { Expiry } from "./expiry.ts";
import type { HubParts } from "./hub-parts.ts";
import type { Session } from "./session.ts";
import { reserve, runAfterwards, unsubscribeByServer } from "./subscribe-commands.ts";
import { HOLE, Subscribing } from "./subscribing.ts";

/** Does what the server asks of sessions: of those on this process that it concerns. */
export function carryOut(parts: HubParts, order: ControlCommand): void {
  // Very many may be addressed, and very many excepted.
  const except = new Set(order.kind === "disconnect" ? order.except : []);
  for (const session of parts.sessions.addressed(order)) {
    if (session.isClosed) continue;
    switch (order.kind) {
      case "disconnect":
        if (!except.has(session.id)) session.disconnect(order.disconnect);
        break;
      case "subscribe":
        session.whenConnected(() => subscribeByServer(session, order));
        break;
      case "unsubscribe":
        session.whenConnected(() => unsubscribeByServer(session, order.channel, order.unsubscribe));
        break;
      case "message":
        session.whenConnected(() => session.message(order.data, order.format));
        break;
      case "refresh":
        session.whenConnected(() => session.refreshed(order));
        break;
    }
  }
}

/** Who is in the channel already, or about to be, stays as he is. */
function subscribeByServer(session: Session, order: SubscribeOrder & { readonly channel: string }): void {
  const { channel: name, since, data, channelInfo, positioned = false, recoverable = false, ttlMs } = order;
  const { channels, settings, journal } = session.parts;
  if (session.subscriptions?.has(name) === true) return;
  const rule = channels.settingsOf(name);
  const isFull = channels.get(name)?.isFull === true;
  if (rule === undefined || isFull || (session.subscriptions?.size ?? 0) >= settings.limits.channelsPerSession) {
    const because = rule === undefined ? "no rule covers the channel" : "a limit is reached";
    return journal.write("warn", "cannot subscribe a client", { client: session.id, channel: name, because });
  }
  const subscription = reserve(session, name, { rule, isServerSide: true });
  if (channelInfo !== undefined) subscription.info = { ...session.info, channelInfo };
  const subscribing = new Subscribing(subscription, { positioned, recoverable, since, data }, (error) => {
    if (error === undefined) {
      tellSubscribed(subscribing);
      if (ttlMs !== undefined && subscription.stage === "live") {
        subscription.expiry = new Expiry(session.parts.wheel, () =>
          session.disconnect(DISCONNECTS.subscriptionExpired),
        );
        subscription.expiry.begin(ttlMs);
      }
    } else subscription.end();
    runAfterwards(subscription);
  });
  subscribing.start();
}

function tellSubscribed(subscribing: Subscribing): void {
  const { subscription } = subscribing;
  const { session, channel } = subscription;
  const result = subscribing.finish();
  if (result === HOLE) return session.missedOnSubscribe();
  session.outlet.subscribed(channel.name, result);
  // The push carries no publications: those that were recovered follow one by one.
  for (const publication of result.publications) {
    if (session.isClosed) return;
    session.tell({ kind: "publication", channel: channel.name, publication }, 0);
  }
  subscription.goLive();
}
