import type { ClientInfo, DataFormat, HistoryPage, PresenceStats } from "@polywire/core";
import { PolywireError } from "@polywire/core";
import type { Draft } from "./broker.ts";
import { fitsBytes } from "./channel-name.ts";
import type { ChannelSettings } from "./channel-rules.ts";
import { type ClientError, DISCONNECTS, ERRORS } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { runHook } from "./hooks.ts";
import { isJsonText } from "./json-text.ts";
import type { ProcedureCall } from "./options.ts";
import type { Answer, HistoryCommand } from "./requests.ts";
import type { Session } from "./session.ts";
import { conforming, type StandardSchema } from "./standard-schema.ts";
import { waitFor } from "./subscribe-commands.ts";
import { fitting } from "./wire-size.ts";

/** What a client publishes. */
export interface ClientPublication {
  readonly channel: string;
  readonly data: Uint8Array;
  readonly format: DataFormat;
}

export function publish(session: Session, publication: ClientPublication, answer: Answer<undefined>): void {
  const { channel, data } = publication;
  const rule = ruleFor(session, channel, answer);
  if (rule === undefined) return;
  const subscription = session.subscriptions?.get(channel);
  if (rule.publish === "subscribers" && subscription?.stage === "starting") {
    return waitFor(subscription, () => publish(session, publication, answer));
  }
  const isSubscribed = subscription?.stage === "live";
  if (rule.publish === "server" || (rule.publish === "subscribers" && !isSubscribed)) {
    return answer(ERRORS.permissionDenied, undefined);
  }
  const { limits } = session.parts.settings;
  if (data.length > limits.publicationBytes) return answer(ERRORS.badRequest, undefined);
  const isJson = isJsonText(data, limits.jsonDepth);
  if (rule.data === "json" && !isJson) return answer(ERRORS.badRequest, undefined);
  const format = rule.data === "json" || (publication.format === "json" && isJson) ? "json" : "binary";
  // The publisher is who the server knows the client to be, whatever the client says.
  const checked = rule.schema === undefined ? { data } : conformingText(session, rule.schema, data);
  if (checked === undefined) return answer(ERRORS.internal, undefined);
  if ("problem" in checked) {
    const { code, message, isTemporary } = ERRORS.badRequest;
    return answer({ code, message: `${message}: ${checked.problem}`, isTemporary }, undefined);
  }
  if (checked.data.length > limits.publicationBytes) return answer(ERRORS.badRequest, undefined);
  const draft: Draft = { data: checked.data, format, info: isSubscribed ? subscription.info : session.info };
  session.parts.broker.streams.publish(channel, draft, rule.stream, (error) => {
    if (error === undefined) return answer(undefined, undefined);
    answer(failed(session, { call: "publish", channel, error }), undefined);
  });
}

/** A schema is code of the program: what it throws is logged, and its publication is not made: then it is `undefined`. */
function conformingText(
  session: Session,
  schema: StandardSchema,
  data: Uint8Array,
): ReturnType<typeof conforming> | undefined {
  try {
    return conforming(schema, JSON.parse(new TextDecoder().decode(data)) as unknown);
  } catch (thrown) {
    session.hookFailed("schema", PolywireError.from(thrown, "internal", "schema"));
    return undefined;
  }
}

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
  if (rule.read === "subscribers" && subscription === undefined) return answer(ERRORS.permissionDenied, undefined);
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
  const { procedures } = session.parts.settings;
  if (procedures.size === 0) return answer(ERRORS.notAvailable, undefined);
  const procedure = procedures.get(method);
  if (procedure === undefined) return answer(ERRORS.methodNotFound, undefined);
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
  readonly #session: Session;
  readonly #ended = new AbortController();
  #signal: AbortSignal | undefined = undefined;

  constructor(session: Session, method: string, data: Uint8Array) {
    this.#session = session;
    this.method = method;
    this.data = data;
    this.client = session.id;
    this.user = session.info.user;
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
  const message = { data, format, client: session.id, user: session.info.user };
  // A program may well give an async function.
  const received = (): void | Promise<void> => hook(message);
  runHook(received, session.hookDeadline("receive"), (error) => {
    if (error !== undefined) session.hookFailed("receive", error);
    done(undefined, undefined);
  });
}

/** The channel's rule, unless its name is no good or no rule covers it; then that is the answer. */
function ruleFor<Result>(session: Session, channel: string, answer: Answer<Result>): ChannelSettings | undefined {
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
  else if (subscription === undefined) answer(ERRORS.permissionDenied, undefined);
  else waitFor(subscription, retry);
  return false;
}

/** What a client is told when the broker failed: it may try again in either case. */
function failed(
  { parts }: Session,
  { call: name, channel, error }: { call: string; channel: string; error: PolywireError | undefined },
): ClientError {
  const cause = error ?? new PolywireError("internal", `the broker answered ${name} with nothing`);
  parts.channels.failed(name, channel, cause);
  return cause.code === "overflow" || cause.code === "limit-reached" ? ERRORS.tooManyRequests : ERRORS.internal;
}
