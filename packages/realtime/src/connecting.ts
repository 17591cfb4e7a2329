import type { PolywireError } from "@polywire/core";
import { mayEnter, needsCapability } from "./authorizing.ts";
import { fitsBytes } from "./channel-name.ts";
import { type ClientError, DISCONNECTS, ERRORS } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { Expiry, limited } from "./expiry.ts";
import { runHook } from "./hooks.ts";
import type { Authenticated, AuthenticateRequest, Origin } from "./options.ts";
import type { Answer, ConnectRequest, ConnectResult, SubscribeResult } from "./requests.ts";
import { refreshByServer, refreshSubscriptionByServer } from "./server-refresh.ts";
import type { Session } from "./session.ts";
import { reserve } from "./subscribe-commands.ts";
import { HOLE, NO_WISH, Subscribing } from "./subscribing.ts";
import { serverChannels, termsOf } from "./terms.ts";
import { isAuthenticated } from "./verdicts.ts";
import { runAfterwards } from "./waiting.ts";

const ANONYMOUS: Authenticated = { user: "" };

/** What most clients have: shared, because a map for each would cost more than many a connect's other objects. */
const NO_CHANNELS: ReadonlySet<string> = new Set();
const NO_SUBSCRIPTIONS: ReadonlyMap<string, SubscribeResult> = new Map();

interface Connecting {
  readonly request: ConnectRequest;
  readonly origin: Origin;
  readonly answer: Answer<ConnectResult>;
}

/** Finds out who the client is, makes the subscriptions that the server wants, and answers when all of them stand. */
export function connect(session: Session, connecting: Connecting): void {
  session.stage = "connecting";
  const { authenticate } = session.parts.settings;
  if (authenticate === undefined) return admit(session, ANONYMOUS, connecting);
  const { token, data, name, version, subscriptions } = connecting.request;
  const asked: AuthenticateRequest = {
    action: "connect",
    client: session.id,
    origin: connecting.origin,
    ...(token === undefined ? {} : { token }),
    ...(data === undefined ? {} : { data }),
    ...(name === undefined ? {} : { name }),
    ...(version === undefined ? {} : { version }),
    ...(subscriptions === undefined ? {} : { channels: [...subscriptions.keys()] }),
  };
  runHook(
    () => authenticate(asked),
    session.hookDeadline("authenticate"),
    (error, verdict) => {
      if (session.isClosed) return;
      if (verdict !== undefined && isAuthenticated(verdict)) return admit(session, verdict, connecting);
      session.parts.counters.connectsRefused++;
      if (isDenied(verdict)) {
        if ("disconnect" in verdict) return session.disconnect(verdict.disconnect);
        return refuse(session, verdict.error, connecting);
      }
      session.hookFailed("authenticate", error);
      refuse(session, ERRORS.internal, connecting);
    },
  );
}

function admit(session: Session, verdict: Authenticated, connecting: Connecting): void {
  const { settings, sessions, counters } = session.parts;
  const { user, connectionInfo } = verdict;
  const ttlMs = limited(verdict.ttlMs);
  if (ttlMs !== undefined && ttlMs <= 0) {
    counters.connectsRefused++;
    return refuse(session, ERRORS.expired, connecting);
  }
  // Who hears nothing holds nothing: many of one user may come at once and are gone at once.
  const isCounted = connecting.request.isDeaf !== true;
  if (isCounted && user !== "" && sessions.countOf(user) >= settings.limits.sessionsPerUser) {
    counters.sessionsRefused++;
    return session.disconnect(DISCONNECTS.connectionLimit);
  }
  session.info = { client: session.id, user, ...(connectionInfo === undefined ? {} : { connectionInfo }) };
  session.isIdentified = true;
  session.terms = termsOf(verdict);
  if (ttlMs !== undefined) {
    session.expiry =
      verdict.refreshedBy === "server"
        ? new Expiry(session.parts, ttlMs, () => refreshByServer(session), { hasGrace: false })
        : new Expiry(session.parts, ttlMs, () => session.disconnect(DISCONNECTS.connectionExpired));
  }
  if (isCounted) sessions.identified(session);
  const wanted = wantedChannels(session, verdict, connecting.request);
  if (wanted.size === 0) return complete(session, [], { verdict, connecting });
  subscribeAll(session, [...wanted], { verdict, connecting });
}

/** The channels that the server wants the client to be in, and those of the client's wishes that it may have. */
function wantedChannels(
  session: Session,
  verdict: Authenticated,
  { subscriptions, isDeaf }: ConnectRequest,
): ReadonlySet<string> {
  const { rules, settings } = session.parts;
  const isGiven = verdict.channels !== undefined || verdict.subscriptions !== undefined;
  const hasPersonal = settings.personalChannels !== undefined && verdict.user !== "";
  const hasNone = rules.broadcastNames.length === 0 && !isGiven && !hasPersonal && subscriptions === undefined;
  if (hasNone || isDeaf === true) return NO_CHANNELS;
  const wanted = new Set([...rules.broadcastNames, ...serverChannels(verdict)]);
  if (hasPersonal) wanted.add(`${settings.personalChannels}#${verdict.user}`);
  for (const name of subscriptions?.keys() ?? []) {
    if (wanted.size >= settings.limits.channelsPerSession) break;
    if (isOpenTo(session, name)) wanted.add(name);
  }
  return wanted;
}

