import { authorize } from "./authorizing.ts";
import { fitsBytes } from "./channel-name.ts";
import type { ChannelSettings } from "./channel-rules.ts";
import { DISCONNECTS, ERRORS } from "./codes.ts";
import { limited } from "./expiry.ts";
import type { Authorized } from "./options.ts";
import { EVENT_FORM } from "./outlet.ts";
import type { Answer, SubscribeRequest, SubscribeResult } from "./requests.ts";
import { refreshSubscriptionByServer } from "./server-refresh.ts";
import type { Session } from "./session.ts";
import { HOLE, type SubscribeWish, Subscribing } from "./subscribing.ts";
import { Subscription } from "./subscription.ts";
import { tagsFilter } from "./tags-filter.ts";
import { runAfterwards, waitFor } from "./waiting.ts";

/** A client's wish to be in a channel. */
export function subscribe(session: Session, request: SubscribeRequest, answer: Answer<SubscribeResult>): void {
  const { channel: name } = request;
  const { settings, channels } = session.parts;
  const { limits } = settings;
  if (name === "") return session.disconnect(DISCONNECTS.badRequest);
  if (!fitsBytes(name, limits.channelNameBytes)) return answer(ERRORS.badRequest, undefined);
  const existing = session.subscriptions?.get(name);
  if (existing?.afterwards !== undefined) return waitFor(existing, () => subscribe(session, request, answer));
  if (existing !== undefined) return answer(ERRORS.alreadySubscribed, undefined);
  if ((session.subscriptions?.size ?? 0) >= limits.channelsPerSession) return answer(ERRORS.limitExceeded, undefined);
  const rule = channels.settingsOf(name);
  if (rule === undefined) return answer(ERRORS.unknownChannel, undefined);
  if (channels.get(name)?.isFull === true) return answer(ERRORS.limitExceeded, undefined);
  const filter = request.filter === undefined ? undefined : tagsFilter(request.filter);
  // Telling everything to a client that asked for less would be wrong.
  if (request.filter !== undefined && (filter === undefined || !rule.hasTagsFilter)) {
    return answer(ERRORS.badRequest, undefined);
  }
  const subscription = reserve(session, name, { rule, isServerSide: false });
  subscription.filter = filter;
  authorize(subscription, request, (verdict) => {
    if (subscription.stage === "ended") return;
    const isOver = "allowed" in verdict && verdict.ttlMs !== undefined && verdict.ttlMs <= 0;
    if ("allowed" in verdict && !isOver) return begin(subscription, { request, verdict, answer });
    subscription.end();
    if ("disconnect" in verdict) return session.disconnect(verdict.disconnect);
    answer("error" in verdict ? verdict.error : ERRORS.expired, undefined);
    runAfterwards(subscription);
  });
}

/** Takes the channel's name in the session, and its place in the channel, before anything can be waited for. */
export function reserve(
  session: Session,
  name: string,
  { rule, isServerSide }: { readonly rule: ChannelSettings; readonly isServerSide: boolean },
): Subscription {
  const channel = session.parts.channels.obtain(name, rule);
  const subscription = new Subscription(session, channel, { isServerSide });
  session.subscriptions ??= new Map();
  session.subscriptions.set(name, subscription);
  return subscription;
}

/** What the client asks for and the channel has. */
function formFor({ delta, compaction }: SubscribeRequest, rule: ChannelSettings): number {
  return (
    (delta !== undefined && rule.hasDelta ? EVENT_FORM.delta : 0) |
    (compaction === true && rule.isCompact ? EVENT_FORM.compact : 0)
  );
}

function begin(
  subscription: Subscription,
  {
    request,
    verdict,
    answer,
  }: { readonly request: SubscribeRequest; readonly verdict: Authorized; readonly answer: Answer<SubscribeResult> },
): void {
  const { session } = subscription;
  const { counters } = session.parts;
  const ttlMs = limited(verdict.ttlMs);
  if (verdict.channelInfo !== undefined) subscription.describe(verdict.channelInfo);
  if (verdict.features !== undefined) subscription.features = verdict.features;
  subscription.form = formFor(request, subscription.channel.settings);
  const wish: SubscribeWish = {
    positioned: request.positioned,
    recoverable: request.recoverable,
    since: request.recover ? request.since : undefined,
    data: verdict.data,
  };
  const subscribing = new Subscribing(subscription, wish, (error) => {
    const result = error === undefined ? subscribing.finish() : undefined;
    if (result === HOLE) return session.missedOnSubscribe();
    if (request.recover && result?.wasRecovering === true) {
      if (result.isRecovered) counters.recovered++;
      else counters.unrecovered++;
    }
    const isRejected =
      request.rejectUnrecovered && request.recover && result?.wasRecovering === true && !result.isRecovered;
    if (result === undefined || isRejected) {
      subscription.end();
      answer(isRejected ? ERRORS.unrecoverablePosition : ERRORS.internal, undefined);
    } else {
      const isOurs = verdict.refreshedBy === "server";
      subscription.limit(ttlMs, isOurs ? () => refreshSubscriptionByServer(subscription) : undefined);
      answer(undefined, ttlMs === undefined || isOurs ? result : { ...result, ttlMs });
      subscription.goLive();
    }
    runAfterwards(subscription);
  });
  subscribing.start();
}
