import { ManualClock } from "@polywire/core/testing";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { issueToken, type SigningKey, type TokenContent, Tokens } from "../src/index.ts";
import { ed25519, rsa, SECRET } from "./keys.ts";

const clock = new ManualClock();
const NOW = Math.floor(clock.wallTime() / 1_000);
const key = { hmacSecret: SECRET };

describe("a token that is issued", () => {
  it("says what it was asked to, in the protocol's words", async () => {
    const content: TokenContent = {
      user: "42",
      ttlMs: 60_000,
      info: { name: "Ann" },
      channels: ["news"],
      capabilities: [
        { channels: ["a"], allow: ["subscribe"] },
        { channels: ["b:*"], allow: ["publish", "history", "presence"] },
      ],
      meta: 1,
      audience: "chat",
      issuer: "us",
    };
    const token = await issueToken(content, { ...key, keyId: "k1" }, { clock });
    expect(decodeProtectedHeader(token)).toEqual({ alg: "HS256", typ: "JWT", kid: "k1" });
    expect(decodeJwt(token)).toEqual({
      sub: "42",
      iat: NOW,
      exp: NOW + 60,
      aud: "chat",
      iss: "us",
      info: { name: "Ann" },
      channels: ["news"],
      caps: [
        { channels: ["a"], allow: ["sub"] },
        { channels: ["b:*"], match: "wildcard", allow: ["pub", "hst", "prs"] },
      ],
      meta: 1,
    });
    const { capabilities } = (await new Tokens({ key, clock }).checkConnection(token)) as TokenContent;
    expect(capabilities).toEqual(content.capabilities);
  });

  it("opens a channel when it names one, and may be for ever and for nobody", async () => {
    const token = await issueToken({ channel: "news", data: [1] }, key, { clock });
    expect(decodeJwt(token)).toEqual({ channel: "news", iat: NOW, data: [1] });
  });

  it("is good for a second at least", async () => {
    expect(decodeJwt(await issueToken({ ttlMs: 1 }, key, { clock })).exp).toBe(NOW + 1);
  });

  it.each<[TokenContent, SigningKey, string | undefined, string]>([
    [{ ttlMs: 0 }, key, undefined, "ttlMs is 0"],
    [{ ttlMs: Number.NaN }, key, undefined, "ttlMs is NaN"],
    [{}, {}, undefined, "give one key to sign with"],
    [{}, { ...key, privateKey: rsa.privateKey }, undefined, "give one key to sign with"],
    [{}, { hmacSecret: "weak" }, undefined, "key.hmacSecret has 4 bytes"],
    [{}, { privateKey: rsa.publicKey }, undefined, "privateKey is no private key in PEM"],
    [{}, key, "RS256", 'algorithm is "RS256": the key is for HS256'],
    [{}, { privateKey: ed25519.privateKey }, "none", 'algorithm is "none"'],
  ])("is none with %j", async (content, signingKey, algorithm, message) => {
    const options = { clock, ...(algorithm === undefined ? {} : { algorithm }) };
    await expect(issueToken(content, signingKey, options)).rejects.toThrow(message);
  });
});
