import { ManualClock } from "@polywire/core/testing";
import { DISCONNECTS, ERRORS } from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { Refusal, type TokenOptions, Tokens } from "../src/index.ts";
import { type Claims, encoded, forged, hs256 } from "./forge.ts";
import { rsa, SECRET } from "./keys.ts";

const clock = new ManualClock();
const NOW = Math.floor(clock.wallTime() / 1_000);
const HOUR = 3_600;
const GOOD = { sub: "42", exp: NOW + HOUR };

const ORIGIN = { transport: "test", encoding: "json" };

function tokensWith(options: Partial<TokenOptions> = {}): Tokens {
  return new Tokens({ key: { hmacSecret: SECRET }, clock, ...options });
}

/** What the hub is answered for a connect with the token. */
function connect(tokens: Tokens, token?: string): ReturnType<Tokens["authenticate"]> {
  const shown = token === undefined ? {} : { token };
  return tokens.authenticate({ action: "connect", client: "c1", origin: ORIGIN, ...shown });
}

function subscribe(
  tokens: Tokens,
  token: string,
  action: "subscribe" | "refresh" = "subscribe",
): ReturnType<Tokens["authorize"]> {
  return tokens.authorize({ action, channel: "news", client: "c1", user: "42", token });
}

async function problemOf(tokens: Tokens, token: string): Promise<string> {
  const verdict = await tokens.checkConnection(token);
  return verdict instanceof Refusal ? verdict.problem : "accepted";
}

const INVALID = { disconnect: DISCONNECTS.invalidToken };
const signed = (claims: Claims, header: Claims = {}): string => hs256(claims, SECRET, header);
const [goodHeader = "", goodClaims = "", goodSignature = ""] = signed(GOOD).split(".");

/** A byte other than the one that is there, in a place where all its bits count. */
function flipped(part: string): string {
  return `${part.startsWith("A") ? "B" : "A"}${part.slice(1)}`;
}

