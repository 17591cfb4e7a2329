import { Buffer } from "node:buffer";
import type { Capability, ServerSubscription, SubscriptionFeatures } from "@polywire/realtime";
import type { JWTPayload } from "jose";
import { readCapabilities } from "./capabilities.ts";
import { Refusal } from "./refusal.ts";

/** The same as the hub shows others at most. */
const MAX_INFO_BYTES = 2_048;
/** Names of users are kept, compared and shown. */
const MAX_USER_BYTES = 255;
const MAX_CHANNELS = 1_024;
/** Most levels of JSON that others are shown. */
const MAX_INFO_DEPTH = 64;

/** What a connection token says. */
export interface ConnectionClaims {
  /** Empty: anonymous. */
  readonly user: string;
  /** Seconds since 1970. When the connection's time ends; absent: never. */
  readonly expiresAt?: number;
  readonly info?: Uint8Array;
  readonly channels?: readonly string[];
  readonly subscriptions?: ReadonlyMap<string, ServerSubscription>;
  readonly capabilities?: readonly Capability[];
  readonly meta?: unknown;
}

/** What a subscription token says. */
export interface SubscriptionClaims {
  readonly user: string;
  readonly channel: string;
  /** The one connection that it is for, in tokens of old. */
  readonly client?: string;
  /** Seconds since 1970. When the subscription's time ends; absent: never. */
  readonly expiresAt?: number;
  readonly info?: Uint8Array;
  readonly data?: Uint8Array;
  readonly features?: SubscriptionFeatures;
}

/** Something in the claims is not what it must be; the message names the claim. */
class BadClaim extends Error {}

export function connectionClaims(payload: JWTPayload): ConnectionClaims | Refusal {
  if (payload["channel"] !== undefined) {
    return new Refusal("wrong-kind", "is a subscription token (channel), which does not connect");
  }
  return read(() => {
    const { meta } = payload;
    return {
      user: readUser(payload),
      ...expiryOf(payload),
      ...given("info", readBytes(payload, "info", "b64info")),
      ...given(
        "channels",
        payload["channels"] === undefined ? undefined : readChannels("channels", payload["channels"]),
      ),
      ...given("subscriptions", readSubscriptions(payload["subs"])),
      ...given("capabilities", readCapabilities(payload["caps"], fail)),
      ...given("meta", meta),
    };
  });
}

export function subscriptionClaims(payload: JWTPayload): SubscriptionClaims | Refusal {
  if (payload["channel"] === undefined) {
    return new Refusal("wrong-kind", "is no subscription token: it names no channel");
  }
  return read(() => ({
    user: readUser(payload),
    channel: readText("channel", payload["channel"]),
    ...given("client", payload["client"] === undefined ? undefined : readText("client", payload["client"])),
    ...expiryOf(payload),
    ...given("info", readBytes(payload, "info", "b64info")),
    ...given("data", readBytes(payload, "data", "b64data")),
    ...given("features", readOverride("override", payload["override"])),
  }));
}

function read<Claims>(reading: () => Claims): Claims | Refusal {
  try {
    return reading();
  } catch (thrown) {
    if (thrown instanceof BadClaim) return new Refusal("bad-claims", thrown.message);
    throw thrown;
  }
}

function fail(problem: string): never {
  throw new BadClaim(problem);
}

/** A member that is there only when it has a value. */
function given<Name extends string, Value>(
  name: Name,
  value: Value,
): { readonly [Key in Name]?: Exclude<Value, undefined> } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Exclude<Value, undefined> };
}

function readUser({ sub = "" }: JWTPayload): string {
  if (typeof sub !== "string") fail("its claim sub is no text");
  if (Buffer.byteLength(sub) > MAX_USER_BYTES) fail(`its claim sub is longer than ${MAX_USER_BYTES} bytes`);
  return sub;
}

