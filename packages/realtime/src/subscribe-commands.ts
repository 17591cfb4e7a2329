import { fitsBytes } from "./channel-name.ts";
import type { ChannelSettings } from "./channel-rules.ts";
import { DISCONNECTS, ERRORS, type Unsubscribe } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { limited } from "./expiry.ts";
import { runHook } from "./hooks.ts";
import type { Authorized, AuthorizeRequest, Denied, HubOptions } from "./options.ts";
import { EVENT_FORM } from "./outlet.ts";
import type { Answer, SubscribeRequest, SubscribeResult } from "./requests.ts";
import type { Session } from "./session.ts";
import { HOLE, type SubscribeWish, Subscribing } from "./subscribing.ts";
import { Subscription } from "./subscription.ts";
import { tagsFilter } from "./tags-filter.ts";
import { isAuthorized } from "./verdicts.ts";

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
    const isOver = "allowed" in verdict && verdict.ttlMs !== undefined && verdict.ttlMs <= 0;
    if ("allowed" in verdict && !isOver) return begin(subscription, { request, verdict, answer });
    subscription.end();
    if ("disconnect" in verdict) return session.disconnect(verdict.disconnect);
    answer("error" in verdict ? verdict.error : ERRORS.expired, undefined);
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

/** A channel, as far as who may be in it is concerned. */
interface Door {
  readonly name: string;
  readonly settings: ChannelSettings;
}

/** Whether the client is let in without asking anybody: by the channel's kind or name, or by a capability of its own. */
export function mayEnter(session: Session, door: Door): boolean {
  return isOpenTo(session.info.user, door) || session.terms?.allow("subscribe", door.name) === true;
}

/** Whether nothing but a capability lets the client in. */
export function needsCapability(session: Session, door: Door): boolean {
  return !isOpenTo(session.info.user, door);
}

/** The channel is not private, or its name lists the user. */
function isOpenTo(user: string, { settings, name }: Door): boolean {
  return settings.kind !== "private" || (user !== "" && settings.usersOf(name).includes(user));
}

function authorize(
  subscription: Subscription,
  { token, data }: SubscribeRequest,
  done: (verdict: Authorized | Denied) => void,
): void {
  const { session, channel } = subscription;
  const hasHook = session.parts.settings.authorize !== undefined;
  if (token === undefined || !hasHook) {
    if (mayEnter(session, channel)) {
      subscription.isByCapability = needsCapability(session, channel);
      return done(YES);
    }
    if (!hasHook) return done({ error: ERRORS.permissionDenied });
  }
  askAuthorize(subscription, { action: "subscribe", token, data }, done);
}

const YES: Authorized = { allowed: true };

/** What a client brings along. */
interface Asking {
  readonly action: "subscribe" | "refresh";
  readonly token: string | undefined;
  readonly data?: Uint8Array | undefined;
}

/** Asks the program, which is there to be asked. */
export function askAuthorize(
  { session, channel }: Subscription,
  { action, token, data }: Asking,
  done: (verdict: Authorized | Denied) => void,
): void {
  const hook = session.parts.settings.authorize as NonNullable<HubOptions["authorize"]>;
  const meta = session.terms?.meta;
  const asked: AuthorizeRequest = {
    action,
    channel: channel.name,
    client: session.id,
    user: session.info.user,
    ...(token === undefined ? {} : { token }),
    ...(data === undefined ? {} : { data }),
    ...(meta === undefined ? {} : { meta }),
  };
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
      subscription.limit(ttlMs);
      answer(undefined, ttlMs === undefined ? result : { ...result, ttlMs });
      subscription.goLive();
    }
    runAfterwards(subscription);
  });
  subscribing.start();
}
