import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { ManualClock } from "@polywire/core/testing";
import { DISCONNECTS, ERRORS } from "@polywire/realtime";
import { exportJWK, type JWK } from "jose";
import { describe, expect, it, vi } from "vitest";
import { issueToken, Refusal, Tokens } from "../src/index.ts";
import { encoded, hs256 } from "./forge.ts";
import { ed25519, type KeyPair, p256, rsa, weakRsa } from "./keys.ts";

vi.setConfig({ testTimeout: 20_000 });

type Answer = (response: http.ServerResponse) => void;

/** An issuer that publishes keys. */
class Issuer implements AsyncDisposable {
  requests = 0;
  answer: Answer = () => {};
  readonly #server = http.createServer((_, response) => {
    this.requests++;
    this.answer(response);
  });

  static async start(...keys: readonly JWK[]): Promise<Issuer> {
    const issuer = new Issuer();
    issuer.publish(...keys);
    issuer.#server.listen(0, "127.0.0.1");
    await once(issuer.#server, "listening");
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`;
  }

  publish(...keys: readonly JWK[]): void {
    this.answer = (response) => response.end(JSON.stringify({ keys }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

async function jwk({ keys }: KeyPair, more: JWK): Promise<JWK> {
  return { ...(await exportJWK(keys.publicKey)), ...more };
}

const clockOf = (): ManualClock => new ManualClock();

function tokensOf(issuer: Issuer, clock: ManualClock, logged: unknown[] = []): Tokens {
  const logger = { log: (...line: unknown[]) => void logged.push(line) };
  return new Tokens({ key: { jwksUrl: issuer.url }, audience: "chat", clock, logger });
}

function signed(
  { privateKey }: KeyPair,
  keyId: string | undefined,
  clock: ManualClock,
  algorithm?: string,
): Promise<string> {
  const key = keyId === undefined ? { privateKey } : { privateKey, keyId };
  const options = algorithm === undefined ? { clock } : { clock, algorithm };
  return issueToken({ user: "42", audience: "chat", ttlMs: 7_200_000 }, key, options);
}

async function verdictOf(tokens: Tokens, token: string): Promise<string> {
  const verdict = await tokens.checkConnection(token);
  return verdict instanceof Refusal ? verdict.problem : "accepted";
}

function connect(tokens: Tokens, token: string): ReturnType<Tokens["authenticate"]> {
  return tokens.authenticate({ action: "connect", client: "c", origin: { transport: "t", encoding: "json" }, token });
}

const fetched = (tokens: Tokens): unknown => tokens.inspect()["keySets"];

describe("keys that an issuer publishes", () => {
  it("verify tokens of every kind, by their kid and with their own algorithms", async () => {
    await using issuer = await Issuer.start(
      await jwk(rsa, { kid: "r" }),
      await jwk(p256, { kid: "e", alg: "ES256", use: "sig" }),
      await jwk(ed25519, { kid: "d" }),
    );
    const clock = clockOf();
    const tokens = tokensOf(issuer, clock);
    for (const algorithm of ["RS256", "PS512"]) {
      expect(await verdictOf(tokens, await signed(rsa, "r", clock, algorithm))).toBe("accepted");
    }
    expect(await verdictOf(tokens, await signed(p256, "e", clock))).toBe("accepted");
    expect(await verdictOf(tokens, await signed(ed25519, "d", clock))).toBe("accepted");
    expect(await verdictOf(tokens, await signed(ed25519, "e", clock))).toBe("unknown-key");
    expect(issuer.requests).toBe(1);
  });

  it("are chosen by a kid, which only one key without may leave out", async () => {
    await using issuer = await Issuer.start(
      await jwk(rsa, { kid: "r" }),
      await jwk(p256, {}),
      await jwk(ed25519, {}),
      await jwk(ed25519, {}),
    );
    const clock = clockOf();
    const tokens = tokensOf(issuer, clock);
    expect(await verdictOf(tokens, await signed(p256, undefined, clock))).toBe("accepted");
    expect(await verdictOf(tokens, await signed(rsa, undefined, clock))).toBe("accepted");
    expect(await verdictOf(tokens, await signed(ed25519, undefined, clock))).toBe("unknown-key");
  });

  it("are never secrets, keys for other uses, or weak", async () => {
    await using issuer = await Issuer.start(
      { kty: "oct", k: encoded("x".repeat(32)), kid: "o", alg: "HS256" },
      await jwk(p256, { kid: "e", use: "enc" }),
      await jwk(ed25519, { kid: "d", alg: "ES256" }),
      await jwk(weakRsa, { kid: "w" }),
    );
    const clock = clockOf();
    const tokens = tokensOf(issuer, clock);
    const exp = Math.floor(clock.wallTime() / 1_000) + 60;
    expect(await verdictOf(tokens, hs256({ sub: "42", exp }, "x".repeat(32), { kid: "o" }))).toBe("wrong-algorithm");
    expect(await verdictOf(tokens, await signed(p256, "e", clock))).toBe("unknown-key");
    expect(await verdictOf(tokens, await signed(ed25519, "d", clock))).toBe("unknown-key");
    const weak = hs256({ sub: "42", exp }, "x", { alg: "RS256", kid: "w" });
    expect(await verdictOf(tokens, weak)).toBe("unknown-key");
    expect(issuer.requests).toBe(1);
  });

  it("K12, K14 are fetched once in 30 s at most, however many tokens name a key that is not there", async () => {
    await using issuer = await Issuer.start(await jwk(p256, { kid: "e" }));
    const clock = clockOf();
    const tokens = tokensOf(issuer, clock);
    const strangers = await Promise.all(
      ["x", "../../dev/null", "__proto__", "http://127.0.0.1:1/"].map((kid) => signed(p256, kid, clock)),
    );
    for (let second = 0; second < 60; second++) {
      const verdicts = await Promise.all(
        Array.from({ length: 100 }, (_, index) => connect(tokens, strangers[index % 4] as string)),
      );
      expect(new Set(verdicts.map((verdict) => JSON.stringify(verdict)))).toEqual(
        new Set([JSON.stringify({ disconnect: DISCONNECTS.invalidToken })]),
      );
      clock.advance(1_000);
    }
    expect(issuer.requests).toBe(2);
    expect(await verdictOf(tokens, await signed(p256, "e", clock))).toBe("accepted");
  });

  it("are found when the issuer has published another, half a minute after the last look", async () => {
    await using issuer = await Issuer.start(await jwk(p256, { kid: "old" }));
    const clock = clockOf();
    const tokens = tokensOf(issuer, clock);
    expect(await verdictOf(tokens, await signed(p256, "old", clock))).toBe("accepted");
    issuer.publish(await jwk(ed25519, { kid: "new" }));
    clock.advance(30_000);
    expect(await verdictOf(tokens, await signed(ed25519, "new", clock))).toBe("accepted");
    expect(await verdictOf(tokens, await signed(p256, "old", clock))).toBe("unknown-key");
    expect(issuer.requests).toBe(2);
  });

  it("are fetched anew when they are ten minutes old, while the old ones go on being used, for an hour at most", async () => {
    await using issuer = await Issuer.start(await jwk(p256, { kid: "e" }));
    const clock = clockOf();
    let told = Promise.withResolvers<unknown>();
    const logger = { log: (...line: unknown[]) => told.resolve(line) };
    const tokens = new Tokens({ key: { jwksUrl: issuer.url }, audience: "chat", clock, logger });
    const token = await signed(p256, "e", clock);
    expect(await verdictOf(tokens, token)).toBe("accepted");
    issuer.answer = (response) => response.writeHead(500).end();
    clock.advance(600_000);
    expect(await verdictOf(tokens, token)).toBe("accepted");
    const error = expect.objectContaining({ code: "not-available" });
    expect(await told.promise).toEqual(["warn", "tokens", "keys of tokens could not be fetched", { error }]);
    told = Promise.withResolvers();
    clock.advance(2_999_999);
    expect(await verdictOf(tokens, token)).toBe("accepted");
    await told.promise;
    expect(fetched(tokens)).toEqual({ done: 3, failed: 2 });
    clock.advance(30_001);
    expect(await connect(tokens, token)).toEqual({ error: ERRORS.internal });
    clock.advance(30_000);
    issuer.publish(await jwk(p256, { kid: "e" }));
    expect(await verdictOf(tokens, token)).toBe("accepted");
  });

  it.each<[string, Answer]>([
    ["an error", (response) => response.writeHead(503).end("{}")],
    ["no JSON", (response) => response.end("<html>")],
    ["no key set", (response) => response.end("[]")],
    ["a key set without keys", (response) => response.end('{"keys":[]}')],
    ["keys that are none", (response) => response.end('{"keys":[1]}')],
    [
      "101 keys",
      (response) => response.end(JSON.stringify({ keys: Array.from({ length: 101 }, () => ({ kty: "EC" })) })),
    ],
    ["more than 256 KiB", (response) => response.end(`{"keys":[],"x":"${"x".repeat(262_144)}"}`)],
    ["another address", (response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end()],
    ["a broken connection", (response) => response.destroy()],
  ])("that are %s are answered 100, temporary, and asked for again in 30 s, not before", async (_, answer) => {
    await using issuer = await Issuer.start();
    issuer.answer = answer;
    const clock = clockOf();
    const logged: unknown[] = [];
    const tokens = tokensOf(issuer, clock, logged);
    const token = await signed(p256, "e", clock);
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => connect(tokens, token)));
    expect(new Set(verdicts.map((verdict) => JSON.stringify(verdict)))).toEqual(
      new Set([JSON.stringify({ error: ERRORS.internal })]),
    );
    clock.advance(29_999);
    await connect(tokens, token);
    expect([issuer.requests, fetched(tokens), logged.length]).toEqual([1, { done: 1, failed: 1 }, 1 + 21]);
    issuer.publish(await jwk(p256, { kid: "e" }));
    clock.advance(1);
    expect(await verdictOf(tokens, token)).toBe("accepted");
  });

  it("that do not come within 4 s are given up, and clients told to come back", async () => {
    await using issuer = await Issuer.start();
    const asked = Promise.withResolvers<void>();
    issuer.answer = (response) => {
      response.write('{"keys":');
      asked.resolve();
    };
    const clock = clockOf();
    const logged: unknown[] = [];
    const tokens = tokensOf(issuer, clock, logged);
    const verdict = connect(tokens, await signed(p256, "e", clock));
    await asked.promise;
    clock.advance(4_000);
    expect(await verdict).toEqual({ error: ERRORS.internal });
    expect(logged[0]).toMatchObject([
      "warn",
      "tokens",
      "keys of tokens could not be fetched",
      { error: { message: expect.stringContaining("no answer within 4000 ms") } },
    ]);
    expect(clock.pending).toBe(0);
  });

  it("are waited for no longer when the network closes", async () => {
    await using issuer = await Issuer.start();
    const asked = Promise.withResolvers<void>();
    issuer.answer = () => asked.resolve();
    const clock = clockOf();
    const tokens = tokensOf(issuer, clock);
    const verdict = connect(tokens, await signed(p256, "e", clock));
    await asked.promise;
    await tokens.close();
    expect(await verdict).toEqual({ error: ERRORS.internal });
  });

  it("are told as a warning where no audience says which of the issuer's tokens are meant", () => {
    const jwksUrl = "https://keys.example.com/";
    expect(new Tokens({ key: { jwksUrl } }).warnings).toEqual([expect.stringContaining("there is no audience")]);
    expect(new Tokens({ key: { jwksUrl }, audience: "chat" }).warnings).toEqual([]);
  });

  it.each([
    ["http://keys.example.com/", "begins with http:"],
    ["ftp://127.0.0.1/", "begins with ftp:"],
    ["data:application/json,{}", "begins with data:"],
    ["https://ann:secret@keys.example.com/", "holds credentials"],
    ["keys.json", "key.jwksUrl is no absolute URL"],
  ])("are not fetched from %s", (jwksUrl, message) => {
    expect(() => new Tokens({ key: { jwksUrl } })).toThrow(message);
    expect(() => new Tokens({ key: { jwksUrl } })).not.toThrow("secret");
  });
});
