import { z } from "zod";
import { readSecret, type Secret } from "./secret.ts";
import { setting } from "./setting.ts";
import { formatDuration, formatSize, kindOf, readBoolean, readDuration, readSize, readText } from "./values.ts";

/** Longest PEM, and longest URL. */
const MAX_KEY_CHARACTERS = 16_384;
const MAX_PATH_CHARACTERS = 4_096;
const MAX_WORD_CHARACTERS = 1_024;
const YEAR_MS = 31_536_000_000;
const MAX_LEEWAY_MS = 600_000;
const DEFAULT_TOKEN_BYTES = 8_192;
const MAX_TOKEN_BYTES = 1_048_576;

/** A key as it is configured: exactly one of these. */
export interface KeyConfig {
  readonly hmacSecret?: Secret | undefined;
  readonly hmacSecretFile?: string | undefined;
  readonly rsaPublicKey?: string | undefined;
  readonly rsaPublicKeyFile?: string | undefined;
  readonly ecdsaPublicKey?: string | undefined;
  readonly ecdsaPublicKeyFile?: string | undefined;
  readonly ed25519PublicKey?: string | undefined;
  readonly ed25519PublicKeyFile?: string | undefined;
  readonly jwksUrl?: string | undefined;
}

interface PreviousKeyConfig extends KeyConfig {
  /** Milliseconds since 1970. */
  readonly untilMs: number;
}

export interface KeysConfig {
  readonly key: KeyConfig;
  readonly previous?: PreviousKeyConfig | undefined;
}

export interface TokenConfig extends KeysConfig {
  readonly audience?: readonly string[] | undefined;
  readonly issuer?: readonly string[] | undefined;
  readonly requireExpiry: boolean;
  readonly allowWeakKey: boolean;
  readonly leewayMs: number;
  readonly maxTtlMs: number;
  readonly maxBytes: number;
}

/** As the schema leaves it. */
interface CheckedKeys extends KeyConfig {
  readonly previous?: (KeyConfig & { readonly until: number }) | undefined;
}

interface CheckedToken extends CheckedKeys {
  readonly audience?: readonly string[] | undefined;
  readonly issuer?: readonly string[] | undefined;
  readonly requireExpiry: boolean;
  readonly allowWeakKey: boolean;
  readonly leeway: number;
  readonly maxTtl: number;
  readonly maxBytes: number;
}

function fileOf(what: string) {
  return setting({ form: "text", description: `file with ${what}`, default: "" }, (raw) =>
    readText(raw, MAX_PATH_CHARACTERS),
  ).optional();
}

function pem(what: string) {
  return setting({ form: "text", description: `${what}, in PEM`, default: "" }, (raw) =>
    readText(raw, MAX_KEY_CHARACTERS),
  ).optional();
}

const keyShape = {
  hmacSecret: setting(
    {
      form: "text",
      description: "secret of 32 bytes at least, for HS256 to HS512; better in a file or the variable",
      default: "",
    },
    readSecret,
  ).optional(),
  hmacSecretFile: fileOf("that secret; a line end after it does not count"),
  rsaPublicKey: pem("public key for RS256 to RS512 and PS256 to PS512"),
  rsaPublicKeyFile: fileOf("that key"),
  ecdsaPublicKey: pem("public key for ES256, ES384 or ES512"),
  ecdsaPublicKeyFile: fileOf("that key"),
  ed25519PublicKey: pem("public key for EdDSA"),
  ed25519PublicKeyFile: fileOf("that key"),
  jwksUrl: setting(
    {
      form: "text",
      description: "where an issuer publishes its keys; `https:`, or `http:` on this machine",
      default: "",
    },
    (raw) => readText(raw, MAX_KEY_CHARACTERS),
  ).optional(),
};

const previousSchema = z
  .strictObject({
    ...keyShape,
    until: setting(
      {
        form: "text",
        description: "when the key that was replaced is good no longer, such as `2027-01-31T00:00:00Z`",
        default: "",
      },
      readMoment,
    ),
  })
  .optional();

function words(description: string) {
  return z
    .array(setting({ form: "text", description: "a text", default: "" }, (raw) => readText(raw, MAX_WORD_CHARACTERS)))
    .min(1)
    .meta({ setting: { form: "list", description, default: "not checked" } })
    .optional();
}

function relaxable(description: string, fallback: boolean) {
  return setting({ form: "boolean", description, default: String(fallback) }, readBoolean).default(fallback);
}

/** Connection tokens, and what goes for all tokens. */
export const tokenSchema: z.ZodOptional<z.ZodType<CheckedToken>> = z
  .strictObject({
    ...keyShape,
    previous: previousSchema,
    audience: words("tokens must be for one of these (`aud`)"),
    issuer: words("tokens must be from one of these (`iss`)"),
    requireExpiry: relaxable("`false` takes tokens that never expire, with a warning in the log", true),
    allowWeakKey: relaxable("`true` takes secrets of less than 32 bytes, with a warning in the log", false),
    leeway: setting({ form: "text", description: "how far the issuer's clock may be off", default: "0s" }, (raw) =>
      readDuration(raw, { min: 0, max: MAX_LEEWAY_MS }),
    ).default(0),
    maxTtl: setting(
      { form: "text", description: "longest time that a token gives", default: formatDuration(YEAR_MS) },
      (raw) => readDuration(raw, { min: 1_000, max: YEAR_MS }),
    ).default(YEAR_MS),
    maxBytes: setting({ form: "text", description: "longest token", default: formatSize(DEFAULT_TOKEN_BYTES) }, (raw) =>
      readSize(raw, { min: 256, max: MAX_TOKEN_BYTES }),
    ).default(DEFAULT_TOKEN_BYTES),
  })
  .optional();

/** Keys of their own for subscription tokens. */
export const subscriptionTokenSchema: z.ZodOptional<z.ZodType<CheckedKeys>> = z
  .strictObject({ ...keyShape, previous: previousSchema })
  .optional();

/** A moment in ISO 8601 with its time zone, so that nobody has to guess it. */
function readMoment(raw: unknown): number {
  if (typeof raw !== "string") throw new Error(`must be a moment like 2027-01-31T00:00:00Z, not ${kindOf(raw)}`);
  const isWhole = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(raw);
  const moment = isWhole ? Date.parse(raw) : Number.NaN;
  if (Number.isNaN(moment))
    throw new Error("is no moment with date, time and zone: write it like 2027-01-31T00:00:00Z");
  return moment;
}

export function completeToken(checked: CheckedToken | undefined): TokenConfig | undefined {
  if (checked === undefined) return undefined;
  const { audience, issuer, requireExpiry, allowWeakKey, leeway, maxTtl, maxBytes, ...keys } = checked;
  const limits = { leewayMs: leeway, maxTtlMs: maxTtl, maxBytes };
  return { ...(completeKeys(keys) as KeysConfig), audience, issuer, requireExpiry, allowWeakKey, ...limits };
}

export function completeKeys(checked: CheckedKeys | undefined): KeysConfig | undefined {
  if (checked === undefined) return undefined;
  const { previous, ...key } = checked;
  if (previous === undefined) return { key };
  const { until, ...previousKey } = previous;
  return { key, previous: { ...previousKey, untilMs: until } };
}