describe("a connection token", () => {
  it("that is good lets its user in, for as long as it says", async () => {
    expect(await connect(tokensWith(), signed(GOOD))).toEqual({ user: "42", ttlMs: HOUR * 1_000 });
  });

  it.each<[string, string, string]>([
    ["K01 with the algorithm none", forged({ alg: "none" }, GOOD, SECRET), "wrong-algorithm"],
    ["K01 with the algorithm none and no signature", `${encoded({ alg: "none" })}.${goodClaims}.`, "malformed"],
    ["K02 with the algorithm nOnE", forged({ alg: "nOnE" }, GOOD, SECRET), "wrong-algorithm"],
    ["with no algorithm", forged({ typ: "JWT" }, GOOD, SECRET), "malformed"],
    ["with an algorithm that is no text", forged({ alg: ["HS256"] }, GOOD, SECRET), "malformed"],
    ["K05 with RS256 where the key is a secret", forged({ alg: "RS256" }, GOOD, SECRET), "wrong-algorithm"],
    [
      "K06 with a flipped bit in its signature",
      `${goodHeader}.${goodClaims}.${flipped(goodSignature)}`,
      "bad-signature",
    ],
    [
      "with other claims under the same signature",
      `${goodHeader}.${encoded({ ...GOOD, sub: "1" })}.${goodSignature}`,
      "bad-signature",
    ],
    ["with another secret", hs256(GOOD, `${SECRET}!`), "bad-signature"],
    ["K07 with an empty signature", `${goodHeader}.${goodClaims}.`, "malformed"],
    ["K08 of two parts", `${goodHeader}.${goodClaims}`, "malformed"],
    ["K09 of five parts", `${goodHeader}.a.b.${goodClaims}.${goodSignature}`, "malformed"],
    ["K20 that says it is compressed", signed(GOOD, { zip: "DEF", crit: ["zip"] }), "malformed"],
    ["K16 whose claims are a list", hs256([GOOD], SECRET), "bad-claims"],
    ["K16 whose claims are a text", hs256('"claims"', SECRET), "bad-claims"],
    ["K16 whose claims are no JSON", hs256("{", SECRET), "bad-claims"],
    ["K18 with padding", `${goodHeader}=.${goodClaims}.${goodSignature}`, "malformed"],
    ["K18 in the other base64", `${goodHeader}.${goodClaims}.${goodSignature.slice(0, -1)}+`, "malformed"],
    [
      "with stray bits at the end of its signature",
      `${goodHeader}.${goodClaims}.${strayBits(goodSignature)}`,
      "malformed",
    ],
    ["with a space", `${goodHeader}.${goodClaims}. ${goodSignature}`, "malformed"],
    ["K25 without a user", signed({ exp: NOW + HOUR }), "bad-claims"],
    ["K25 with an empty user", signed({ sub: "", exp: NOW + HOUR }), "bad-claims"],
    ["whose user is a number", signed({ sub: 42, exp: NOW + HOUR }), "bad-claims"],
    ["K27 whose user has 1 KiB", signed({ ...GOOD, sub: "x".repeat(1_024) }), "bad-claims"],
    ["K29 for a subscription", signed({ ...GOOD, channel: "news" }), "wrong-kind"],
    ["K36 that never expires", signed({ sub: "42" }), "no-expiry"],
    ["that expires at no time", signed({ sub: "42", exp: "tomorrow" }), "bad-claims"],
    ["that expires in infinity", hs256('{"sub":"42","exp":1e999}', SECRET), "bad-claims"],
    ["K37 from the future", signed({ ...GOOD, iat: NOW + 120 }), "issued-in-future"],
    ["of 8,193 bytes", signed({ ...GOOD, meta: "x".repeat(8_192) }), "too-large"],
    ["of nothing", ".", "malformed"],
  ])("%s is refused with 3500", async (_, token, problem) => {
    const tokens = tokensWith();
    expect(await problemOf(tokens, token)).toBe(problem);
    expect(await connect(tokens, token)).toEqual(INVALID);
  });

  it("K03 signed with HMAC by the public key is refused", async () => {
    const tokens = tokensWith({ key: { rsaPublicKey: rsa.publicKey } });
    for (const key of [
      rsa.publicKey,
      rsa.publicKey.trim(),
      rsa.keys.publicKey.export({ type: "spki", format: "der" }),
    ]) {
      expect(await problemOf(tokens, hs256(GOOD, key))).toBe("wrong-algorithm");
    }
  });

  it("K10 that brings its own key, or says where to fetch it, is refused, and nothing is fetched", async () => {
    const fetched: unknown[] = [];
    const fetch = ((url: unknown) => {
      fetched.push(url);
      return Promise.reject(new Error("no network"));
    }) as typeof globalThis.fetch;
    const jwk = { kty: "oct", k: encoded("attacker") };
    for (const header of [
      { jwk },
      { jku: "http://127.0.0.1:1/" },
      { x5u: "http://127.0.0.1:1/" },
      { kid: "../../dev/null" },
    ]) {
      expect(await problemOf(tokensWith({ fetch }), hs256(GOOD, "attacker", header))).toBe("bad-signature");
    }
    expect(fetched).toEqual([]);
  });

  it.each<[string, Claims]>([
    ["K33 that expired a second ago", { ...GOOD, exp: NOW - 1 }],
    ["that expires this very second", { ...GOOD, exp: NOW }],
    ["K34 that is not valid before a minute has passed", { ...GOOD, nbf: NOW + 60 }],
  ])("%s is answered 109, so that the client fetches another", async (_, claims) => {
    expect(await connect(tokensWith(), signed(claims))).toEqual({ error: ERRORS.tokenExpired });
  });

  it("K44 that has expired does not revive when the clock goes back", async () => {
    let backMs = 0;
    class TurnedClock extends ManualClock {
      override wallTime(): number {
        return super.wallTime() - backMs;
      }
    }
    const turned = new TurnedClock();
    const logged: unknown[] = [];
    const logger = { log: (...line: readonly unknown[]) => void logged.push(line) };
    const tokens = tokensWith({ clock: turned, logger });
    const token = signed({ sub: "42", exp: NOW + 60 });
    expect(await problemOf(tokens, token)).toBe("accepted");
    turned.advance(61_000);
    expect(await problemOf(tokens, token)).toBe("expired");
    backMs = HOUR * 1_000;
    expect(await problemOf(tokens, token)).toBe("expired");
    turned.advance(1_000);
    expect(await problemOf(tokens, token)).toBe("expired");
    expect(logged).toHaveLength(1);
    backMs = 0;
    turned.advance(1);
    expect(await problemOf(tokens, signed({ sub: "42", exp: NOW + 120 }))).toBe("accepted");
  });

  it.each<[string, Partial<TokenOptions>, Claims, string]>([
    ["K21 another issuer", { issuer: "us" }, { iss: "them" }, "wrong-issuer"],
    ["no issuer", { issuer: ["us", "we"] }, {}, "wrong-issuer"],
    ["K23 another audience", { audience: "chat" }, { aud: "shop" }, "wrong-audience"],
    ["other audiences", { audience: ["chat"] }, { aud: ["shop", "mail"] }, "wrong-audience"],
    ["no audience", { audience: "chat" }, {}, "wrong-audience"],
    ["the issuer", { issuer: ["us", "we"] }, { iss: "we" }, "accepted"],
    ["the audience among others", { audience: ["chat"] }, { aud: ["shop", "chat"] }, "accepted"],
    ["the audience alone", { audience: "chat" }, { aud: "chat" }, "accepted"],
  ])("with %s is told apart", async (_, options, claims, problem) => {
    expect(await problemOf(tokensWith(options), signed({ ...GOOD, ...claims }))).toBe(problem);
  });

  it("is judged by the issuer's clock as far as the leeway goes", async () => {
    const tokens = tokensWith({ leewayMs: 5_000 });
    expect(await connect(tokens, signed({ ...GOOD, exp: NOW - 4 }))).toEqual({ user: "42", ttlMs: 1_000 });
    expect(await problemOf(tokens, signed({ ...GOOD, exp: NOW - 5 }))).toBe("expired");
    expect(await problemOf(tokens, signed({ ...GOOD, nbf: NOW + 5 }))).toBe("accepted");
    expect(await problemOf(tokensWith(), signed({ ...GOOD, iat: NOW + 30 }))).toBe("accepted");
  });

  it("gives a year at most, or what the program says", async () => {
    const forever = signed({ ...GOOD, exp: NOW + 100 * 365 * 24 * HOUR });
    expect(await connect(tokensWith(), forever)).toEqual({ user: "42", ttlMs: 365 * 24 * HOUR * 1_000 });
    expect(await connect(tokensWith({ maxTtlMs: 1_000 }), forever)).toEqual({ user: "42", ttlMs: 1_000 });
  });

  it("may give the connection another time than it has itself", async () => {
    expect(await connect(tokensWith(), signed({ ...GOOD, expire_at: NOW + 10 }))).toEqual({
      user: "42",
      ttlMs: 10_000,
    });
    expect(await connect(tokensWith(), signed({ ...GOOD, expire_at: 0 }))).toEqual({ user: "42" });
    expect(await problemOf(tokensWith(), signed({ sub: "42", expire_at: NOW + 10 }))).toBe("no-expiry");
    expect(await problemOf(tokensWith(), signed({ ...GOOD, expire_at: -1 }))).toBe("bad-claims");
    expect(await problemOf(tokensWith(), signed({ ...GOOD, expire_at: "0" }))).toBe("bad-claims");
  });
});

