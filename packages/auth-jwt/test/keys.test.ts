import { generateKeyPairSync } from "node:crypto";
import { PolywireError } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { describe, expect, it } from "vitest";
import { issueToken, Refusal, type SigningKey, type TokenKey, type TokenOptions, Tokens } from "../src/index.ts";
import { hs256 } from "./forge.ts";
import { ed25519, type KeyPair, p256, p384, p521, rsa, SECRET, weakRsa } from "./keys.ts";

const clock = new ManualClock();
const WALL_MS = clock.wallTime();
const HOUR_MS = 3_600_000;

function tokensWith(options: Partial<TokenOptions>): Tokens {
  return new Tokens({ key: { hmacSecret: SECRET }, clock, ...options });
}

function issued(key: SigningKey, algorithm?: string): Promise<string> {
  const options = { clock, ...(algorithm === undefined ? {} : { algorithm }) };
  return issueToken({ user: "42", ttlMs: HOUR_MS }, key, options);
}

async function verdictOf(tokens: Tokens, token: string): Promise<string> {
  const verdict = await tokens.checkConnection(token);
  return verdict instanceof Refusal ? verdict.problem : "accepted";
}

interface Family {
  readonly signs: SigningKey;
  readonly verifies: TokenKey;
  readonly algorithms: readonly string[];
}

const family = (name: keyof TokenKey, { privateKey, publicKey }: KeyPair, algorithms: readonly string[]): Family => ({
  signs: { privateKey },
  verifies: { [name]: publicKey },
  algorithms,
});

const FAMILIES: readonly Family[] = [
  { signs: { hmacSecret: SECRET }, verifies: { hmacSecret: SECRET }, algorithms: ["HS256", "HS384", "HS512"] },
  family("rsaPublicKey", rsa, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
  family("ecdsaPublicKey", p256, ["ES256"]),
  family("ecdsaPublicKey", p384, ["ES384"]),
  family("ecdsaPublicKey", p521, ["ES512"]),
  family("ed25519PublicKey", ed25519, ["EdDSA", "Ed25519"]),
];

describe("the kind of a key", () => {
  it("decides the algorithms: each key takes its own, and not one of the others", async () => {
    const all = FAMILIES.flatMap(({ signs, algorithms }) => algorithms.map((algorithm) => ({ signs, algorithm })));
    for (const { verifies, algorithms } of FAMILIES) {
      const tokens = tokensWith({ key: verifies });
      for (const { signs, algorithm } of all) {
        const verdict = await verdictOf(tokens, await issued(signs, algorithm));
        expect([verifies, algorithm, verdict]).toEqual([
          verifies,
          algorithm,
          algorithms.includes(algorithm) ? "accepted" : "wrong-algorithm",
        ]);
      }
    }
  });

  it("is not enough: another key of the same kind is refused", async () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const other = publicKey.export({ type: "spki", format: "pem" }) as string;
    const tokens = tokensWith({ key: { ed25519PublicKey: other } });
    expect(await verdictOf(tokens, await issued({ privateKey: ed25519.privateKey }))).toBe("bad-signature");
  });
});

