import { createPublicKey, type KeyObject } from "node:crypto";
import { checkObjectOption, checkOptionNames, PolywireError } from "@polywire/core";
import type { TokenKey } from "./options.ts";

type KeyKind = keyof TokenKey;

const KINDS: readonly KeyKind[] = ["hmacSecret", "rsaPublicKey", "ecdsaPublicKey", "ed25519PublicKey", "jwksUrl"];

/** RFC 7518 section 3.2: a key as long as the hash, which is 32 bytes for the shortest of them. */
export const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2_048;

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

/** @throws PolywireError `invalid-argument` unless it is exactly one key; which one it is shows in no message. */
export function checkKeyOption(path: string, given: TokenKey): void {
  checkObjectOption(path, given);
  checkOptionNames(path, given, KINDS);
  const kinds = KINDS.filter((kind) => given[kind] !== undefined);
  if (kinds.length === 1) return;
  const found = kinds.length === 0 ? "none" : kinds.join(" and ");
  throw new PolywireError("invalid-argument", `${path} has ${found}: give one of ${KINDS.join(", ")}`);
}

/**
 * The key itself, checked; `undefined` for one that is fetched.
 *
 * @throws PolywireError `invalid-argument` for one that cannot be used.
 */
export function fixedKey(path: string, given: TokenKey, allowWeakKey: boolean): FixedKey | undefined {
  const { hmacSecret, rsaPublicKey, ecdsaPublicKey, ed25519PublicKey } = given;
  if (hmacSecret !== undefined) return secretKey(`${path}.hmacSecret`, hmacSecret, allowWeakKey);
  if (rsaPublicKey !== undefined) return rsaKey(`${path}.rsaPublicKey`, rsaPublicKey);
  if (ecdsaPublicKey !== undefined) return ecdsaKey(`${path}.ecdsaPublicKey`, ecdsaPublicKey);
  if (ed25519PublicKey !== undefined) {
    const key = publicKey(`${path}.ed25519PublicKey`, ed25519PublicKey, "ed25519");
    return { key, algorithms: ED25519_ALGORITHMS };
  }
  return undefined;
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

function secretKey(path: string, secret: string | Uint8Array, allowWeakKey: boolean): FixedKey {
  if (typeof secret !== "string" && !(secret instanceof Uint8Array)) {
    throw unusable(path, "is no text and no bytes: give one of them");
  }
  const key = typeof secret === "string" ? new TextEncoder().encode(secret) : new Uint8Array(secret);
  if (key.length === 0) throw unusable(path, "is empty: give a secret");
  // Everybody may have a public key, and whoever has this one could sign with it.
  if (typeof secret === "string" && secret.trimStart().startsWith("-----BEGIN")) {
    throw unusable(path, "is a key in PEM: give that as rsaPublicKey, ecdsaPublicKey or ed25519PublicKey");
  }
  if (key.length < MIN_SECRET_BYTES && !allowWeakKey) {
    throw unusable(
      path,
      `has ${key.length} bytes, which can be guessed: give ${MIN_SECRET_BYTES} random bytes or more`,
    );
  }
  return { key, algorithms: HMAC_ALGORITHMS };
}

function rsaKey(path: string, pem: string): FixedKey {
  const key = publicKey(path, pem, "rsa");
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_RSA_BITS) {
    throw unusable(path, `has ${modulusLength} bits, which can be broken: give one of ${MIN_RSA_BITS} or more`);
  }
  return { key, algorithms: RSA_ALGORITHMS };
}

function ecdsaKey(path: string, pem: string): FixedKey {
  const key = publicKey(path, pem, "ec");
  const algorithms = algorithmsOf(key);
  if (algorithms.length === 0)
    throw unusable(path, "is on a curve that no token has: give one on P-256, P-384 or P-521");
  return { key, algorithms };
}

function publicKey(path: string, pem: string, type: "rsa" | "ec" | "ed25519"): KeyObject {
  if (typeof pem !== "string") throw unusable(path, "is no text: give the key in PEM");
  if (pem.includes("PRIVATE KEY"))
    throw unusable(path, "is a private key: give the public one, and keep that elsewhere");
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    // What it says may quote the key.
    throw unusable(path, "is no public key in PEM");
  }
  if (key.asymmetricKeyType === type) return key;
  throw unusable(path, `is a key of type ${key.asymmetricKeyType}: give one of type ${type}`);
}

function unusable(path: string, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `${path} ${problem}`);
}
