import { createPublicKey, type KeyObject } from "node:crypto";
import { checkOptionNames, PolywireError } from "@polywire/core";
import type { TokenKey } from "./options.ts";

type KeyKind = keyof TokenKey;

const KINDS: readonly KeyKind[] = ["hmacSecret", "rsaPublicKey", "ecdsaPublicKey", "ed25519PublicKey", "jwksUrl"];

/** RFC 7518 section 3.2: a key as long as the hash, which is 32 bytes for the shortest of them. */
const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2_048;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const HMAC_ALGORITHMS: readonly string[] = ["HS256", "HS384", "HS512"];
const RSA_ALGORITHMS: readonly string[] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const ED25519_ALGORITHMS: readonly string[] = ["EdDSA", "Ed25519"];
const CURVES: ReadonlyMap<string | undefined, readonly string[]> = new Map([
  ["prime256v1", ["ES256"]],
  ["secp384r1", ["ES384"]],
  ["secp521r1", ["ES512"]],
]);

/** All that a key set may have keys for: those of public keys. */
export const PUBLIC_KEY_ALGORITHMS: readonly string[] = [
  ...RSA_ALGORITHMS,
  ...[...CURVES.values()].flat(),
  ...ED25519_ALGORITHMS,
];

/** A key with the algorithms that it is for. */
export interface FixedKey {
  readonly key: KeyObject | Uint8Array;
  readonly algorithms: readonly string[];
}

/** @throws PolywireError `invalid-argument` unless it is exactly one key; nothing of a key is in it. */
export function checkKeyOption(path: string, given: TokenKey, moreNames: readonly string[] = []): void {
  // Not shown: whoever gives no object gives the key itself.
  if (typeof given !== "object" || given === null) {
    throw new PolywireError("invalid-argument", `${path} is no object: give one with one of ${KINDS.join(", ")}`);
  }
  checkOptionNames(path, given, [...KINDS, ...moreNames]);
  const kinds = KINDS.filter((kind) => given[kind] !== undefined);
  if (kinds.length === 1) return;
  const found = kinds.length === 0 ? "none" : kinds.join(" and ");
  throw new PolywireError("invalid-argument", `${path} has ${found}: give one of ${KINDS.join(", ")}`);
}

/** A key that cannot be used; nothing of it is in here. */
export interface KeyProblem {
  readonly option: keyof TokenKey;
  /** What is wrong, and what to do: "has 6 bytes, which can be guessed: …". */
  readonly message: string;
}

/** What is wrong with a key, for programs that configure it in their own words. A key set is not fetched for it. */
export function tokenKeyProblem(
  given: TokenKey,
  { allowWeakKey = false }: { readonly allowWeakKey?: boolean } = {},
): KeyProblem | undefined {
  try {
    if (given.jwksUrl === undefined) openKey(given, allowWeakKey);
    else keySetUrl(given.jwksUrl);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof UnusableKey) return { option: thrown.option, message: thrown.message };
    throw thrown;
  }
}

/**
 * The key itself, checked; `undefined` for one that is fetched.
 *
 * @throws PolywireError `invalid-argument` for one that cannot be used.
 */
export function fixedKey(path: string, given: TokenKey, allowWeakKey: boolean): FixedKey | undefined {
  const problem = tokenKeyProblem(given, { allowWeakKey });
  if (problem !== undefined)
    throw new PolywireError("invalid-argument", `${path}.${problem.option} ${problem.message}`);
  return openKey(given, allowWeakKey);
}

/** Where a key set is fetched from: nowhere that somebody else could give keys of his own. */
export function keySetUrl(text: string): URL {
  if (typeof text !== "string" || !URL.canParse(text)) throw new UnusableKey("jwksUrl", "is no absolute URL");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new UnusableKey("jwksUrl", "holds credentials: keys are public, so give none");
  }
  if (url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname))) return url;
  const advice = "whoever is on the way could give other keys: use https: (or http: on this machine)";
  throw new UnusableKey("jwksUrl", `begins with ${url.protocol}: ${advice}`);
}

