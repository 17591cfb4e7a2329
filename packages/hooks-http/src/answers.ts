import { Buffer } from "node:buffer";
import { PolywireError } from "@polywire/core";
import type {
  Authenticated,
  Authorized,
  Denied,
  PublishVerdict,
  ServerSubscription,
  SubscriptionFeatures,
} from "@polywire/realtime";
import { z } from "zod";

const MS_PER_SECOND = 1_000;
const MAX_CHANNELS = 1_024;

const base64 = z.string().refine((text) => {
  return Buffer.from(text, "base64").toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "");
}, "is no base64");

/** Data under one name as JSON, or under the other in base64. */
const data = { data: z.unknown().optional(), b64data: base64.optional() };
const info = { info: z.unknown().optional(), b64info: base64.optional() };
/** Seconds since 1970; 0 or absent: never. */
const expireAt = { expire_at: z.number().min(0).optional() };

const flag = z.strictObject({ value: z.boolean() }).optional();
const override = z
  .strictObject({
    presence: flag,
    join_leave: flag,
    force_push_join_leave: flag,
    force_recovery: flag,
    force_positioning: flag,
  })
  .optional();

const channels = z.array(z.string().min(1)).max(MAX_CHANNELS);

const connectResult = z.object({
  user: z.string().max(255).default(""),
  ...expireAt,
  ...info,
  ...data,
  channels: channels.optional(),
  subs: z.record(z.string().min(1), z.object({ ...info, ...data, override })).optional(),
  caps: z
    .array(z.object({ channels, allow: z.array(z.enum(["sub", "pub", "hst", "prs"])) }))
    .max(100)
    .optional(),
  meta: z.unknown().optional(),
});
const refreshResult = z.object({ expired: z.boolean().optional(), ...expireAt, ...info, meta: z.unknown().optional() });
const subscribeResult = z.object({ ...expireAt, ...info, ...data, override });
const subRefreshResult = z.object({ expired: z.boolean().optional(), ...expireAt, ...info });
const publishResult = z.object({
  ...data,
  skip_history: z.boolean().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  idempotency_key: z.string().max(255).optional(),
});
const rpcResult = z.object(data);

const refusal = z.object({
  code: z.int().min(1).max(4_999),
  message: z.string().default(""),
  temporary: z.boolean().default(false),
});
const goodbye = z.object({ code: z.int().min(3_000).max(4_999), reason: z.string().max(123).default("") });

const ACTIONS = { sub: "subscribe", pub: "publish", hst: "history", prs: "presence" } as const;

/** A refresh without an answer in the result: the client's time is over. */
const EXPIRED: Denied = { error: { code: 109, message: "token expired", isTemporary: false } };

/** @throws PolywireError `protocol-violation` for what is no answer. */
export function readAnswer(text: string): { readonly result?: unknown; readonly denied?: Denied } {
  const envelope = z.object({
    result: z.unknown().optional(),
    error: refusal.nullish(),
    disconnect: goodbye.nullish(),
  });
  const { result, error, disconnect } = checked(envelope, parse(text));
  if (disconnect) return { denied: { disconnect } };
  if (error) return { denied: { error: { code: error.code, message: error.message, isTemporary: error.temporary } } };
  return result === undefined || result === null ? {} : { result };
}

/** @param nowMs wall time. */
export function toAuthenticated(result: unknown, nowMs: number): Authenticated {
  const { user, channels: names, subs, caps, meta, ...rest } = checked(connectResult, result);
  return {
    user,
    ...timeOf(rest, nowMs),
    ...given("connectionInfo", bytesOf(rest.info, rest.b64info)),
    ...given("data", bytesOf(rest.data, rest.b64data)),
    ...given("channels", names),
    ...given("subscriptions", subs && new Map(Object.entries(subs).map(([name, one]) => [name, subscriptionOf(one)]))),
    ...given(
      "capabilities",
      caps?.map(({ channels: patterns, allow }) => ({
        channels: patterns,
        allow: allow.map((action) => ACTIONS[action]),
      })),
    ),
    ...given("meta", meta),
  };
}

