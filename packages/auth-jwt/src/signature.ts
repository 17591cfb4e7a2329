import type { KeyObject } from "node:crypto";
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { Refusal } from "./refusal.ts";
import { KeysUnavailable } from "./remote-keys.ts";

const MS_PER_SECOND = 1_000;

/** A key, or where it is found, with the algorithms that a token may have which it verifies. */
export interface VerifyingKey {
  readonly key: JWTVerifyGetKey | KeyObject | Uint8Array;
  readonly algorithms: readonly string[];
}

export interface Expectations {
  readonly audience: readonly string[] | undefined;
  readonly issuer: readonly string[] | undefined;
  readonly leewayMs: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** What the token says, once its signature, audience, issuer and times are right. */
export async function verifySigned(
  token: string,
  { key, algorithms }: VerifyingKey,
  { audience, issuer, leewayMs, nowMs }: Expectations,
): Promise<JWTPayload | Refusal> {
  const options = {
    algorithms: [...algorithms],
    ...(audience === undefined ? {} : { audience: [...audience] }),
    ...(issuer === undefined ? {} : { issuer: [...issuer] }),
    clockTolerance: leewayMs / MS_PER_SECOND,
    currentDate: new Date(nowMs),
  };
  try {
    const verified =
      typeof key === "function" ? await jwtVerify(token, key, options) : await jwtVerify(token, key, options);
    return verified.payload;
  } catch (thrown) {
    return refusalFor(thrown);
  }
}

/** The library's messages name claims, never values; still ours are said, so that nothing of a token can get out. */
function refusalFor(thrown: unknown): Refusal {
  if (thrown instanceof KeysUnavailable) return new Refusal("keys-unavailable", "there are no keys to verify it with");
  if (thrown instanceof errors.JWTExpired) return new Refusal("expired", "has expired (exp)");
  if (thrown instanceof errors.JWTClaimValidationFailed) return claimRefusal(thrown);
  if (thrown instanceof errors.JOSEAlgNotAllowed) {
    return new Refusal("wrong-algorithm", "its algorithm (alg) is none that the key is for");
  }
  if (thrown instanceof errors.JOSENotSupported) {
    return new Refusal("malformed", "its header asks for something that is not understood (crit)");
  }
  if (thrown instanceof errors.JWSSignatureVerificationFailed) {
    return new Refusal("bad-signature", "its signature is wrong, or made with another key");
  }
  if (thrown instanceof errors.JWKSNoMatchingKey) {
    return new Refusal("unknown-key", "no key of the set fits its kid and algorithm");
  }
  if (thrown instanceof errors.JWKSMultipleMatchingKeys) {
    return new Refusal("unknown-key", "has no kid, and several keys of the set fit it");
  }
  if (thrown instanceof errors.JWTInvalid) return new Refusal("bad-claims", "its claims are no JSON object");
  if (thrown instanceof errors.JWSInvalid) return new Refusal("malformed", "is no signed token");
  return new Refusal("unknown-key", "the key that it names cannot be used");
}

function claimRefusal({ claim, reason }: errors.JWTClaimValidationFailed): Refusal {
  if (claim === "nbf" && reason === "check_failed") return new Refusal("not-yet-valid", "is not valid yet (nbf)");
  if (claim === "aud") return new Refusal("wrong-audience", "is for another audience (aud)");
  if (claim === "iss") return new Refusal("wrong-issuer", "is from another issuer (iss)");
  return new Refusal("bad-claims", `its claim ${claim} is ${reason === "missing" ? "missing" : "wrong"}`);
}
