import { ManualClock } from "@polywire/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { issueToken, Refusal, type SigningKey, type TokenKey, Tokens } from "../src/index.ts";
import { ed25519, p256, rsa, SECRET } from "./keys.ts";

const clock = new ManualClock();
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0ж";

const KEYS: readonly [string, SigningKey, TokenKey][] = [
  ["a secret", { hmacSecret: SECRET }, { hmacSecret: SECRET }],
  ["RSA", { privateKey: rsa.privateKey }, { rsaPublicKey: rsa.publicKey }],
  ["ECDSA", { privateKey: p256.privateKey }, { ecdsaPublicKey: p256.publicKey }],
  ["Ed25519", { privateKey: ed25519.privateKey }, { ed25519PublicKey: ed25519.publicKey }],
];

/** One change to a text: a letter replaced, put in or taken out, a piece repeated, or the end cut off. */
const mutation = fc.tuple(
  fc.nat(),
  fc.constantFrom(...LETTERS),
  fc.constantFrom("replace", "insert", "remove", "repeat", "cut"),
);

function mutated(token: string, [place, letter, how]: readonly [number, string, string]): string {
  const at = place % token.length;
  const [before, after] = [token.slice(0, at), token.slice(at)];
  switch (how) {
    case "replace":
      return before + letter + after.slice(1);
    case "insert":
      return before + letter + after;
    case "remove":
      return before + after.slice(1);
    case "repeat":
      return before + after.slice(0, 8) + after;
    default:
      return before;
  }
}

describe.each(KEYS)("a token signed with %s", (_, signs, verifies) => {
  it("is accepted in one spelling only, whatever is changed in it", async () => {
    const tokens = new Tokens({ key: verifies, clock });
    const token = await issueToken({ user: "42", ttlMs: 60_000, info: { name: "Ann" } }, signs, { clock });
    expect(await tokens.checkConnection(token)).toMatchObject({ user: "42" });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (changes) => {
        const other = changes.reduce(mutated, token);
        fc.pre(other !== token);
        expect(await tokens.checkConnection(other)).toBeInstanceOf(Refusal);
      }),
      { numRuns: 500 },
    );
  });
});

describe("whatever is shown as a token", () => {
  it("is refused without an exception, and without a word of it in what is said", async () => {
    const logged: unknown[] = [];
    const logger = { log: (...line: unknown[]) => void logged.push(line) };
    const tokens = new Tokens({ key: { hmacSecret: SECRET }, clock, logger });
    const origin = { transport: "test", encoding: "json" };
    const texts = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc
        .array(fc.base64String({ minLength: 12, maxLength: 60 }), { minLength: 2, maxLength: 5 })
        .map((parts) => parts.join(".")),
      fc
        .array(fc.json(), { minLength: 3, maxLength: 3 })
        .map((parts) => parts.map((part) => Buffer.from(part).toString("base64url")).join(".")),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (token) => {
        const denied = await tokens.authenticate({ action: "connect", client: "c", origin, token });
        expect(denied).toHaveProperty("disconnect");
        const said = JSON.stringify([denied, logged.splice(0)]);
        for (const part of token.split(".")) if (part.length >= 12) expect(said).not.toContain(part);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("what is logged of a token that is refused", () => {
  it("says who and why, and nothing that was in the token", async () => {
    const logged: unknown[] = [];
    const logger = { log: (...line: unknown[]) => void logged.push(line) };
    const tokens = new Tokens({ key: { hmacSecret: SECRET }, clock, logger, issuer: "us" });
    const canary = "canary-in-the-claims";
    const content = { user: canary, channel: canary, ttlMs: 1_000, issuer: canary, audience: canary, meta: canary };
    const token = await issueToken(content, { hmacSecret: SECRET }, { clock });
    await tokens.authorize({ action: "subscribe", channel: "news", client: "c1", user: "42", token });
    expect(logged).toEqual([
      [
        "debug",
        "tokens",
        "token refused",
        { client: "c1", channel: "news", problem: "wrong-issuer", because: "is from another issuer (iss)" },
      ],
    ]);
    expect(JSON.stringify([logged, tokens.inspect(), tokens.metrics()])).not.toMatch(/canary|eyJ/);
    expect(tokens.metrics()[0]?.points).toEqual([
      { attributes: { "polywire.token.result": "wrong-issuer" }, value: 1 },
    ]);
  });
});