/** @param before what was said of the client last: what the answer does not mention stays. */
export function toRefreshed(
  result: unknown,
  { before, nowMs }: { readonly before: Authenticated | undefined; readonly nowMs: number },
): Authenticated | Denied {
  const { expired, meta, ...rest } = checked(refreshResult, result);
  if (expired === true) return EXPIRED;
  const { ttlMs: _, ...kept } = before ?? { user: "" };
  const info = bytesOf(rest.info, rest.b64info);
  return { ...kept, ...timeOf(rest, nowMs), ...given("connectionInfo", info), ...given("meta", meta) };
}

export function toAuthorized(result: unknown, nowMs: number): Authorized {
  const { override: features, ...rest } = checked(subscribeResult, result);
  return {
    allowed: true,
    ...timeOf(rest, nowMs),
    ...given("channelInfo", bytesOf(rest.info, rest.b64info)),
    ...given("data", bytesOf(rest.data, rest.b64data)),
    ...given("features", featuresOf(features)),
  };
}

export function toSubscriptionRefreshed(result: unknown, nowMs: number): Authorized | Denied {
  const { expired, ...rest } = checked(subRefreshResult, result);
  if (expired === true) return EXPIRED;
  return { allowed: true, ...timeOf(rest, nowMs), ...given("channelInfo", bytesOf(rest.info, rest.b64info)) };
}

export function toPublishVerdict(result: unknown): PublishVerdict {
  const { skip_history: skipHistory, tags, idempotency_key: idempotencyKey, ...rest } = checked(publishResult, result);
  return {
    allowed: true,
    ...given("data", bytesOf(rest.data, rest.b64data)),
    ...given("skipHistory", skipHistory),
    ...given("tags", tags),
    ...given("idempotencyKey", idempotencyKey),
  };
}

export function toCallAnswer(result: unknown): Uint8Array {
  const { data: value, b64data } = checked(rpcResult, result);
  return bytesOf(value, b64data) ?? new Uint8Array();
}

function subscriptionOf(one: z.output<typeof subscribeResult>): ServerSubscription {
  return {
    ...given("channelInfo", bytesOf(one.info, one.b64info)),
    ...given("data", bytesOf(one.data, one.b64data)),
    ...given("features", featuresOf(one.override)),
  };
}

function featuresOf(overridden: z.output<typeof override>): SubscriptionFeatures | undefined {
  if (overridden === undefined) return undefined;
  const { presence, join_leave, force_push_join_leave, force_recovery, force_positioning } = overridden;
  return {
    ...given("presence", presence?.value),
    ...given("joinLeave", join_leave?.value),
    ...given("hearsJoinLeave", force_push_join_leave?.value),
    ...given("recovery", force_recovery?.value),
    ...given("positioning", force_positioning?.value),
  };
}

function timeOf(
  { expire_at: seconds = 0 }: { readonly expire_at?: number | undefined },
  nowMs: number,
): { readonly ttlMs?: number } {
  return seconds === 0 ? {} : { ttlMs: seconds * MS_PER_SECOND - nowMs };
}

function bytesOf(value: unknown, base64Text: string | undefined): Uint8Array | undefined {
  if (base64Text !== undefined) return new Uint8Array(Buffer.from(base64Text, "base64"));
  return value === undefined ? undefined : new TextEncoder().encode(JSON.stringify(value));
}

/** A member that is there only when it has a value. */
function given<Name extends string, Value>(
  name: Name,
  value: Value,
): { readonly [Key in Name]?: Exclude<Value, undefined> } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Exclude<Value, undefined> };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new PolywireError("protocol-violation", "the backend's answer is no JSON", { cause });
  }
}

/** What is wrong is told by its place, never by its value. */
function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const { success, data: output, error } = schema.safeParse(value);
  if (success) return output;
  const [issue] = error.issues;
  const place = issue === undefined || issue.path.length === 0 ? "the answer" : issue.path.join(".");
  throw new PolywireError("protocol-violation", `the backend's answer: ${place}: ${issue?.message ?? "is wrong"}`);
}