/** Whether the client could subscribe by itself, without a token, now. */
function isOpenTo(session: Session, name: string): boolean {
  const { channels, settings } = session.parts;
  if (name === "" || !fitsBytes(name, settings.limits.channelNameBytes)) return false;
  const rule = channels.settingsOf(name);
  return rule !== undefined && channels.get(name)?.isFull !== true && mayEnter(session, { name, settings: rule });
}

interface Admitted {
  readonly verdict: Authenticated;
  readonly connecting: Connecting;
}

function subscribeAll(session: Session, names: readonly string[], admitted: Admitted): void {
  const { connecting, verdict } = admitted;
  const recoveries = connecting.request.subscriptions;
  const given = serverChannels(verdict);
  const all: Subscribing[] = [];
  let waits = 1;
  const ready = (error: PolywireError | undefined): void => {
    if (session.stage !== "connecting") return;
    if (error !== undefined) return refuse(session, ERRORS.internal, connecting);
    waits--;
    if (waits === 0) complete(session, all, admitted);
  };
  for (const name of names) {
    const rule = session.parts.channels.settingsOf(name);
    const isFull = session.parts.channels.get(name)?.isFull === true;
    if (rule === undefined || isFull || names.length > session.parts.settings.limits.channelsPerSession) {
      session.parts.journal.write("error", "cannot subscribe a client at connect", {
        channel: name,
        because: rule === undefined ? "no rule covers the channel" : "a limit is reached",
      });
      return refuse(session, rule === undefined ? ERRORS.unknownChannel : ERRORS.limitExceeded, connecting);
    }
    const wanted = recoveries?.get(name);
    const terms = verdict.subscriptions?.get(name);
    const since = wanted?.recover === true ? wanted.since : undefined;
    const wish = since === undefined && terms === undefined ? NO_WISH : { ...NO_WISH, since, data: terms?.data };
    const subscription = reserve(session, name, { rule, isServerSide: true });
    subscription.isByCapability = !given.has(name) && needsCapability(session, subscription.channel);
    if (terms?.channelInfo !== undefined) subscription.describe(terms.channelInfo);
    if (terms?.features !== undefined) subscription.features = terms.features;
    waits++;
    all.push(new Subscribing(subscription, wish, ready));
  }
  for (const subscribing of all) {
    if (session.stage !== "connecting") return;
    subscribing.start();
  }
  ready(undefined);
}

function complete(session: Session, all: readonly Subscribing[], { verdict, connecting }: Admitted): void {
  const { settings } = session.parts;
  const subscriptions = all.length === 0 ? NO_SUBSCRIPTIONS : finishAll(session, all, connecting.request);
  if (subscriptions === HOLE) return session.missedOnSubscribe();
  const { pings = "answered" } = connecting.request;
  session.connected(pings);
  const intervalMs = pings === "none" ? 0 : settings.pings.intervalMs;
  connecting.answer(undefined, {
    client: session.id,
    version: settings.version,
    ...(verdict.data === undefined ? {} : { data: verdict.data }),
    subscriptions,
    pingIntervalMs: intervalMs,
    isPongExpected: intervalMs > 0 && pings === "answered",
    ...(verdict.ttlMs === undefined || verdict.refreshedBy === "server"
      ? {}
      : { ttlMs: limited(verdict.ttlMs) as number }),
  });
  for (const { subscription } of all) {
    const terms = verdict.subscriptions?.get(subscription.channel.name);
    const isOurs = terms?.refreshedBy === "server";
    subscription.limit(limited(terms?.ttlMs), isOurs ? () => refreshSubscriptionByServer(subscription) : undefined);
    subscription.goLive();
    runAfterwards(subscription);
  }
  const { orders } = session;
  session.orders = undefined;
  for (const order of orders ?? []) if (!session.isClosed) order();
}

/** What the client is told of its subscriptions, or {@link HOLE} when there is nothing right to tell of one. */
function finishAll(
  session: Session,
  all: readonly Subscribing[],
  { subscriptions: wishes }: ConnectRequest,
): ReadonlyMap<string, SubscribeResult> | typeof HOLE {
  const { counters } = session.parts;
  const subscriptions = new Map<string, SubscribeResult>();
  let recoverableBytes = session.answerBytes;
  for (const subscribing of all) {
    const result = subscribing.finish(recoverableBytes);
    if (result === HOLE) return HOLE;
    recoverableBytes -= subscribing.recoveredBytes;
    const { name } = subscribing.subscription.channel;
    // Where recovery gives everyone the latest, `wasRecovering` says nothing of whether the client asked.
    if (result.wasRecovering && wishes?.get(name)?.recover === true) {
      if (result.isRecovered) counters.recovered++;
      else counters.unrecovered++;
    }
    subscriptions.set(name, result);
  }
  return subscriptions;
}

/** The client is told no. Only its end can follow: it has until the connect's deadline to go by itself. */
function refuse(session: Session, error: ClientError, { answer }: Connecting): void {
  if (session.isClosed) return;
  session.stage = "refused";
  for (const subscription of session.subscriptions?.values() ?? []) subscription.end();
  answer(error, undefined);
}
