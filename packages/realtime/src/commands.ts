import type { ClientInfo, DataFormat, HistoryPage, PresenceStats } from "@polywire/core";
import { PolywireError } from "@polywire/core";
import { fitsBytes } from "./channel-name.ts";
import type { ChannelSettings } from "./channel-rules.ts";
import { type ClientError, DISCONNECTS, ERRORS } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { runHook } from "./hooks.ts";
import type { ProcedureCall } from "./options.ts";
import type { Answer, HistoryCommand } from "./requests.ts";
import type { Session } from "./session.ts";
import { waitFor } from "./waiting.ts";
import { fitting } from "./wire-size.ts";

export function readHistory(session: Session, command: HistoryCommand, answer: Answer<HistoryPage>): void {
  const { channel, since, isReverse } = command;
  const rule = ruleFor(session, channel, answer);
  if (rule === undefined) return;
  const { stream } = rule;
  if (stream === undefined || !rule.hasHistory) return answer(ERRORS.notAvailable, undefined);
  const subscription = session.subscriptions?.get(channel);
  if (rule.read === "subscribers" && subscription?.stage === "starting") {
    return waitFor(subscription, () => readHistory(session, command, answer));
  }
  const isOpen = rule.read === "clients" || subscription !== undefined;
  if (!isOpen && session.terms?.allow("history", channel) !== true) return answer(ERRORS.permissionDenied, undefined);
  if (isReverse && since?.offset === 0) return answer(ERRORS.badRequest, undefined);
  const { historyPageSize } = session.parts.settings.limits;
  const limit = command.limit < 0 ? historyPageSize : Math.min(command.limit, historyPageSize);
  const request = {
    limit,
    maxBytes: session.answerBytes,
    sinceOffset: since?.offset,
    isReverse,
    metaTtlMs: stream.metaTtlMs,
  };
  session.parts.broker.streams.history(channel, request, (error, page) => {
    if (page === undefined) return answer(failed(session, { call: "history", channel, error }), undefined);
    const isOtherStream = since !== undefined && since.epoch !== "" && since.epoch !== page.position.epoch;
    if (isOtherStream) answer(ERRORS.unrecoverablePosition, undefined);
    else answer(undefined, { ...page, publications: fitting(page.publications, session.answerBytes) });
  });
}

export function readPresence(session: Session, channel: string, answer: Answer<readonly ClientInfo[]>): void {
  if (!isPresenceReadable(session, channel, { answer, retry: () => readPresence(session, channel, answer) })) return;
  const { presenceMembers } = session.parts.settings.limits;
  session.parts.broker.presence.members(channel, (error, members) => {
    if (members === undefined) return answer(failed(session, { call: "presence members", channel, error }), undefined);
    answer(undefined, members.length > presenceMembers ? members.slice(0, presenceMembers) : members);
  });
}

export function readPresenceStats(session: Session, channel: string, answer: Answer<PresenceStats>): void {
  if (!isPresenceReadable(session, channel, { answer, retry: () => readPresenceStats(session, channel, answer) }))
    return;
  session.parts.broker.presence.stats(channel, (error, stats) => {
    if (stats === undefined) return answer(failed(session, { call: "presence stats", channel, error }), undefined);
    answer(undefined, stats);
  });
}

/** A call of one of the program's procedures. */
export function call(
  session: Session,
  { method, data }: { readonly method: string; readonly data: Uint8Array },
  answer: Answer<Uint8Array>,
): void {
  const { procedures, call: otherwise } = session.parts.settings;
  const procedure = procedures.get(method) ?? otherwise;
  if (procedure === undefined) {
    return answer(procedures.size === 0 ? ERRORS.notAvailable : ERRORS.methodNotFound, undefined);
  }
  const asked = new RunningCall(session, method, data);
  runHook(
    () => procedure(asked),
    { ...session.hookDeadline(`procedure "${method}"`), passed: (error) => asked.end(error) },
    (error, result) => {
      if (result instanceof Uint8Array) return answer(undefined, result);
      if (isDenied(result)) {
        return "error" in result ? answer(result.error, undefined) : session.disconnect(result.disconnect);
      }
      session.hookFailed(`procedure "${method}"`, error);
      answer(ERRORS.internal, undefined);
    },
  );
}

/** What a procedure is asked. Most take no interest in the signal, so it is made for those that do. */
class RunningCall implements ProcedureCall {
  readonly method: string;
  readonly data: Uint8Array;
  readonly client: string;
  readonly user: string;
  readonly meta: unknown;
  readonly #session: Session;
  readonly #ended = new AbortController();
  #signal: AbortSignal | undefined = undefined;

  constructor(session: Session, method: string, data: Uint8Array) {
    this.#session = session;
    this.method = method;
    this.data = data;
    this.client = session.id;
    this.user = session.info.user;
    this.meta = session.terms?.meta;
  }

  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any([this.#session.signal, this.#ended.signal]);
    return this.#signal;
  }

  /** Nobody waits for the answer any more. */
  end(reason: PolywireError): void {
    this.#ended.abort(reason);
  }
}

/** A message that wants no answer; `done` says that the program is through with it. */
export function receive(
  session: Session,
  { data, format }: { readonly data: Uint8Array; readonly format: DataFormat },
  done: Answer<undefined>,
): void {
  const { receive: hook } = session.parts.settings;
  if (hook === undefined) return session.disconnect(DISCONNECTS.notAvailable);
  const message = { data, format, client: session.id, user: session.info.user, meta: session.terms?.meta };
  // A program may well give an async function.
  const received = (): void | Promise<void> => hook(message);
  runHook(received, session.hookDeadline("receive"), (error) => {
    if (error !== undefined) session.hookFailed("receive", error);
    done(undefined, undefined);
  });
}

/** The channel's rule, unless its name is no good or no rule covers it; then that is the answer. */
export function ruleFor<Result>(
  session: Session,
  channel: string,
  answer: Answer<Result>,
): ChannelSettings | undefined {
  const { channels, settings } = session.parts;
  if (channel === "") {
    session.disconnect(DISCONNECTS.badRequest);
    return undefined;
  }
  const isNameFit = fitsBytes(channel, settings.limits.channelNameBytes);
  const rule = isNameFit ? channels.settingsOf(channel) : undefined;
  if (rule === undefined) answer(isNameFit ? ERRORS.unknownChannel : ERRORS.badRequest, undefined);
  return rule;
}

/** False: it was answered with a no, or will be tried again when the subscribe under way is over. */
function isPresenceReadable<Result>(
  session: Session,
  channel: string,
  { answer, retry }: { readonly answer: Answer<Result>; readonly retry: () => void },
): boolean {
  const rule = ruleFor(session, channel, answer);
  if (rule === undefined) return false;
  const subscription = session.subscriptions?.get(channel);
  if (!rule.hasPresence) answer(ERRORS.notAvailable, undefined);
  else if (rule.read === "clients" || subscription?.stage === "live") return true;
  else if (session.terms?.allow("presence", channel) === true) return true;
  else if (subscription === undefined) answer(ERRORS.permissionDenied, undefined);
  else waitFor(subscription, retry);
  return false;
}

/** What a client is told when the broker failed: it may try again in either case. */
export function failed(
  { parts }: Session,
  { call: name, channel, error }: { call: string; channel: string; error: PolywireError | undefined },
): ClientError {
  const cause = error ?? new PolywireError("internal", `the broker answered ${name} with nothing`);
  parts.channels.failed(name, channel, cause);
  return cause.code === "overflow" || cause.code === "limit-reached" ? ERRORS.tooManyRequests : ERRORS.internal;
}