/** `expire_at` goes over `exp`, and 0 there is never. */
function expiryOf(payload: JWTPayload): { readonly expiresAt?: number } {
  const { exp, expire_at: expireAt } = payload as JWTPayload & { readonly expire_at?: unknown };
  if (exp !== undefined && !Number.isFinite(exp)) fail("its claim exp is no time");
  if (expireAt === undefined) return exp === undefined ? {} : { expiresAt: exp };
  if (typeof expireAt !== "number" || !Number.isFinite(expireAt) || expireAt < 0)
    fail("its claim expire_at is no time");
  return expireAt === 0 ? {} : { expiresAt: expireAt };
}

function readText(name: string, value: unknown): string {
  if (typeof value !== "string" || value === "") fail(`its claim ${name} is no text, or empty`);
  return value;
}

function readChannels(name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) fail(`its claim ${name} is no list`);
  if (value.length > MAX_CHANNELS) fail(`its claim ${name} has more than ${MAX_CHANNELS} entries`);
  return value.map((one) => readText(`${name}[]`, one));
}

/** JSON under one name, or bytes in base64 under the other. JSON clients see it in their messages, so it must be JSON. */
function readBytes(from: object, name: string, base64Name: string): Uint8Array | undefined {
  const { [name]: value, [base64Name]: base64 } = from as Readonly<Record<string, unknown>>;
  const isInfo = name === "info";
  if (base64 === undefined)
    return value === undefined ? undefined : bounded(name, Buffer.from(JSON.stringify(value)), isInfo);
  if (typeof base64 !== "string") fail(`its claim ${base64Name} is no text`);
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64").replace(/=+$/, "") !== base64.replace(/=+$/, ""))
    fail(`its claim ${base64Name} is no base64`);
  return bounded(base64Name, bytes, isInfo);
}

function bounded(name: string, bytes: Buffer, isInfo: boolean): Uint8Array {
  if (!isInfo) return new Uint8Array(bytes);
  if (bytes.length > MAX_INFO_BYTES) fail(`its claim ${name} is larger than ${MAX_INFO_BYTES} bytes`);
  if (!isShallowJson(bytes)) fail(`its claim ${name} is no JSON of ${MAX_INFO_DEPTH} levels at most`);
  return new Uint8Array(bytes);
}

function isShallowJson(bytes: Buffer): boolean {
  try {
    return depthOf(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))) < MAX_INFO_DEPTH;
  } catch {
    return false;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function readSubscriptions(value: unknown): ReadonlyMap<string, ServerSubscription> | undefined {
  if (value === undefined) return undefined;
  const entries = Object.entries(asObject("subs", value));
  if (entries.length > MAX_CHANNELS) fail(`its claim subs has more than ${MAX_CHANNELS} entries`);
  return new Map(
    entries.map(([channel, one]) => {
      const options = asObject("subs", one);
      return [
        channel,
        {
          ...given("channelInfo", readBytes(options, "info", "b64info")),
          ...given("data", readBytes(options, "data", "b64data")),
          ...given("features", readOverride("subs.override", options["override"])),
        },
      ];
    }),
  );
}

/** The protocol's names for features, and ours. */
const FEATURES: ReadonlyMap<string, keyof SubscriptionFeatures> = new Map([
  ["presence", "presence"],
  ["join_leave", "joinLeave"],
  ["force_push_join_leave", "hearsJoinLeave"],
  ["force_recovery", "recovery"],
  ["force_positioning", "positioning"],
]);

function readOverride(name: string, value: unknown): SubscriptionFeatures | undefined {
  if (value === undefined) return undefined;
  const features: { -readonly [Name in keyof SubscriptionFeatures]: boolean } = {};
  for (const [key, setting] of Object.entries(asObject(name, value))) {
    const feature = FEATURES.get(key);
    if (feature === undefined)
      fail(`its claim ${name} has something that is none of ${[...FEATURES.keys()].join(", ")}`);
    const { value: isOn } = asObject(name, setting);
    if (typeof isOn !== "boolean") fail(`its claim ${name} has no { value: true or false } for ${key}`);
    features[feature] = isOn;
  }
  return features;
}

function asObject(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(`its claim ${name} is no object`);
  return value as Readonly<Record<string, unknown>>;
}