describe("a key that cannot be used", () => {
  const brainpool = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey;
  const curve = brainpool.export({ type: "spki", format: "pem" }) as string;

  it.each<[string, unknown, string]>([
    ["K32 a weak secret", { hmacSecret: "x".repeat(31) }, "key.hmacSecret has 31 bytes, which can be guessed: give 32"],
    ["an empty secret", { hmacSecret: "" }, "key.hmacSecret is empty"],
    ["a secret that is a number", { hmacSecret: 42 }, "key.hmacSecret is no text"],
    [
      "a public key as a secret",
      { hmacSecret: rsa.publicKey },
      "key.hmacSecret is a key in PEM: give that as rsaPublicKey",
    ],
    ["a private key", { rsaPublicKey: rsa.privateKey }, "key.rsaPublicKey is a private key: give the public one"],
    ["a weak RSA key", { rsaPublicKey: weakRsa.publicKey }, "key.rsaPublicKey has 1024 bits"],
    [
      "a key of another type",
      { rsaPublicKey: p256.publicKey },
      "key.rsaPublicKey is a key of type ec: give one of type rsa",
    ],
    ["another curve", { ecdsaPublicKey: curve }, "key.ecdsaPublicKey is on a curve that no token has"],
    ["no PEM", { ed25519PublicKey: SECRET }, "key.ed25519PublicKey is no public key in PEM"],
    ["none", {}, "key has none: give one of hmacSecret"],
    ["two", { hmacSecret: SECRET, rsaPublicKey: rsa.publicKey }, "key has hmacSecret and rsaPublicKey: give one of"],
    ["an unknown one", { hmacSecrets: SECRET }, 'unknown option "key.hmacSecrets": did you mean "hmacSecret"?'],
    ["a text", SECRET, "key is no object: give one with one of hmacSecret"],
    ["nothing", undefined, "key is no object"],
  ])("%s is an error that names it and does not show it", (_, key, message) => {
    const error = thrownBy(() => tokensWith({ key: key as TokenKey }));
    expect(error.code).toBe("invalid-argument");
    expect(error.message).toContain(message);
    expect(error.message).not.toContain(SECRET);
    for (const part of Object.values(typeof key === "object" ? (key as object) : {})) {
      if (typeof part === "string" && part !== "") expect(error.message).not.toContain(part);
    }
  });

  it("is named where it is given", () => {
    const bad = { hmacSecret: "weak" };
    const until = { untilMs: WALL_MS };
    const message = (options: Partial<TokenOptions>): string => thrownBy(() => tokensWith(options)).message;
    expect(message({ previousKey: { ...bad, ...until } })).toMatch(/^previousKey\.hmacSecret has 4 bytes/);
    expect(message({ subscriptionKey: bad })).toMatch(/^subscriptionKey\.hmacSecret/);
    const both = { subscriptionKey: { hmacSecret: SECRET }, previousSubscriptionKey: { ...bad, ...until } };
    expect(message(both)).toMatch(/^previousSubscriptionKey\.hmacSecret/);
    expect(message({ previousSubscriptionKey: { hmacSecret: SECRET, ...until } })).toContain(
      "there is no subscriptionKey",
    );
    expect(message({ previousKey: SECRET as never })).toMatch(/^previousKey is no object/);
    expect(message({ previousKey: { hmacSecret: SECRET, untilMs: Number.NaN } })).toContain(
      "previousKey.untilMs is NaN",
    );
  });
});

function thrownBy(action: () => unknown): PolywireError {
  try {
    action();
  } catch (thrown) {
    if (PolywireError.is(thrown)) return thrown;
  }
  throw new Error("nothing was thrown");
}

describe("a key that was replaced", () => {
  const OLD = "the secret that there was before this one";

  it("is good for tokens until its end, and not a millisecond longer", async () => {
    const own = new ManualClock();
    const previousKey = { hmacSecret: OLD, untilMs: WALL_MS + 60_000 };
    const tokens = new Tokens({ key: { hmacSecret: SECRET }, previousKey, clock: own });
    const claims = { sub: "42", exp: WALL_MS / 1_000 + 3_600 };
    own.advance(59_999);
    expect(await verdictOf(tokens, hs256(claims, OLD))).toBe("accepted");
    expect(await verdictOf(tokens, hs256(claims, SECRET))).toBe("accepted");
    own.advance(1);
    expect(await verdictOf(tokens, hs256(claims, OLD))).toBe("bad-signature");
    expect(await verdictOf(tokens, hs256(claims, SECRET))).toBe("accepted");
  });

  it("may be of another kind, and what is wrong with a token of its own is told", async () => {
    const previousKey = { hmacSecret: OLD, untilMs: WALL_MS + 60_000 };
    const tokens = tokensWith({ key: { rsaPublicKey: rsa.publicKey }, previousKey });
    const expired = hs256({ sub: "42", exp: 1 }, OLD);
    expect(await verdictOf(tokens, expired)).toBe("expired");
    expect(await verdictOf(tokens, hs256({ sub: "42" }, OLD))).toBe("no-expiry");
    expect(await verdictOf(tokens, hs256({ sub: "42" }, "neither"))).toBe("wrong-algorithm");
    expect(await verdictOf(tokens, await issued({ privateKey: rsa.privateKey }))).toBe("accepted");
  });
});

