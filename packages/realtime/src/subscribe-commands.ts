import { fitsBytes } from "./channel-name.ts";
import type { ChannelSettings } from "./channel-rules.ts";
import { isShowable } from "./client-info.ts";
import { DISCONNECTS, ERRORS, type Unsubscribe } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { runHook } from "./hooks.ts";
import type { Authorized, Denied } from "./options.ts";
import { EVENT_FORM } from "./outlet.ts";
import type { Answer, SubscribeRequest, SubscribeResult } from "./requests.ts";
import type { Session } from "./session.ts";
import { HOLE, type SubscribeWish, Subscribing } from "./subscribing.ts";
import { Subscription } from "./subscription.ts";
import { tagsFilter } from "./tags-filter.ts";

/** How long a command may wait for a subscribe to the same channel. */
const WAIT_TIMEOUT_MS = 5_000;

/** Most commands that wait for one subscribe: as many as come in one frame. */
const MAX_WAITING = 256;

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
    if ("allowed" in verdict) return begin(subscription, { request, verdict, answer });
    subscription.end();
    if ("disconnect" in verdict) return session.disconnect(verdict.disconnect);
    answer(verdict.error, undefined);
    runAfterwards(subscription);
  });
}

/** Never fails: who is not subscribed has what he wants. */
export function unsubscribe(session: Session, name: string, answer: Answer<undefined>): void {
  if (name === "") return session.disconnect(DISCONNECTS.badRequest);
  const subscription = session.subscriptions?.get(name);
  if (subscription?.stage === "starting") {
    return waitFor(subscription, () => unsubscribe(session, name, answer));
  }
  subscription?.end();
  answer(undefined, undefined);
}

/** @param name every channel when absent. */
export function unsubscribeByServer(session: Session, name: string | undefined, unsubscribe: Unsubscribe): void {
  const all = session.subscriptions;
  if (all === undefined) return;
  const subscriptions = name === undefined ? [...all.values()] : [all.get(name)];
  for (const subscription of subscriptions) {
    if (subscription === undefined) continue;
    const { name: channel } = subscription.channel;
    if (subscription.stage === "live") subscription.endByServer(unsubscribe);
    else waitFor(subscription, () => session.subscriptions?.get(channel)?.endByServer(unsubscribe));
  }
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

/** The subscribe is over, one way or the other: what came for the channel meanwhile is done now, in order. */
export function runAfterwards(subscription: Subscription): void {
  const { session, channel, afterwards } = subscription;
  if (afterwards === undefined) return;
  subscription.afterwards = undefined;
  afterwards.cancelDeadline();
  for (const command of afterwards.commands) {
    if (session.isClosed) return;
    const current = session.subscriptions?.get(channel.name);
    if (current?.stage === "starting") waitFor(current, command);
    else command();
  }
}

/** Has the command done once the subscribe under way is over; in the order of the calls. */
export function waitFor(subscription: Subscription, command: () => void): void {
  const { session } = subscription;
  if (subscription.afterwards === undefined) {
    const timer = session.parts.clock.setTimer(() => session.disconnect(DISCONNECTS.internal), WAIT_TIMEOUT_MS);
    subscription.afterwards = { commands: [], cancelDeadline: () => timer.cancel() };
  }
  const { commands } = subscription.afterwards;
  if (commands.length === MAX_WAITING) return session.disconnect(DISCONNECTS.tooManyRequests);
  commands.push(command);
}

/**
 * Whether the rule lets this user in without asking anybody: the channel is neither private nor the system's, or it is
 * private and its name lists the user.
 */
export function needsNoToken(rule: ChannelSettings, name: string, user: string): boolean {
  if (rule.kind === "system") return false;
  return rule.kind !== "private" || (user !== "" && rule.usersOf(name).includes(user));
}

function authorize(
  { session, channel }: Subscription,
  request: SubscribeRequest,
  done: (verdict: Authorized | Denied) => void,
): void {
  const { settings } = session.parts;
  const { settings: rule } = channel;
  const { user } = session.info;
  if (needsNoToken(rule, channel.name, user)) return done({ allowed: true });
  const hook = settings.authorize;
  if (hook === undefined) return done({ error: ERRORS.permissionDenied });
  const { token, data } = request;
  const asked = {
    action: "subscribe",
    channel: channel.name,
    client: session.id,
    user,
    ...(token === undefined ? {} : { token }),
    ...(data === undefined ? {} : { data }),
  } as const;
  runHook(
    () => hook(asked),
    session.hookDeadline("authorize"),
    (error, verdict) => {
      if (verdict !== undefined && (isAuthorized(verdict) || isDenied(verdict))) return done(verdict);
      session.hookFailed("authorize", error);
      done({ error: ERRORS.internal });
    },
  );
}

function isAuthorized(verdict: Authorized | Denied): verdict is Authorized {
  if (typeof verdict !== "object" || verdict === null || !("allowed" in verdict)) return false;
  return verdict.allowed === true && (verdict.channelInfo === undefined || isShowable(verdict.channelInfo));
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
  if (verdict.channelInfo !== undefined) subscription.info = { ...session.info, channelInfo: verdict.channelInfo };
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
      answer(undefined, result);
      subscription.goLive();
    }
    runAfterwards(subscription);
  });
  subscribing.start();
}
