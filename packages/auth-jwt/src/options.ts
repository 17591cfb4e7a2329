import {
  type Clock,
  checkBooleanOption,
  checkCountOption,
  checkFunctionOption,
  checkObjectOption,
  checkOptionNames,
  type Logger,
  PolywireError,
  systemClock,
  wrongOption,
} from "@polywire/core";
import { checkKeyOption } from "./token-key.ts";

/** What verifies signatures: exactly one of these. Its kind alone decides which algorithms a token may have. */
export interface TokenKey {
  /** HS256, HS384 and HS512. 32 bytes at least; a text counts as UTF-8. */
  readonly hmacSecret?: string | Uint8Array;
  /** RS256 to RS512 and PS256 to PS512. PEM; 2,048 bits at least. */
  readonly rsaPublicKey?: string;
  /** ES256, ES384 or ES512, as its curve is. PEM. */
  readonly ecdsaPublicKey?: string;
  /** EdDSA. PEM. */
  readonly ed25519PublicKey?: string;
  /** Where an issuer publishes its keys, as a JSON Web Key Set; `https:`, or `http:` on this machine. */
  readonly jwksUrl?: string;
}

/** A key that was replaced, and is good for tokens that were signed with it before. */
export interface PreviousKey extends TokenKey {
  /** When it is good no longer: milliseconds since 1970. */
  readonly untilMs: number;
}

export interface TokenOptions {
  /** Verifies connection tokens, and those of subscriptions unless they have a key of their own. */
  readonly key: TokenKey;
  readonly previousKey?: PreviousKey;
  /** A key of their own for subscription tokens. */
  readonly subscriptionKey?: TokenKey;
  readonly previousSubscriptionKey?: PreviousKey;
  /** Tokens must be for one of these (`aud`). By default it is not looked at. */
  readonly audience?: string | readonly string[];
  /** Tokens must be from one of these (`iss`). By default it is not looked at. */
  readonly issuer?: string | readonly string[];
  /** Lets in who shows no token, and tokens without a user. False. */
  readonly allowAnonymous?: boolean;
  /** Refuses tokens that never expire. True; anything else is told as a warning. */
  readonly requireExpiry?: boolean;
  /** Takes secrets of less than 32 bytes, which can be guessed. False; anything else is told as a warning. */
  readonly allowWeakKey?: boolean;
  /** Longest token. 8,192. */
  readonly maxTokenBytes?: number;
  /** How far the issuer's clock may be off where a token's times are checked. 0. */
  readonly leewayMs?: number;
  /** Longest time that a token gives, whatever it says. A year. */
  readonly maxTtlMs?: number;
  /** Fetches key sets. The platform's. */
  readonly fetch?: typeof globalThis.fetch;
  /** Told why tokens are refused, at `debug`, and of what is relaxed. By default the logger of the network. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface CompleteOptions {
  readonly audience: readonly string[] | undefined;
  readonly issuer: readonly string[] | undefined;
  readonly allowAnonymous: boolean;
  readonly requireExpiry: boolean;
  readonly allowWeakKey: boolean;
  readonly maxTokenBytes: number;
  readonly leewayMs: number;
  readonly maxTtlMs: number;
  readonly fetch: typeof globalThis.fetch;
  readonly logger: Logger | undefined;
  readonly clock: Clock;
}

const NAMES: readonly (keyof TokenOptions)[] = [
  "key",
  "previousKey",
  "subscriptionKey",
  "previousSubscriptionKey",
  "audience",
  "issuer",
  "allowAnonymous",
  "requireExpiry",
  "allowWeakKey",
  "maxTokenBytes",
  "leewayMs",
  "maxTtlMs",
  "fetch",
  "logger",
  "clock",
];

const MAX_TOKEN_BYTES = 8_192;
const YEAR_MS = 31_536_000_000;

/** @throws PolywireError `invalid-argument` naming the option; nothing of a key is in it. */
export function completeOptions(given: TokenOptions): CompleteOptions {
  checkObjectOption("the options of tokens", given);
  checkOptionNames("", given, NAMES);
  const { allowAnonymous = false, requireExpiry = true, allowWeakKey = false, logger, clock = systemClock } = given;
  const { maxTokenBytes = MAX_TOKEN_BYTES, leewayMs = 0, maxTtlMs = YEAR_MS, fetch = globalThis.fetch } = given;
  for (const [name, value] of Object.entries({ allowAnonymous, requireExpiry, allowWeakKey })) {
    checkBooleanOption(name, value);
  }
  checkCountOption("maxTokenBytes", maxTokenBytes);
  if (leewayMs !== 0) checkCountOption("leewayMs", leewayMs);
  checkCountOption("maxTtlMs", maxTtlMs, YEAR_MS);
  checkFunctionOption("fetch", fetch);
  checkKeys(given);
  return {
    audience: words("audience", given.audience),
    issuer: words("issuer", given.issuer),
    allowAnonymous,
    requireExpiry,
    allowWeakKey,
    maxTokenBytes,
    leewayMs,
    maxTtlMs,
    fetch,
    logger,
    clock,
  };
}

function checkKeys({ key, previousKey, subscriptionKey, previousSubscriptionKey }: TokenOptions): void {
  checkKeyOption("key", key);
  if (subscriptionKey !== undefined) checkKeyOption("subscriptionKey", subscriptionKey);
  for (const [name, previous] of Object.entries({ previousKey, previousSubscriptionKey })) {
    if (previous === undefined) continue;
    checkKeyOption(name, previous, ["untilMs"]);
    const { untilMs } = previous;
    if (!Number.isFinite(untilMs)) throw wrongOption(`${name}.untilMs`, untilMs, "give milliseconds since 1970");
  }
  if (previousSubscriptionKey === undefined || subscriptionKey !== undefined) return;
  const advice = "there is no subscriptionKey that replaced it: give that, or give it as previousKey";
  throw new PolywireError("invalid-argument", `previousSubscriptionKey: ${advice}`);
}

function words(name: string, given: string | readonly string[] | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const list = typeof given === "string" ? [given] : given;
  const isList = Array.isArray(list) && list.length > 0;
  if (isList && list.every((one) => typeof one === "string" && one !== "")) return [...list];
  throw wrongOption(name, given, "give a text, or an array of texts");
}