describe("keys that are replaced while the server runs", () => {
  it("K45 refuse no token of a thousand that are being shown, with either key while both are good", async () => {
    const other = "the secret that comes after this one, and is as long";
    const tokens = tokensWith({});
    const both = await Promise.all([issued({ hmacSecret: SECRET }), issued({ hmacSecret: other })]);
    const first = Array.from({ length: 500 }, () => verdictOf(tokens, both[0]));
    tokens.replaceKeys({ key: { hmacSecret: other }, previousKey: { hmacSecret: SECRET, untilMs: WALL_MS + HOUR_MS } });
    const then = Array.from({ length: 500 }, (_, index) => verdictOf(tokens, both[index % 2] as string));
    expect(new Set(await Promise.all([...first, ...then]))).toEqual(new Set(["accepted"]));
    tokens.replaceKeys({ key: { hmacSecret: other } });
    expect(await verdictOf(tokens, both[0])).toBe("bad-signature");
  });

  it("stay as they are when the new ones cannot be used", async () => {
    const tokens = tokensWith({});
    expect(() => tokens.replaceKeys({ key: { hmacSecret: "weak" } })).toThrow("key.hmacSecret has 4 bytes");
    expect(() => tokens.replaceKeys({} as TokenOptions)).toThrow("key is no object");
    expect(await verdictOf(tokens, await issued({ hmacSecret: SECRET }))).toBe("accepted");
  });
});

describe("what is relaxed", () => {
  it("is told as a warning at the start, by the program's logger or the network's, and nothing otherwise", () => {
    const lines: unknown[][] = [];
    const logger = { log: (...line: unknown[]) => void lines.push(line) };
    tokensWith({ logger }).start({ logger });
    expect(lines).toEqual([]);
    const relaxed = { key: { hmacSecret: "weak" }, allowWeakKey: true, requireExpiry: false };
    const told = [
      [
        "warn",
        "tokens",
        "tokens are less safe than they could be",
        { warning: expect.stringContaining("requireExpiry") },
      ],
      [
        "warn",
        "tokens",
        "tokens are less safe than they could be",
        { warning: expect.stringContaining("allowWeakKey") },
      ],
    ];
    const own = tokensWith({ ...relaxed, logger });
    expect(lines.splice(0)).toEqual(told);
    own.start({ logger });
    expect(lines).toEqual([]);
    const tokens = tokensWith(relaxed);
    expect(lines).toEqual([]);
    tokens.start({ logger });
    expect(lines.splice(0)).toEqual(told);
    expect(tokens.metrics().find(({ name }) => name === "polywire.token.relaxed")?.points).toEqual([
      { attributes: {}, value: 2 },
    ]);
  });
});

describe("the options", () => {
  it.each<[object, string]>([
    [{ requireExpiry: "no" }, "requireExpiry is"],
    [{ maxTokenBytes: 0 }, "maxTokenBytes is 0"],
    [{ leewayMs: -1 }, "leewayMs is -1"],
    [{ maxTtlMs: 365 * 24 * HOUR_MS + 1 }, "maxTtlMs is"],
    [{ audience: [] }, "audience is"],
    [{ issuer: "" }, "issuer is"],
    [{ fetch: "fetch" }, "fetch is"],
    [{ requireExp: false }, 'unknown option "requireExp"'],
  ])("that are wrong are named: %j", (options, message) => {
    expect(thrownBy(() => tokensWith(options as Partial<TokenOptions>)).message).toContain(message);
  });
});
