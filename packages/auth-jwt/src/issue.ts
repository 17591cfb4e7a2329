import { createPrivateKey, type KeyObject } from "node:crypto";
import { type Clock, PolywireError, systemClock } from "@polywire/core";
import type { Action, Capability } from "@polywire/realtime";
import { type JWTPayload, SignJWT } from "jose";
import { ACTIONS } from "./capabilities.ts";
import { algorithmsOf, fixedKey } from "./token-key.ts";

const MS_PER_SECOND = 1_000;

/** What signs tokens: exactly one of these. */
export interface SigningKey {
  readonly hmacSecret?: string | Uint8Array;
  /** RSA, ECDSA or Ed25519; PEM. */
  readonly privateKey?: string;
  /** Told in the token, for who verifies it by a key set. */
  readonly keyId?: string;
}

/** What a token is to say. With a `channel` it is a subscription token, without one it connects. */
export interface TokenContent {
  /** Empty or absent: anonymous. */
  readonly user?: string;
  readonly channel?: string;
  /** How long it is good, in milliseconds; whole seconds are counted. Absent: for ever, which servers refuse by default. */
  readonly ttlMs?: number;
  /** Any JSON: shown to others. */
  readonly info?: unknown;
  /** Any JSON: told to the client with its subscription. */
  readonly data?: unknown;
  /** Channels that the server is to subscribe the client to. */
  readonly channels?: readonly string[];
  readonly capabilities?: readonly Capability[];
  /** Any JSON: for the server's own hooks. */
  readonly meta?: unknown;
  readonly audience?: string;
  readonly issuer?: string;
}

export interface IssueOptions {
  /** Of those that the key is for; the first by default. */
  readonly algorithm?: string;
  readonly clock?: Clock;
  /** Signs with secrets of less than 32 bytes. False. */
  readonly allowWeakKey?: boolean;
}

/**
 * A signed token, for clients of servers that know the key.
 *
 * @throws PolywireError `invalid-argument` for a key that cannot sign; nothing of it is in the message.
 */
export async function issueToken(
  content: TokenContent,
  signingKey: SigningKey,
  { algorithm, clock = systemClock, allowWeakKey = false }: IssueOptions = {},
): Promise<string> {
  const { key, algorithms } = signer(signingKey, allowWeakKey);
  const [first = ""] = algorithms;
  const alg = algorithm ?? first;
  if (!algorithms.includes(alg)) {
    throw new PolywireError("invalid-argument", `algorithm is "${alg}": the key is for ${algorithms.join(", ")}`);
  }
  const { keyId } = signingKey;
  const header = { alg, typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) };
  return await new SignJWT(claimsOf(content, clock)).setProtectedHeader(header).sign(key);
}

function claimsOf(content: TokenContent, clock: Clock): JWTPayload {
  const { user = "", channel, ttlMs, info, data, channels, capabilities, meta, audience, issuer } = content;
  const nowSeconds = Math.floor(clock.wallTime() / MS_PER_SECOND);
  if (ttlMs !== undefined && !(ttlMs > 0)) {
    throw new PolywireError("invalid-argument", `ttlMs is ${ttlMs}: give a positive number of milliseconds`);
  }
  return {
    ...(user === "" ? {} : { sub: user }),
    ...(channel === undefined ? {} : { channel }),
    iat: nowSeconds,
    ...(ttlMs === undefined ? {} : { exp: nowSeconds + Math.max(1, Math.floor(ttlMs / MS_PER_SECOND)) }),
    ...(audience === undefined ? {} : { aud: audience }),
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(info === undefined ? {} : { info }),
    ...(data === undefined ? {} : { data }),
    ...(channels === undefined ? {} : { channels }),
    ...(capabilities === undefined ? {} : { caps: capabilities.map(capabilityClaim) }),
    ...(meta === undefined ? {} : { meta }),
  };
}

const WORDS: ReadonlyMap<Action, unknown> = new Map([...ACTIONS].map(([word, action]) => [action, word]));

function capabilityClaim({ channels, allow }: Capability): object {
  const match = channels.some((name) => name.includes("*")) ? { match: "wildcard" } : {};
  return { channels, ...match, allow: allow.map((action) => WORDS.get(action)) };
}

interface Signer {
  readonly key: KeyObject | Uint8Array;
  readonly algorithms: readonly string[];
}

function signer({ hmacSecret, privateKey }: SigningKey, allowWeakKey: boolean): Signer {
  if ((hmacSecret === undefined) === (privateKey === undefined)) {
    throw new PolywireError("invalid-argument", "give one key to sign with: hmacSecret or privateKey");
  }
  if (privateKey === undefined) return fixedKey("key", { hmacSecret: hmacSecret as string }, allowWeakKey) as Signer;
  let key: KeyObject;
  try {
    key = createPrivateKey(privateKey);
  } catch {
    // What it says may quote the key.
    throw new PolywireError("invalid-argument", "privateKey is no private key in PEM without a passphrase");
  }
  return { key, algorithms: algorithmsOf(key) };
}