/** The same bytes, with one of the two bits set that the last letter has to spare. */
function strayBits(part: string): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return part.slice(0, -1) + letters[letters.indexOf(part.at(-1) ?? "") + 1];
}

describe("who shows no token", () => {
  it("is ended with 3501, or let in where anonymous users are", async () => {
    expect(await connect(tokensWith())).toEqual({ disconnect: DISCONNECTS.badRequest });
    const open = tokensWith({ allowAnonymous: true });
    expect(await connect(open)).toEqual({ user: "" });
    expect(await connect(open, signed({ exp: NOW + HOUR }))).toEqual({ user: "", ttlMs: HOUR * 1_000 });
    expect(await connect(open, "garbage")).toEqual(INVALID);
  });
});

describe("a subscription token", () => {
  const CLAIMS = { ...GOOD, channel: "news" };

  it("opens its channel to its user, for as long as it says", async () => {
    expect(await subscribe(tokensWith(), signed(CLAIMS))).toEqual({ allowed: true, ttlMs: HOUR * 1_000 });
    expect(await subscribe(tokensWith(), signed({ ...CLAIMS, client: "c1" }), "refresh")).toMatchObject({
      allowed: true,
    });
  });

  it.each<[string, Claims, object, object]>([
    ["K30 for another channel", { ...CLAIMS, channel: "other" }, INVALID, INVALID],
    ["for another user", { ...CLAIMS, sub: "43" }, INVALID, INVALID],
    ["for nobody", { exp: CLAIMS.exp, channel: "news" }, INVALID, INVALID],
    ["for another connection", { ...CLAIMS, client: "c2" }, INVALID, INVALID],
    ["that has expired", { ...CLAIMS, exp: NOW - 1 }, { error: ERRORS.tokenExpired }, { error: ERRORS.tokenExpired }],
    ["that never expires", { sub: "42", channel: "news" }, { error: ERRORS.permissionDenied }, INVALID],
    ["that is none", GOOD, { error: ERRORS.permissionDenied }, INVALID],
  ])(
    "%s is refused as the protocol has it, to a subscribe and to a refresh",
    async (_, claims, subscribed, refreshed) => {
      expect(await subscribe(tokensWith(), signed(claims))).toEqual(subscribed);
      expect(await subscribe(tokensWith(), signed(claims), "refresh")).toEqual(refreshed);
    },
  );

  it("with a wrong signature is answered 103, and ends the session at a refresh", async () => {
    const token = hs256(CLAIMS, "another secret");
    expect(await subscribe(tokensWith(), token)).toEqual({ error: ERRORS.permissionDenied });
    expect(await subscribe(tokensWith(), token, "refresh")).toEqual(INVALID);
    expect(await subscribe(tokensWith(), "")).toEqual({ error: ERRORS.permissionDenied });
  });

  it("has a key of its own where there is one", async () => {
    const own = "another secret of thirty-two bytes";
    const tokens = tokensWith({ subscriptionKey: { hmacSecret: own } });
    expect(await subscribe(tokens, hs256(CLAIMS, own))).toMatchObject({ allowed: true });
    expect(await subscribe(tokens, signed(CLAIMS))).toEqual({ error: ERRORS.permissionDenied });
    expect(await connect(tokens, hs256(GOOD, own))).toEqual(INVALID);
    expect(await connect(tokens, signed(GOOD))).toMatchObject({ user: "42" });
  });
});

