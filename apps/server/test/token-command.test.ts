import { generateKeyPairSync } from "node:crypto";
import { EventEmitter } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, describe, expect, test } from "vitest";
import { runCommand } from "../src/cli.ts";
import { freePorts, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-token-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const SECRET = "the secret of the server, in 32 bytes";
const ENVIRONMENT = { POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: SECRET };

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const privateFile = path.join(directory, "private.pem");
fs.writeFileSync(privateFile, privateKey.export({ type: "pkcs8", format: "pem" }));
const publicPem = publicKey.export({ type: "spki", format: "pem" }) as string;

interface Result {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** The command in this process: it needs nothing of its own. */
async function run(
  words: readonly string[],
  environment: Record<string, string> = ENVIRONMENT,
  input = "",
): Promise<Result> {
  const printed = { output: "", errors: "" };
  const code = await runCommand(["token", ...words], {
    environment,
    signals: new EventEmitter(),
    out: (text) => (printed.output += text),
    error: (text) => (printed.errors += text),
    exit: () => {},
    input: Readable.from([input]),
    output: new PassThrough(),
    protocols: () => [],
  });
  return { code, ...printed };
}

async function made(...words: string[]): Promise<string> {
  const { code, output, errors } = await run(["make", ...words]);
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  return output;
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
}

describe("polywire token make", TIMEOUT, () => {
  test("prints a token alone, that the server's configuration accepts", async () => {
    const token = await made(
      "--user",
      "42",
      "--ttl",
      "10m",
      "--info",
      '{"name":"Ann"}',
      "--allow",
      "sub,hst=team:*",
      "--allow",
      "pub=news",
    );
    expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { exp, iat, ...rest } = claimsOf(token);
    expect(Number(exp) - Number(iat)).toBe(600);
    expect(rest).toEqual({
      sub: "42",
      info: { name: "Ann" },
      caps: [
        { channels: ["team:*"], match: "wildcard", allow: ["sub", "hst"] },
        { channels: ["news"], allow: ["pub"] },
      ],
    });
    const { code, output, errors } = await run(["check"], ENVIRONMENT, token);
    expect({ code, errors }).toEqual({ code: 0, errors: "polywire: accepted\n" });
    expect(JSON.parse(output)).toEqual(claimsOf(token));
  });

  test("makes subscription tokens, with a key of their own, and takes audience and issuer from the configuration", async () => {
    const environment = {
      ...ENVIRONMENT,
      POLYWIRE_CLIENT_SUBSCRIPTION_TOKEN_HMAC_SECRET: `${SECRET}, for subscriptions`,
      POLYWIRE_CLIENT_TOKEN_AUDIENCE: "chat",
      POLYWIRE_CLIENT_TOKEN_ISSUER: "us",
    };
    const { output: token } = await run(
      ["make", "--user", "42", "--channel", "team:red", "--data", "[1]", "--json"],
      environment,
    );
    const { token: text, ttlMs } = JSON.parse(token) as { token: string; ttlMs: number };
    expect(ttlMs).toBe(3_600_000);
    expect(claimsOf(text)).toMatchObject({ sub: "42", channel: "team:red", data: [1], aud: "chat", iss: "us" });
    const checked = async (...words: string[]): Promise<unknown> => {
      const { code, output } = await run(["check", "--json", ...words], environment, text);
      return [code, (JSON.parse(output) as { problem?: string }).problem];
    };
    expect(await checked()).toEqual([0, undefined]);
    expect(await checked("--channel", "team:blue")).toEqual([1, "wrong-channel"]);
    expect(await checked("--channel", "team:red", "--user", "43")).toEqual([1, "wrong-user"]);
  });

  test("signs with a private key where the configuration has the public one", async () => {
    const environment = { POLYWIRE_CLIENT_TOKEN_ECDSA_PUBLIC_KEY: publicPem };
    const { output: token } = await run(
      ["make", "--user", "42", "--private-key-file", privateFile, "--key-id", "k1"],
      environment,
    );
    expect((await run(["check"], environment, token)).code).toBe(0);
    const { code, errors } = await run(["make", "--user", "42"], environment);
    expect(code).toBe(2);
    expect(errors).toContain("a key that only verifies: give the private one with --private-key-file");
  });

  test.each<[string[], string]>([
    [["--ttl", "10"], '--ttl: is "10": write a whole number and a unit'],
    [["--info", "{"], "--info: must be JSON"],
    [["--allow", "all=news"], "--allow: must be like sub,hst=team:*"],
    [["--allow", "news"], "--allow: must be like sub,hst=team:*"],
    [["--data", "1"], "--data: goes with --channel"],
    [["--channel", "a", "--channels", "b"], "--channel: makes a subscription token, which has no --channels"],
    [["--algorithm", "RS256"], 'algorithm is "RS256": the key is for HS256, HS384, HS512'],
    [["--private-key-file", `${directory}/missing`], "cannot be read (ENOENT)"],
  ])("%j is bad usage: one line, exit 2", async (words, expected) => {
    const { code, output, errors } = await run(["make", ...words]);
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(errors).toMatch(/^polywire: .*\n$/);
    expect(errors).toContain(expected);
  });

  test("without a key there is nothing to sign or check with", async () => {
    expect((await run(["make", "--user", "42"], {})).errors).toBe(
      "polywire: there is no key: give a --config with client.token, or --private-key-file\n",
    );
    expect(await run(["check"], {}, "a.b.c")).toMatchObject({
      code: 2,
      errors: expect.stringContaining("there is no key to check it with"),
    });
  });
});

describe("polywire token check", TIMEOUT, () => {
  test("says why a token is refused, prints what it says all the same, and never the token", async () => {
    const token = (await made("--user", "42", "--ttl", "never")).trim();
    const file = path.join(directory, "token");
    fs.writeFileSync(file, `${token}\n`);
    const { code, output, errors } = await run(["check", "--token-file", file]);
    expect({ code, errors }).toEqual({
      code: 1,
      errors: "polywire: refused: no-expiry: never expires (exp)\n",
    });
    expect(JSON.parse(output)).toMatchObject({ sub: "42" });
    expect(output).not.toContain(token.split(".")[2]);
    const forged = `${token.slice(0, -4)}AAAA`;
    expect(await run(["check"], { ...ENVIRONMENT, POLYWIRE_TOKEN: forged })).toMatchObject({
      code: 1,
      errors: "polywire: refused: bad-signature: its signature is wrong, or made with another key\n",
    });
  });

  test("takes anything, and shows it without a sign that a terminal would obey", async () => {
    const claims = Buffer.from('{"sub":"\\u001b[31m\\u009b31m\\u202e"}').toString("base64url");
    const { code, output } = await run(["check"], ENVIRONMENT, `e30.${claims}.AAAA\n`);
    expect(code).toBe(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(output).not.toMatch(/[\u001b\u0080-\u009f\u202e]/);
    expect(output).toContain("\\u009b");
    expect(await run(["check", "--json"], ENVIRONMENT, "garbage")).toMatchObject({
      code: 1,
      output: '{"accepted":false,"problem":"malformed","message":"has 1 parts: a signed token has three"}\n',
    });
    expect((await run(["check"], ENVIRONMENT, "\n")).errors).toContain("there is no token: give --token-file");
  });

  test("a token that it accepts connects to the server with that configuration, and no other does", async () => {
    const [port = 0, internalPort = 0] = await freePorts(2);
    const environment = {
      ...ENVIRONMENT,
      POLYWIRE_LISTEN: `http://127.0.0.1:${port}`,
      POLYWIRE_INTERNAL: `http://127.0.0.1:${internalPort}`,
      POLYWIRE_CHANNELS: "[{ match: '*', publish: clients }]",
      POLYWIRE_LOG_LEVEL: "debug",
    };
    await using server = runPolywire(["serve"], { environment });
    await server.printed(new RegExp(`listening[^]*:${internalPort}`));
    const publish = async (token: string): Promise<[number | NodeJS.Signals, string]> => {
      await using command = runPolywire(["pub", `ws://127.0.0.1:${port}`, "news", "1"], {
        environment: { POLYWIRE_TOKEN: token },
      });
      return [await command.ended(), command.errors];
    };
    const token = (await made("--user", "42")).trim();
    expect(await publish(token)).toEqual([0, expect.stringContaining("published 1 to news")]);
    expect((await publish(`${token}x`))[0]).toBe(1);
    expect((await publish(""))[0]).toBe(1);
    await server.printed(/token refused/);
    for (const part of [...token.split("."), SECRET]) expect(server.output).not.toContain(part);
    const figures = await (await fetch(`http://127.0.0.1:${internalPort}/metrics`)).text();
    expect(figures).toContain('polywire_token_count_total{polywire_token_result="accepted"} 1');
  });
});
