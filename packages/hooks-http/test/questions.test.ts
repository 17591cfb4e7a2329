import type {
  AuthenticateRequest,
  AuthorizeRequest,
  HubOptions,
  ProcedureCall,
  PublishRequest,
} from "@polywire/realtime";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HttpHooks, type HttpHooksOptions } from "../src/index.ts";
import { BackendWorld } from "./backend-world.ts";

const encoder = new TextEncoder();
const CONNECT: AuthenticateRequest = {
  action: "connect",
  client: "c1",
  origin: {
    transport: "ws",
    encoding: "json",
    address: "192.0.2.1",
    headers: new Map([
      ["cookie", "session=1"],
      ["x-other", "private"],
    ]),
  },
  name: "js",
  version: "5",
};
const SUBSCRIBE: AuthorizeRequest = {
  action: "subscribe",
  channel: "team:1",
  client: "c1",
  user: "42",
  meta: { plan: "gold" },
};
const PUBLISH: PublishRequest = {
  channel: "chat:1",
  data: encoder.encode('{"text":"hi"}'),
  format: "json",
  client: "c1",
  user: "42",
};

function call(data: Uint8Array): ProcedureCall {
  return { method: "sum", data, client: "c1", user: "42", signal: new AbortController().signal };
}

type Hook<Name extends keyof HttpHooks["hooks"]> = NonNullable<HubOptions[Name]>;

test("each question is posted to its place, and says who asks for what", async () => {
  await using there = await BackendWorld.start({
    connect: { url: "/connect?from=hub" },
    subscribe: { url: "/subscribe" },
    publish: { url: "/publish" },
    rpc: { url: "/rpc" },
    headers: { authorization: "Bearer of the hub" },
    clientHeaders: ["Cookie", "x-absent"],
  });
  const { hooks } = there.hooks;
  await hooks.authenticate?.({
    ...CONNECT,
    data: encoder.encode('{"room": 12345678901234567890}'),
    channels: ["news"],
  });
  await hooks.authorize?.(SUBSCRIBE);
  await hooks.publishing?.(PUBLISH);
  await hooks.call?.(call(new Uint8Array([0xff, 0x00])));
  expect(there.asked.map(({ event, path }) => [event, path])).toEqual([
    ["connect", "/connect"],
    ["subscribe", "/subscribe"],
    ["publish", "/publish"],
    ["rpc", "/rpc"],
  ]);
  const [connect, subscribe, publish, rpc] = there.asked;
  expect(connect?.text).toBe(
    '{"client":"c1","user":"","transport":"ws","protocol":"json","name":"js","version":"5","channels":["news"],"address":"192.0.2.1","data":{"room": 12345678901234567890}}',
  );
  expect(connect?.headers.get("cookie")).toBe("session=1");
  expect(connect?.headers.has("x-other")).toBe(false);
  expect(connect?.headers.get("authorization")).toBe("Bearer of the hub");
  expect(subscribe?.body).toEqual({ client: "c1", user: "42", meta: { plan: "gold" }, channel: "team:1" });
  expect(subscribe?.headers.has("cookie")).toBe(false);
  expect(publish?.body).toEqual({ client: "c1", user: "42", channel: "chat:1", data: { text: "hi" } });
  expect(rpc?.body).toEqual({ client: "c1", user: "42", method: "sum", b64data: "/wA=" });
});

test("whatever data a client sends, the question is JSON and the backend gets the very data", async () => {
  await using there = await BackendWorld.start({ rpc: { url: "/" } });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc.json().map((text) => encoder.encode(text)),
      ),
      async (data) => {
        await there.hooks.hooks.call?.(call(data));
        const { data: json, b64data } = there.asked.at(-1)?.body ?? {};
        if (typeof b64data === "string")
          expect(new Uint8Array(Buffer.from(b64data, "base64"))).toEqual(new Uint8Array(data));
        else if (data.length > 0) expect(json).toEqual(JSON.parse(Buffer.from(data).toString()));
      },
    ),
    { numRuns: 200 },
  );
});