class UnusableKey extends Error {
  readonly option: keyof TokenKey;

  constructor(option: keyof TokenKey, message: string) {
    super(message);
    this.option = option;
  }
}

function openKey(given: TokenKey, allowWeakKey: boolean): FixedKey | undefined {
  const { hmacSecret, rsaPublicKey, ecdsaPublicKey, ed25519PublicKey } = given;
  if (hmacSecret !== undefined) return secretKey(hmacSecret, allowWeakKey);
  if (rsaPublicKey !== undefined) return rsaKey(rsaPublicKey);
  if (ecdsaPublicKey !== undefined) return ecdsaKey(ecdsaPublicKey);
  if (ed25519PublicKey === undefined) return undefined;
  return { key: publicKey("ed25519PublicKey", ed25519PublicKey), algorithms: ED25519_ALGORITHMS };
}

/** The algorithms that a key is for; none for one that no token has. */
export function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  switch (asymmetricKeyType) {
    case "rsa":
      return RSA_ALGORITHMS;
    case "ec":
      return CURVES.get(asymmetricKeyDetails?.namedCurve) ?? [];
    case "ed25519":
      return ED25519_ALGORITHMS;
    default:
      return [];
  }
}

function secretKey(secret: string | Uint8Array, allowWeakKey: boolean): FixedKey {
  if (typeof secret !== "string" && !(secret instanceof Uint8Array)) {
    throw new UnusableKey("hmacSecret", "is no text and no bytes: give one of them");
  }
  const key = typeof secret === "string" ? new TextEncoder().encode(secret) : new Uint8Array(secret);
  if (key.length === 0) throw new UnusableKey("hmacSecret", "is empty: give a secret");
  // Everybody may have a public key, and whoever has this one could sign with it.
  if (typeof secret === "string" && secret.trimStart().startsWith("-----BEGIN")) {
    const advice = "give that as rsaPublicKey, ecdsaPublicKey or ed25519PublicKey";
    throw new UnusableKey("hmacSecret", `is a key in PEM: ${advice}`);
  }
  if (key.length < MIN_SECRET_BYTES && !allowWeakKey) {
    const advice = `give ${MIN_SECRET_BYTES} random bytes or more`;
    throw new UnusableKey("hmacSecret", `has ${key.length} bytes, which can be guessed: ${advice}`);
  }
  return { key, algorithms: HMAC_ALGORITHMS };
}

function rsaKey(pem: string): FixedKey {
  const key = publicKey("rsaPublicKey", pem);
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_RSA_BITS) {
    const advice = `give one of ${MIN_RSA_BITS} or more`;
    throw new UnusableKey("rsaPublicKey", `has ${modulusLength} bits, which can be broken: ${advice}`);
  }
  return { key, algorithms: RSA_ALGORITHMS };
}

function ecdsaKey(pem: string): FixedKey {
  const key = publicKey("ecdsaPublicKey", pem);
  const algorithms = algorithmsOf(key);
  if (algorithms.length > 0) return { key, algorithms };
  throw new UnusableKey("ecdsaPublicKey", "is on a curve that no token has: give one on P-256, P-384 or P-521");
}

/** What the platform calls the types of keys. */
const KEY_TYPES = { rsaPublicKey: "rsa", ecdsaPublicKey: "ec", ed25519PublicKey: "ed25519" } as const;

function publicKey(option: keyof typeof KEY_TYPES, pem: string): KeyObject {
  if (typeof pem !== "string") throw new UnusableKey(option, "is no text: give the key in PEM");
  if (pem.includes("PRIVATE KEY")) {
    throw new UnusableKey(option, "is a private key: give the public one, and keep that elsewhere");
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    // What it says may quote the key.
    throw new UnusableKey(option, "is no public key in PEM");
  }
  const type = KEY_TYPES[option];
  if (key.asymmetricKeyType === type) return key;
  throw new UnusableKey(option, `is a key of type ${key.asymmetricKeyType}: give one of type ${type}`);
}
