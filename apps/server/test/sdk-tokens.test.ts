import { createHmac, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { issueToken, type TokenContent } from "@polywire/auth-jwt";
import { type LogFields, silentLogger } from "@polywire/core";
import { Centrifuge, type Options } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { describe, expect, test, vi } from "vitest";
import { listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import { startServer } from "../src/server.ts";
import { TestClock } from "./wire/test-clock.ts";

vi.setConfig({ testTimeout: 30_000 });

const SECRET = "the secret of the server, in 32 bytes";
const OLD_SECRET = "the secret that there was before this one";

const CHANNELS = JSON.stringify([
  { match: "team:*", kind: "private", presence: true },
  { match: "dialog#*", kind: "private" },
  { match: "*", publish: "clients", presence: true, read: "clients" },
]);

/** A server on the loopback whose time stands still; the SDK's own goes on. */
class TokenServer implements AsyncDisposable {
  readonly clock: TestClock = new TestClock();
  readonly logged: LogFields[] = [];
  #server: Awaited<ReturnType<typeof startServer>> | undefined = undefined;

  static async start(environment: Record<string, string> = {}): Promise<TokenServer> {
    const started = new TokenServer();
    const key = "POLYWIRE_CLIENT_TOKEN_JWKS_URL" in environment ? {} : { POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: SECRET };
    const { config } = loadConfig(undefined, { POLYWIRE_CHANNELS: CHANNELS, ...key, ...environment });
    const here = listenAddress("127.0.0.1", 0);
    const anywhere = { listen: [{ ...here, pong: true }], internal: [here] };
    const logger = {
      ...silentLogger,
      isEnabled: () => true,
      log: (...[, component, message, fields = {}]: Parameters<typeof silentLogger.log>) =>
        void started.logged.push({ component, message, ...fields }),
    };
    started.#server = await startServer({ ...config, ...anywhere }, { logger, clock: started.clock });
    return started;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#server?.listen[0]?.port}/connection/websocket`;
  }

  /** Fulfilled when so many refreshes were granted: time that passes before takes them for late. */
  async refreshed(count: number): Promise<void> {
    const url = `http://127.0.0.1:${this.#server?.internal[0]?.port}/metrics`;
    for (let granted = 0; granted < count; ) {
      const [, value = "0"] = /^polywire_hub_refresh_count_total (\d+)$/m.exec(await (await fetch(url)).text()) ?? [];
      granted = Number(value);
    }
  }

  token(content: TokenContent, secret: string = SECRET): Promise<string> {
    return issueToken({ ttlMs: 60_000, ...content }, { hmacSecret: secret }, { clock: this.clock });
  }

  /** So many seconds from now on, in seconds since 1970. */
  at(seconds: number): number {
    return Math.floor(this.clock.wallTime() / 1_000) + seconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopped = this.#server?.stop();
    await this.clock.pass(30_000);
    await stopped;
  }
}

const OPTIONS = { minReconnectDelay: 10, maxReconnectDelay: 50 };
const FAST = { minResubscribeDelay: 10, maxResubscribeDelay: 50 };

type Make = (url: string, options: Partial<Options>) => Centrifuge;

const ENCODINGS: readonly { readonly name: string; readonly make: Make; readonly data: (value: unknown) => unknown }[] =
  [
    { name: "JSON", make: (url, options) => new Centrifuge(url, { ...OPTIONS, ...options }), data: (value) => value },
    {
      name: "Protobuf",
      // The same class from another entry, with types of its own.
      make: (url, options) => new ProtobufCentrifuge(url, { ...OPTIONS, ...options }) as unknown as Centrifuge,
      data: (value) => new TextEncoder().encode(JSON.stringify(value)),
    },
  ];

interface Emitter {
  once(event: string, listener: (context: never) => void): unknown;
}

/** The next event of that name. */
function next<Context>(emitter: object, event: string): Promise<Context> {
  return new Promise((resolve) => (emitter as Emitter).once(event, resolve as (context: never) => void));
}

interface Ended {
  readonly code: number;
  readonly reason: string;
}

/** A client that is disconnected with its test. */
function using(client: Centrifuge): Centrifuge & Disposable {
  return Object.assign(client, { [Symbol.dispose]: () => client.disconnect() });
}

/** What is given out one after the other, the last of it again and again; how often it was asked for. */
function supply(...tokens: readonly string[]): {
  readonly get: () => Promise<string>;
  readonly asked: () => number;
  readonly more: () => Promise<void>;
} {
  let count = 0;
  let told = Promise.withResolvers<void>();
  return {
    get: () => {
      const token = tokens[Math.min(count, tokens.length - 1)] ?? "";
      count++;
      told.resolve();
      told = Promise.withResolvers();
      return Promise.resolve(token);
    },
    asked: () => count,
    more: () => told.promise,
  };
}

async function connected(client: Centrifuge): Promise<void> {
  client.connect();
  await client.ready(20_000);
}

describe.each(ENCODINGS)("the official SDK with tokens, in $name", ({ make, data }) => {
  test("is who its token says, and is shown as it says", async () => {
    await using server = await TokenServer.start();
    const token = await server.token({ user: "42", info: { name: "Ann" } });
    using client = using(make(server.url, { token }));
    await connected(client);
    const room = client.newSubscription("room");
    room.subscribe();
    await room.ready();
    const [member] = Object.values((await client.presence("room")).clients);
    expect(member?.user).toBe("42");
    expect(member?.connInfo).toEqual(data({ name: "Ann" }));
  });

  test("refreshes its connection, and is there long after its first token was over", async () => {
    await using server = await TokenServer.start();
    const { get, asked, more } = supply(
      await server.token({ user: "42", ttlMs: 1_000 }),
      await server.token({ user: "42", ttlMs: 600_000 }),
    );
    using client = using(make(server.url, { getToken: get }));
    await connected(client);
    await more();
    expect(asked()).toBe(2);
    await server.refreshed(1);
    await server.clock.pass(60_000);
    await client.publish("room", data(1));
    expect([client.state, asked()]).toEqual(["connected", 2]);
  });

  test("fetches another token when its own has expired, and connects with that", async () => {
    await using server = await TokenServer.start();
    const stale = await server.token({ user: "42", ttlMs: 1_000 });
    await server.clock.pass(2_000);
    const { get, asked } = supply(await server.token({ user: "42" }));
    using client = using(make(server.url, { token: stale, getToken: get }));
    const error = next<{ error: Ended }>(client, "error");
    await connected(client);
    expect((await error).error.code).toBe(109);
    expect(asked()).toBe(1);
  });

  test("is ended with 3005 when nobody gives it another, comes back with one that is good", async () => {
    await using server = await TokenServer.start();
    const tokens = [await server.token({ user: "42", ttlMs: 50_000 })];
    using client = using(make(server.url, { getToken: () => Promise.resolve(tokens[0] ?? "") }));
    await connected(client);
    const lost = next<Ended>(client, "connecting");
    await server.clock.pass(76_000);
    tokens[0] = await server.token({ user: "42" });
    expect(await lost).toMatchObject({ code: 3005, reason: "connection expired" });
    await client.ready(20_000);
  });

  test.each<[string, (server: TokenServer) => Promise<string> | string]>([
    ["with another secret", (server) => server.token({ user: "42" }, OLD_SECRET)],
    ["with the algorithm none", (server) => unsigned({ alg: "none" }, { sub: "42", exp: server.at(60) })],
    ["with an algorithm of another kind of key", async (server) => foreign(server)],
    ["without a user", (server) => server.token({})],
    ["without an end", (server) => issueToken({ user: "42" }, { hmacSecret: SECRET }, { clock: server.clock })],
    ["for a subscription", (server) => server.token({ user: "42", channel: "room" })],
    ["that is garbage", () => "garbage"],
  ])("is ended with 3500 for good when its token is one %s", async (_, forge) => {
    await using server = await TokenServer.start();
    using client = using(make(server.url, { token: await forge(server) }));
    const ended = next<Ended>(client, "disconnected");
    client.connect();
    expect(await ended).toMatchObject({ code: 3500, reason: "invalid token" });
    expect(server.logged.find(({ message }) => message === "token refused")).toMatchObject({ component: "tokens" });
  });

  test("without a token is nobody, where the configuration allows it, and ended with 3501 where not", async () => {
    await using strict = await TokenServer.start();
    using refused = using(make(strict.url, {}));
    const ended = next<Ended>(refused, "disconnected");
    refused.connect();
    expect(await ended).toMatchObject({ code: 3501 });
    await using open = await TokenServer.start({ POLYWIRE_CLIENT_ALLOW_ANONYMOUS: "true" });
    using client = using(make(open.url, {}));
    await connected(client);
  });

  test("subscribes to a private channel with a token of its own, and not without", async () => {
    await using server = await TokenServer.start();
    using client = using(make(server.url, { token: await server.token({ user: "42" }) }));
    await connected(client);
    const bare = client.newSubscription("team:red");
    const refused = next<Ended>(bare, "unsubscribed");
    bare.subscribe();
    expect(await refused).toMatchObject({ code: 103, reason: "permission denied" });
    client.removeSubscription(bare);
    const token = await server.token({ user: "42", channel: "team:red", data: { seat: 7 } });
    const room = client.newSubscription("team:red", { getToken: () => Promise.resolve(token) });
    const subscribed = next<{ data: unknown }>(room, "subscribed");
    room.subscribe();
    expect((await subscribed).data).toEqual(data({ seat: 7 }));
    const own = client.newSubscription("dialog#41,42");
    own.subscribe();
    await own.ready();
  });

  test("fetches another token for a subscription when the first has expired, and refreshes it in time", async () => {
    await using server = await TokenServer.start();
    using client = using(make(server.url, { token: await server.token({ user: "42", ttlMs: 3_600_000 }) }));
    await connected(client);
    const tokenFor = (ttlMs: number): Promise<string> => server.token({ user: "42", channel: "team:red", ttlMs });
    const stale = await tokenFor(1_000);
    await server.clock.pass(2_000);
    const { get, asked, more } = supply(await tokenFor(1_000), await tokenFor(600_000));
    const room = client.newSubscription("team:red", { token: stale, getToken: get, ...FAST });
    const error = next<{ error: Ended }>(room, "error");
    room.subscribe();
    expect((await error).error.code).toBe(109);
    await room.ready();
    expect(asked()).toBe(1);
    await more();
    await server.refreshed(1);
    await server.clock.pass(60_000);
    await client.publish("room", data(1));
    expect([room.state, client.state, asked()]).toEqual(["subscribed", "connected", 2]);
  });

  test("comes back to a subscription that ended with 2501, with another token", async () => {
    await using server = await TokenServer.start();
    using client = using(make(server.url, { token: await server.token({ user: "42", ttlMs: 3_600_000 }) }));
    await connected(client);
    const tokens = [await server.token({ user: "42", channel: "team:red", ttlMs: 50_000 })];
    const room = client.newSubscription("team:red", { getToken: () => Promise.resolve(tokens[0] ?? ""), ...FAST });
    room.subscribe();
    await room.ready();
    const lost = next<Ended>(room, "subscribing");
    const back = next(room, "subscribed");
    await server.clock.pass(76_000);
    tokens[0] = await server.token({ user: "42", channel: "team:red" });
    expect(await lost).toMatchObject({ code: 2501 });
    await back;
    expect(client.state).toBe("connected");
  });

  test("is ended with 3500 when it shows a token for another channel", async () => {
    await using server = await TokenServer.start();
    using client = using(make(server.url, { token: await server.token({ user: "42" }) }));
    await connected(client);
    const ended = next<Ended>(client, "disconnected");
    client.newSubscription("team:red", { token: await server.token({ user: "42", channel: "team:blue" }) }).subscribe();
    expect(await ended).toMatchObject({ code: 3500 });
  });

  test("is where its token subscribes it, and goes where a new one does", async () => {
    await using server = await TokenServer.start();
    const { get } = supply(
      await server.token({ user: "42", channels: ["news"], ttlMs: 1_000 }),
      await server.token({ user: "42", channels: ["news", "team:red"], ttlMs: 600_000 }),
    );
    using client = using(make(server.url, { getToken: get }));
    const names: string[] = [];
    client.on("subscribed", ({ channel }) => names.push(channel));
    await connected(client);
    expect(names).toEqual(["news"]);
    const lost = next<Ended>(client, "connecting");
    expect(await lost).toMatchObject({ code: 3010 });
    await client.ready(20_000);
    expect(new Set(names)).toEqual(new Set(["news", "team:red"]));
  });

  test("may do what the capabilities of its token name", async () => {
    await using server = await TokenServer.start();
    const capabilities = [{ channels: ["team:*"], allow: ["subscribe", "publish"] }] as const;
    using client = using(make(server.url, { token: await server.token({ user: "42", capabilities }) }));
    await connected(client);
    const room = client.newSubscription("team:red");
    room.subscribe();
    await room.ready();
    const heard = next<{ data: unknown }>(room, "publication");
    await room.publish(data("hello"));
    expect((await heard).data).toEqual(data("hello"));
  });

  test("goes by the keys that an issuer publishes, the new ones as well", async () => {
    await using issuer = await Issuer.start();
    issuer.publish("first");
    await using server = await TokenServer.start({ POLYWIRE_CLIENT_TOKEN_JWKS_URL: issuer.url });
    using client = using(make(server.url, { token: await issuer.token("first", server.clock) }));
    await connected(client);
    issuer.publish("second");
    await server.clock.pass(30_000);
    using other = using(make(server.url, { token: await issuer.token("second", server.clock) }));
    await connected(other);
    using late = using(make(server.url, { token: await issuer.token("first", server.clock) }));
    const ended = next<Ended>(late, "disconnected");
    late.connect();
    expect(await ended).toMatchObject({ code: 3500 });
    expect(issuer.requests).toBe(2);
  });

  test("is ended with 3504 when its user has as many clients as the configuration allows", async () => {
    await using server = await TokenServer.start({ POLYWIRE_LIMITS_CLIENTS_PER_USER: "1" });
    const token = await server.token({ user: "42" });
    using first = using(make(server.url, { token }));
    using second = using(make(server.url, { token }));
    await connected(first);
    const ended = next<Ended>(second, "disconnected");
    second.connect();
    expect(await ended).toMatchObject({ code: 3504 });
  });

  test("keeps its tokens good while a key is being replaced, until the old one's end", async () => {
    const until = new Date(new TestClock().wallTime() + 120_000).toISOString();
    await using server = await TokenServer.start({
      POLYWIRE_CLIENT_TOKEN_PREVIOUS_HMAC_SECRET: OLD_SECRET,
      POLYWIRE_CLIENT_TOKEN_PREVIOUS_UNTIL: until,
    });
    const old = await server.token({ user: "42", ttlMs: 3_600_000 }, OLD_SECRET);
    using first = using(make(server.url, { token: old }));
    using second = using(make(server.url, { token: await server.token({ user: "43" }) }));
    await connected(first);
    await connected(second);
    await server.clock.pass(120_000);
    using late = using(make(server.url, { token: old }));
    const ended = next<Ended>(late, "disconnected");
    late.connect();
    expect(await ended).toMatchObject({ code: 3500 });
  });
});

test("a server whose tokens are less safe than they could be says so as it starts, and one whose are not does not", async () => {
  const warnings = ({ logged }: TokenServer): unknown[] =>
    logged.filter(({ component }) => component === "tokens").map(({ warning }) => warning);
  await using strict = await TokenServer.start();
  expect(warnings(strict)).toEqual([]);
  await using relaxed = await TokenServer.start({
    POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: "secret",
    POLYWIRE_CLIENT_TOKEN_ALLOW_WEAK_KEY: "true",
    POLYWIRE_CLIENT_TOKEN_REQUIRE_EXPIRY: "false",
    POLYWIRE_CLIENT_ALLOW_ANONYMOUS: "true",
  });
  expect(warnings(relaxed)).toEqual([
    expect.stringContaining("requireExpiry is false"),
    expect.stringContaining("allowWeakKey is true"),
  ]);
  // The specification's own token, which is relaxed in both.
  const token =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MzgwNzg4MjR9.MTb3higWfFW04E9-8wmTFOcf4MEm-rMDQaNKJ1VU_n4";
  using client = using(new Centrifuge(relaxed.url, { ...OPTIONS, token }));
  await connected(client);
});

/** Who signs tokens elsewhere, and publishes the keys to verify them with. */
class Issuer implements AsyncDisposable {
  requests = 0;
  readonly #keys = new Map(
    ["first", "second"].map((name) => [name, generateKeyPairSync("ec", { namedCurve: "P-256" })]),
  );
  #published: object[] = [];
  readonly #server = createServer((_, response) => {
    this.requests++;
    response.end(JSON.stringify({ keys: this.#published }));
  });

  static async start(): Promise<Issuer> {
    const issuer = new Issuer();
    await once(issuer.#server.listen(0, "127.0.0.1"), "listening");
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`;
  }

  /** This key, and no other. */
  publish(name: string): void {
    this.#published = [{ ...this.#keys.get(name)?.publicKey.export({ format: "jwk" }), kid: name }];
  }

  token(name: string, clock: TestClock): Promise<string> {
    const privateKey = this.#keys.get(name)?.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    return issueToken({ user: "42", ttlMs: 60_000 }, { privateKey, keyId: name }, { clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await once(this.#server.close(), "close");
  }
}

function unsigned(header: object, claims: object): string {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

function foreign(server: TokenServer): Promise<string> {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  return issueToken({ user: "42", ttlMs: 60_000 }, { privateKey: pem }, { clock: server.clock });
}
