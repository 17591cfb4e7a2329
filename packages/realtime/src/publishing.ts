import { type DataFormat, PolywireError } from "@polywire/core";
import type { Draft } from "./broker.ts";
import type { ChannelSettings } from "./channel-rules.ts";
import { ERRORS } from "./codes.ts";
import { failed, ruleFor } from "./commands.ts";
import { isDenied } from "./denied.ts";
import { runHook } from "./hooks.ts";
import { InOrder } from "./in-order.ts";
import { isJsonText } from "./json-text.ts";
import type { Denied, PublishRequest, PublishVerdict } from "./options.ts";
import { checkTags, encodeData } from "./publication-data.ts";
import type { Answer } from "./requests.ts";
import type { Session } from "./session.ts";
import { conforming, type StandardSchema } from "./standard-schema.ts";
import { isPublishVerdict } from "./verdicts.ts";
import { waitFor } from "./waiting.ts";

/** What a client publishes. */
export interface ClientPublication {
  readonly channel: string;
  readonly data: Uint8Array;
  readonly format: DataFormat;
}

interface Publishing {
  readonly channel: string;
  readonly rule: ChannelSettings;
  readonly answer: Answer<undefined>;
}

/** A client's publication: checked by the channel's rule, then by the program, then in the stream. */
export function publish(session: Session, publication: ClientPublication, answer: Answer<undefined>): void {
  const { channel, data } = publication;
  const rule = ruleFor(session, channel, answer);
  if (rule === undefined) return;
  const subscription = session.subscriptions?.get(channel);
  if (rule.publish === "subscribers" && subscription?.stage === "starting") {
    return waitFor(subscription, () => publish(session, publication, answer));
  }
  const isSubscribed = subscription?.stage === "live";
  const isOpen = rule.publish === "clients" || (rule.publish === "subscribers" && isSubscribed);
  if (!isOpen && (rule.kind === "broadcast" || session.terms?.allow("publish", channel) !== true)) {
    return answer(ERRORS.permissionDenied, undefined);
  }
  const { limits } = session.parts.settings;
  if (data.length > limits.publicationBytes) return answer(ERRORS.badRequest, undefined);
  const isJson = isJsonText(data, limits.jsonDepth);
  if (rule.data === "json" && !isJson) return answer(ERRORS.badRequest, undefined);
  const format = rule.data === "json" || (publication.format === "json" && isJson) ? "json" : "binary";
  const checked = rule.schema === undefined ? { data } : conformingText(session, rule.schema, data);
  if (checked === undefined) return answer(ERRORS.internal, undefined);
  if ("problem" in checked) {
    const { code, message, isTemporary } = ERRORS.badRequest;
    return answer({ code, message: `${message}: ${checked.problem}`, isTemporary }, undefined);
  }
  if (checked.data.length > limits.publicationBytes) return answer(ERRORS.badRequest, undefined);
  // The publisher is who the server knows the client to be, whatever the client says.
  const draft: Draft = { data: checked.data, format, info: isSubscribed ? subscription.info : session.info };
  decide(session, draft, { channel, rule, answer });
}

/** Asks the program, where it wants to be asked. */
function decide(session: Session, draft: Draft, publishing: Publishing): void {
  const { publishing: hook } = session.parts.settings;
  if (hook === undefined) return store(session, draft, { ...publishing, keeps: true });
  const { channel } = publishing;
  const { data, format } = draft;
  const { user } = session.info;
  const request: PublishRequest = { channel, data, format, client: session.id, user, meta: session.terms?.meta };
  session.publishes ??= new InOrder();
  session.publishes.ask((decided) =>
    runHook(
      () => hook(request),
      session.hookDeadline("publishing"),
      (error, verdict) => decided(() => act(session, draft, { publishing, error, verdict })),
    ),
  );
}

interface Decision {
  readonly publishing: Publishing;
  readonly error: PolywireError | undefined;
  readonly verdict: PublishVerdict | Denied | undefined;
}

function act(session: Session, draft: Draft, { publishing, error, verdict }: Decision): void {
  if (session.isClosed) return;
  const { answer } = publishing;
  if (isDenied(verdict)) {
    return "error" in verdict ? answer(verdict.error, undefined) : session.disconnect(verdict.disconnect);
  }
  try {
    if (error !== undefined) throw error;
    if (verdict === undefined || !isPublishVerdict(verdict)) throw new PolywireError("internal", "neither yes nor no");
    store(session, replaced(session, draft, { publishing, verdict }), {
      ...publishing,
      keeps: verdict.skipHistory !== true,
    });
  } catch (thrown) {
    session.hookFailed("publishing", PolywireError.from(thrown, "internal", "publishing"));
    answer(ERRORS.internal, undefined);
  }
}

/** @throws PolywireError for data or tags that the channel does not take, though the program gave them. */
function replaced(
  session: Session,
  draft: Draft,
  { publishing: { channel, rule }, verdict }: { readonly publishing: Publishing; readonly verdict: PublishVerdict },
): Draft {
  const { data, tags, idempotencyKey } = verdict;
  const { limits } = session.parts.settings;
  return {
    ...draft,
    ...(data !== undefined && encodeData(data, { channel, rule, limits, format: draft.format })),
    ...(tags !== undefined && { tags: checkTags(tags, channel) }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

function store(
  session: Session,
  draft: Draft,
  { channel, rule, answer, keeps }: Publishing & { readonly keeps: boolean },
): void {
  const { broker, publishGate } = session.parts;
  // About to end: the client may publish again where it comes back.
  if (!publishGate.enter()) return answer(ERRORS.tooManyRequests, undefined);
  broker.streams.publish(channel, draft, keeps ? rule.stream : undefined, (error) => {
    publishGate.leave();
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