describe("the specification's own tokens", () => {
  const SECRET_OF_THE_SPECIFICATION = "secret";
  const CONNECTION =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MzgwNzg4MjR9.MTb3higWfFW04E9-8wmTFOcf4MEm-rMDQaNKJ1VU_n4";
  const SUBSCRIPTION =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3Mzc1MzIzNDgsImNoYW5uZWwiOiJ0ZXN0MSJ9.eqPQxbBtyYxL8Hvbkm-P6aH7chUsSG_EMWe-rTwF_HI";
  const RELAXED = {
    key: { hmacSecret: SECRET_OF_THE_SPECIFICATION },
    allowWeakKey: true,
    requireExpiry: false,
    allowAnonymous: true,
    clock,
  };

  it("are good where a weak key, no expiry and no user are", async () => {
    const tokens = new Tokens(RELAXED);
    expect(await connect(tokens, CONNECTION)).toEqual({ user: "" });
    const asked = { action: "subscribe", channel: "test1", client: "c1", user: "", token: SUBSCRIPTION } as const;
    expect(await tokens.authorize(asked)).toEqual({ allowed: true });
    expect(await tokens.authorize({ ...asked, channel: "test2" })).toEqual(INVALID);
  });

  it("are refused without any one of the three", async () => {
    expect(() => new Tokens({ ...RELAXED, allowWeakKey: false })).toThrow("key.hmacSecret has 6 bytes");
    expect(await problemOf(new Tokens({ ...RELAXED, requireExpiry: true }), CONNECTION)).toBe("no-expiry");
    expect(await problemOf(new Tokens({ ...RELAXED, allowAnonymous: false }), CONNECTION)).toBe("bad-claims");
  });
});