test("what a connect is answered with becomes what the hub wants to know", async () => {
  await using there = await BackendWorld.start({ connect: { url: "/" }, refresh: { url: "/" } });
  const nowS = Math.floor(Date.now() / 1_000);
  there.answer = () => ({
    result: {
      user: "42",
      expire_at: nowS + 600,
      info: { name: "Ada" },
      data: { hello: 1 },
      channels: ["news"],
      subs: {
        "team:1": {
          info: { role: "owner" },
          override: { presence: { value: false }, force_recovery: { value: true } },
        },
      },
      caps: [{ channels: ["room:*"], allow: ["sub", "pub"] }],
      meta: { plan: "gold" },
    },
  });
  const verdict = await (there.hooks.hooks.authenticate as Hook<"authenticate">)(CONNECT);
  expect(verdict).toMatchObject({
    user: "42",
    refreshedBy: "server",
    connectionInfo: encoder.encode('{"name":"Ada"}'),
    data: encoder.encode('{"hello":1}'),
    channels: ["news"],
    capabilities: [{ channels: ["room:*"], allow: ["subscribe", "publish"] }],
    meta: { plan: "gold" },
  });
  const { ttlMs, subscriptions } = verdict as { ttlMs: number; subscriptions: ReadonlyMap<string, object> };
  expect(Math.abs(ttlMs - 600_000)).toBeLessThan(30_000);
  expect([...subscriptions]).toEqual([
    ["team:1", { channelInfo: encoder.encode('{"role":"owner"}'), features: { presence: false, recovery: true } }],
  ]);
});

test("a refresh keeps what it does not mention, and may say that the time is over", async () => {
  await using there = await BackendWorld.start({ refresh: { url: "/" } });
  const authenticate = there.hooks.hooks.authenticate as Hook<"authenticate">;
  const before = { user: "42", ttlMs: 1, channels: ["news"], meta: { plan: "gold" } };
  there.answer = () => ({ result: { expire_at: 0, meta: { plan: "lead" } } });
  expect(await authenticate({ ...CONNECT, action: "refresh", before })).toEqual({
    user: "42",
    channels: ["news"],
    meta: { plan: "lead" },
  });
  expect(there.asked[0]?.body).toMatchObject({ user: "42", meta: { plan: "gold" } });
  there.answer = () => ({ result: { expired: true } });
  expect(await authenticate({ ...CONNECT, action: "refresh", before })).toMatchObject({ error: { code: 109 } });
});

test("subscribes, their refreshes and publishes", async () => {
  await using there = await BackendWorld.start({
    subscribe: { url: "/", channels: ["team:*"] },
    subRefresh: { url: "/" },
    publish: { url: "/", channels: ["chat:*"] },
  });
  const { authorize, publishing } = there.hooks.hooks as Required<HttpHooks["hooks"]>;
  there.answer = () => ({ result: { info: { seat: 1 }, b64data: "aGk=" } });
  expect(await authorize?.(SUBSCRIBE)).toEqual({
    allowed: true,
    refreshedBy: "server",
    channelInfo: encoder.encode('{"seat":1}'),
    data: encoder.encode("hi"),
  });
  expect(await authorize?.({ ...SUBSCRIBE, channel: "other" })).toMatchObject({ error: { code: 103 } });
  there.answer = () => ({ result: { expired: true } });
  expect(await authorize?.({ ...SUBSCRIBE, action: "refresh" })).toMatchObject({ error: { code: 109 } });
  there.answer = () => ({
    result: { data: { text: "hey" }, tags: { lang: "en" }, skip_history: true, idempotency_key: "k" },
  });
  expect(await publishing?.(PUBLISH)).toEqual({
    allowed: true,
    data: encoder.encode('{"text":"hey"}'),
    tags: { lang: "en" },
    skipHistory: true,
    idempotencyKey: "k",
  });
  const asked = there.asked.length;
  expect(await publishing?.({ ...PUBLISH, channel: "other" })).toEqual({ allowed: true });
  expect(there.asked).toHaveLength(asked);
});

test("a no is an error or an end; no result at all is a no, too", async () => {
  await using there = await BackendWorld.start({
    connect: { url: "/" },
    subscribe: { url: "/" },
    publish: { url: "/" },
  });
  const { authenticate, authorize, publishing } = there.hooks.hooks as Required<HttpHooks["hooks"]>;
  there.answer = () => ({ error: { code: 1_000, message: "closed today", temporary: true } });
  const error = { code: 1_000, message: "closed today", isTemporary: true };
  expect(await authenticate?.(CONNECT)).toEqual({ error });
  expect(await authorize?.(SUBSCRIBE)).toEqual({ error });
  expect(await publishing?.(PUBLISH)).toEqual({ error });
  there.answer = () => ({ disconnect: { code: 4_500, reason: "banned" } });
  expect(await authenticate?.(CONNECT)).toEqual({ disconnect: { code: 4_500, reason: "banned" } });
  there.answer = () => ({});
  expect(await authenticate?.(CONNECT)).toMatchObject({ disconnect: { code: 3501 } });
  expect(await authorize?.(SUBSCRIBE)).toMatchObject({ error: { code: 103 } });
  expect(await publishing?.(PUBLISH)).toMatchObject({ error: { code: 103 } });
});

