import { generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { PolywireError } from "@polywire/core";
import { afterAll, describe, expect, test } from "vitest";
import { type LoadedConfig, loadConfig } from "../src/config/load.ts";
import { readTokenKeys } from "../src/config/token-keys.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-token-config-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const CANARY = "c4n4ry-of-more-than-thirty-two-bytes";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const PUBLIC_PEM = publicKey.export({ type: "spki", format: "pem" }) as string;
const PRIVATE_PEM = privateKey.export({ type: "pkcs8", format: "pem" }) as string;

function written(name: string, text: string, mode = 0o600): string {
  const file = path.join(directory, name);
  fs.writeFileSync(file, text, { mode });
  fs.chmodSync(file, mode);
  return file;
}

function load(text: string, environment: Record<string, string> = {}): LoadedConfig {
  return loadConfig(written("polywire.yaml", text), environment);
}

/** The one line that loading ends with; the file's folder is left out. */
function problem(text: string, environment: Record<string, string> = {}): string {
  try {
    load(text, environment);
  } catch (thrown) {
    if (!PolywireError.is(thrown)) throw thrown;
    expect(thrown.message).not.toMatch(/[\r\n]|c4n4ry/);
    return thrown.message.replaceAll(`${directory}/`, "");
  }
  return "accepted";
}

const secretFile = written("secret", `${CANARY}\n`);
const publicFile = written("public.pem", PUBLIC_PEM);
const privateFile = written("private.pem", PRIVATE_PEM);
const emptyFile = written("empty", "\n");

describe("keys of tokens", () => {
  test("without any, everybody may connect; with one, only who has a token, unless the configuration says so", () => {
    expect(load("log: {}").config.client).toMatchObject({ allowAnonymous: true, token: undefined });
    const token = `token: { hmacSecretFile: ${secretFile} }`;
    expect(load(`client: { ${token} }`).config.client.allowAnonymous).toBe(false);
    expect(load(`client: { allowAnonymous: true, ${token} }`).config.client.allowAnonymous).toBe(true);
  });

  test("come from the file, from files of their own and from the environment, and all is complete", () => {
    const text = `
client:
  token:
    hmacSecret: ${CANARY}
    previous: { ed25519PublicKeyFile: ${publicFile}, until: "2027-01-31T00:00:00Z" }
    audience: [chat]
    leeway: 5s
  subscriptionToken: { jwksUrl: https://keys.example.com/ }
channels: [{ match: "*", kind: private }]
`;
    const { config } = load(text);
    expect(readTokenKeys(config.client)).toEqual({
      key: { hmacSecret: CANARY },
      previousKey: { ed25519PublicKey: PUBLIC_PEM.trimEnd(), untilMs: Date.UTC(2027, 0, 31) },
      subscriptionKey: { jwksUrl: "https://keys.example.com/" },
    });
    expect(config.client.token).toMatchObject({
      audience: ["chat"],
      requireExpiry: true,
      allowWeakKey: false,
      leewayMs: 5_000,
      maxTtlMs: 31_536_000_000,
      maxBytes: 8_192,
    });
    expect(config.client.expiryGraceMs).toBe(25_000);
    const fromFile = load(`client: { token: { hmacSecretFile: ${secretFile} } }`).config;
    expect(readTokenKeys(fromFile.client)).toEqual({ key: { hmacSecret: CANARY } });
    const environment = {
      POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: CANARY,
      POLYWIRE_CLIENT_TOKEN_AUDIENCE: "chat, shop",
      POLYWIRE_CLIENT_TOKEN_REQUIRE_EXPIRY: "false",
      POLYWIRE_CLIENT_SUBSCRIPTION_TOKEN_ED25519_PUBLIC_KEY: PUBLIC_PEM,
    };
    const { client } = load("log: {}", environment).config;
    expect(readTokenKeys(client)).toEqual({
      key: { hmacSecret: CANARY },
      subscriptionKey: { ed25519PublicKey: PUBLIC_PEM },
    });
    expect(client.token).toMatchObject({ audience: ["chat", "shop"], requireExpiry: false });
  });

  test("are shown by nothing that shows the configuration", () => {
    const previous = `previous: { hmacSecret: ${CANARY}, until: "2027-01-31T00:00:00Z" }`;
    const { config } = load(`client: { token: { hmacSecret: ${CANARY}, ${previous} } }`);
    const shown = [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      String(config.client.token?.key.hmacSecret),
    ];
    for (const each of shown) expect(each).not.toContain("c4n4ry");
    expect(JSON.stringify(config.client.token?.key)).toBe('{"hmacSecret":"[redacted]"}');
  });

  test.each([
    ["client: { token: {} }", "client.token: has no key: give hmacSecret"],
    ["client: { token: { audience: [a] } }", "client.token: has no key"],
    [
      `client: { token: { hmacSecret: ${CANARY}, jwksUrl: https://a/ } }`,
      "client.token: has hmacSecret and jwksUrl: give one of them",
    ],
    [
      "client: { token: { hmacSecret: c4n4ry } }",
      "client.token.hmacSecret: has 6 bytes, which can be guessed: give 32",
    ],
    ["client: { token: { hmacSecret: 123456789 } }", "client.token.hmacSecret: must be a text, not a number"],
    ['client: { token: { hmacSecret: "" } }', "client.token.hmacSecret: is empty"],
    [
      `client: { token: { hmacSecretFile: ${directory}/missing } }`,
      "client.token.hmacSecretFile: missing: no such file",
    ],
    [`client: { token: { hmacSecretFile: ${directory} } }`, "client.token.hmacSecretFile: "],
    [`client: { token: { hmacSecretFile: ${emptyFile} } }`, "client.token.hmacSecretFile: empty: is empty"],
    [`client: { token: { hmacSecretFile: ${publicFile} } }`, "client.token.hmacSecretFile: is a key in PEM"],
    [
      `client: { token: { rsaPublicKeyFile: ${publicFile} } }`,
      "client.token.rsaPublicKeyFile: is a key of type ed25519",
    ],
    [
      `client: { token: { ed25519PublicKeyFile: ${privateFile} } }`,
      "client.token.ed25519PublicKeyFile: is a private key",
    ],
    ["client: { token: { ed25519PublicKey: c4n4ry } }", "client.token.ed25519PublicKey: is no public key in PEM"],
    ["client: { token: { jwksUrl: http://example.com/ } }", "client.token.jwksUrl: begins with http:"],
    [
      `client: { token: { hmacSecret: ${CANARY}, previous: { hmacSecret: c4n4ry, until: "2027-01-31T00:00:00Z" } } }`,
      "client.token.previous.hmacSecret: has 6 bytes",
    ],
    [
      `client: { token: { hmacSecret: ${CANARY}, previous: { hmacSecret: ${CANARY} } } }`,
      "client.token.previous.until: is missing",
    ],
    [
      `client: { token: { hmacSecret: ${CANARY}, previous: { hmacSecret: ${CANARY}, until: 2027-01-31 } } }`,
      "client.token.previous.until: is no moment with date, time and zone",
    ],
    [
      `client: { token: { hmacSecret: ${CANARY} }, subscriptionToken: { hmacSecret: c4n4ry } }`,
      "client.subscriptionToken.hmacSecret: has 6 bytes",
    ],
    [`client: { subscriptionToken: { hmacSecret: ${CANARY} } }`, "client.subscriptionToken: needs client.token"],
    [
      `client: { token: { hmacSecrets: ${CANARY} } }`,
      "client.token.hmacSecrets: unknown key; did you mean hmacSecret?",
    ],
    [`client: { token: { hmacSecret: ${CANARY}, audience: [] } }`, "client.token.audience: is an empty list"],
    [`client: { token: { hmacSecret: ${CANARY}, maxTtl: 366d } }`, 'client.token.maxTtl: is "366d": give at most 365d'],
    [
      `client: { token: { hmacSecret: ${CANARY}, requireExpiry: "no" } }`,
      "client.token.requireExpiry: must be true or false",
    ],
    ["client: { allowAnonymous: false }", "client.allowAnonymous: must be true without client.token"],
    ['channels: [{ match: "*", kind: private }]', 'channels[0].kind: "private" needs client.token'],
  ])("that are wrong are named: %s", (text, expected) => {
    expect(problem(text)).toContain(`polywire.yaml: ${expected}`);
  });

  test("that are weak are taken where the configuration says so", () => {
    const { config } = load("client: { token: { hmacSecret: secret, allowWeakKey: true } }");
    expect(readTokenKeys(config.client)).toEqual({ key: { hmacSecret: "secret" } });
  });

  test("that are wrong in the environment are named by the variable", () => {
    expect(problem("log: {}", { POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: "c4n4ry" })).toContain(
      "POLYWIRE_CLIENT_TOKEN_HMAC_SECRET (client.token.hmacSecret): has 6 bytes",
    );
    expect(problem("log: {}", { POLYWIRE_CLIENT_TOKEN_HMAC_SECRETS: CANARY })).toContain(
      "POLYWIRE_CLIENT_TOKEN_HMAC_SECRETS: unknown environment variable; did you mean POLYWIRE_CLIENT_TOKEN_HMAC_SECRET?",
    );
  });

  test("in a file that every user may read are a doubt", () => {
    const open = written("open-secret", CANARY, 0o644);
    expect(load(`client: { token: { hmacSecretFile: ${open} } }`).doubts).toEqual([
      "client.token.hmacSecretFile: every user of this machine may read it: chmod 600",
    ]);
    expect(load(`client: { token: { hmacSecretFile: ${secretFile} } }`).doubts).toEqual([]);
  });
});