test.each<[string, string | { status: number }, RegExp]>([
  ["another status", { status: 404 }, /answered connect with status 404/],
  ["no JSON", "<html>", /is no JSON/],
  ["a list", "[]", /the answer/],
  ["a user that is a number", '{"result":{"user":42}}', /user/],
  ["an info in wrong base64", '{"result":{"b64info":"%"}}', /b64info/],
  ["a channel that is none", '{"result":{"channels":[""]}}', /channels\.0/],
  ["an override nobody knows", '{"result":{"subs":{"a":{"override":{"x":{"value":true}}}}}}', /subs\.a\.override/],
  ["an error without a code", '{"error":{"message":"secret"}}', /error\.code/],
])("%s is no answer, and the reason names the place, not the value", async (_what, answer, message) => {
  await using there = await BackendWorld.start({ connect: { url: "/" } });
  there.answer = () => answer;
  await expect((there.hooks.hooks.authenticate as Hook<"authenticate">)(CONNECT) as Promise<unknown>).rejects.toThrow(
    message,
  );
});

test("questions are asked again while a backend restarts, publications and calls are not", async () => {
  await using there = await BackendWorld.start({ connect: { url: "/" }, publish: { url: "/" }, rpc: { url: "/" } });
  const { authenticate, publishing, call: rpc } = there.hooks.hooks as Required<HttpHooks["hooks"]>;
  let failures = 1;
  there.answer = () => (failures-- > 0 ? { status: 503 } : { result: { user: "42" } });
  expect(await authenticate?.(CONNECT)).toMatchObject({ user: "42" });
  expect(there.asked).toHaveLength(2);
  failures = 1;
  await expect(publishing?.(PUBLISH) as Promise<unknown>).rejects.toThrow("status 503");
  failures = 1;
  await expect(rpc?.(call(encoder.encode("{}"))) as Promise<unknown>).rejects.toThrow("status 503");
  expect(there.asked).toHaveLength(4);
});

test("a backend that fails again and again is left alone for a while, and the figures say so", async () => {
  await using there = await BackendWorld.start({ publish: { url: "/" }, breaker: { consecutiveFailures: 3 } });
  const publishing = there.hooks.hooks.publishing as Hook<"publishing">;
  there.answer = () => ({ status: 500 });
  for (let index = 0; index < 5; index++)
    await expect(publishing(PUBLISH) as Promise<unknown>).rejects.toThrow(/status 500|circuit/);
  expect(there.asked).toHaveLength(3);
  const [active, durations] = there.hooks.metrics();
  expect(active?.points).toEqual([{ attributes: {}, value: 0 }]);
  expect(durations?.points.map(({ attributes }) => Object.values(attributes).join(" "))).toEqual([
    "publish not-available",
  ]);
});

test("a backend that does not answer in time is one that failed", async () => {
  await using there = await BackendWorld.start({ connect: { url: "/", timeoutMs: 50 } });
  there.answer = () => new Promise(() => {});
  const asked = (there.hooks.hooks.authenticate as Hook<"authenticate">)(CONNECT);
  await expect(asked as Promise<unknown>).rejects.toMatchObject({ code: "timed-out" });
});

test("only what is configured is a hook", () => {
  const hooks = (options: HttpHooksOptions): string[] => Object.keys(new HttpHooks(options).hooks);
  const url = "http://127.0.0.1:1/";
  expect(hooks({ connect: { url } })).toEqual(["authenticate"]);
  expect(hooks({ subRefresh: { url } })).toEqual(["authorize"]);
  expect(hooks({ publish: { url }, rpc: { url } })).toEqual(["publishing", "call"]);
});

test.each<[object, string]>([
  [{}, "no hook is given: give one of connect, refresh"],
  [{ conect: { url: "http://a/" } }, 'unknown option "conect": did you mean "connect"'],
  [{ connect: { url: 1 } }, "connect.url: give a URL of http: or https:"],
  [{ connect: { url: "ws://user:secret@a/" } }, "connect.url: "],
  [{ connect: { url: "ftp://a/" } }, 'connect.url: the scheme is "ftp"'],
  [{ connect: { url: "http://a/", timeoutMs: 0 } }, "timeoutMs is 0"],
  [{ connect: { url: "http://a/", channels: ["a"] } }, "connect is about no channel"],
  [{ publish: { url: "http://a/", channels: [""] } }, "give an array of names or patterns"],
  [{ rpc: { url: "http://a/" }, headers: { "x y": "secret" } }, 'headers: "x y" is no header'],
  [{ rpc: { url: "http://a/" }, headers: { x: "secret\n" } }, 'headers: "x" is no header'],
  [{ rpc: { url: "http://a/" }, clientHeaders: ["a b"] }, "clientHeaders is"],
  [{ rpc: { url: "http://a/" }, connections: 0 }, "connections is 0"],
])("a wrong option is named, no secret is: %j", (options, message) => {
  const make = (): HttpHooks => new HttpHooks(options as HttpHooksOptions);
  expect(make).toThrow(message);
  expect(make).not.toThrow("secret");
});
