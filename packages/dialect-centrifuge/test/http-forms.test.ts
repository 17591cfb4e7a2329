import { ERRORS, type HubOptions, type Origin } from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { type Asked, Exchanging } from "./exchanging.ts";
import { frame, type Message, replies } from "./wire-client.ts";

const OCTETS = { "content-type": "application/octet-stream" };
const connectCommand: Message = { id: 1, connect: {} };
const CONNECT = JSON.stringify(connectCommand);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const PAGE = { origin: "https://app.example.com", host: "hub" };

function encoded(text: string): string {
  return encodeURIComponent(text);
}

describe("requests that no form takes", () => {
  it.each<[string, Asked, number]>([
    ["http_stream", { method: "GET" }, 405],
    ["http_stream", { method: "PUT", body: CONNECT }, 405],
    ["sse", { method: "GET" }, 400],
    ["sse", { method: "DELETE" }, 405],
    ["emulation", { method: "GET" }, 405],
    ["emulation", { body: "" }, 400],
    ["emulation", { body: "{" }, 400],
    ["emulation", { body: "[]" }, 400],
    ["emulation", { body: "null" }, 400],
    ["emulation", { body: '{"session":1,"node":"n","data":""}' }, 400],
    ["emulation", { body: '{"session":"s","node":"n"}' }, 400],
    ["emulation", { body: new Uint8Array([0x22, 0xff, 0x22]) }, 400],
    ["emulation", { body: new Uint8Array([10, 100, 1]), headers: OCTETS }, 400],
    ["emulation", { body: '{"session":"s","node":"","data":"{}"}' }, 404],
    ["emulation", { body: '{"session":"s","node":"another","data":"{}"}' }, 404],
    ["uni_sse", { method: "PATCH" }, 405],
    ["uni_sse?cf_connect=%7B", { method: "GET" }, 400],
    ["uni_http_stream", { method: "GET" }, 405],
    ["uni_http_stream", { body: "[]" }, 400],
    ["uni_http_stream", { body: '{} {"token":"t"}' }, 400],
    ["Consume", { body: new Uint8Array([10, 100, 1]) }, 400],
    ["websocket", { method: "GET" }, 404],
    ["http_stream/", { body: CONNECT }, 404],
    ["", {}, 404],
    ["__proto__", {}, 404],
    ["constructor", {}, 404],
  ])("%s with %j: %i", async (path, asked, status) => {
    await using world = await Exchanging.start();
    expect(await world.statusOf(path, asked)).toBe(status);
    expect(world.hub.stats().sessions).toBe(0);
  });

  it("says which methods there are", async () => {
    await using world = await Exchanging.start();
    expect((await world.request("sse", { method: "PUT" })).headers.get("allow")).toBe("GET, POST, OPTIONS");
  });

  it.each(["http_stream", "sse", "emulation", "uni_sse", "uni_http_stream"])(
    "refuses a body past the limit with 413, and ends nobody: %s",
    async (path) => {
      await using world = await Exchanging.start({ limits: { publicationBytes: 1_024 } });
      const bystander = await world.stream("http_stream", { body: CONNECT });
      expect(await bystander.text()).toContain('"connect"');
      const { maxMessageBytes } = world.hub.linkLimits;
      expect(await world.statusOf(path, { body: "x".repeat(maxMessageBytes + 1) })).toBe(413);
      expect(world.hub.stats().sessions).toBe(1);
    },
  );

  it("refuses a body that says that it is too long without reading it", async () => {
    await using world = await Exchanging.start();
    async function* body(): AsyncGenerator<Uint8Array> {
      await new Promise(() => {});
      yield new Uint8Array(1);
    }
    const headers = new Map([["content-length", "999999999"]]);
    const path = "/connection/http_stream";
    expect((await world.exchanger.request({ method: "POST", path, headers, body: body() })).status).toBe(413);
  });
});

describe("HTTP-streaming", () => {
  it("answers at once with the stream's headers, a line for each reply", async () => {
    await using world = await Exchanging.start({ version: "1.0" });
    const stream = await world.stream("http_stream", { body: `${CONNECT}\n{"id":2,"subscribe":{"channel":"news"}}` });
    expect(stream.status).toBe(200);
    expect(Object.fromEntries(stream.headers)).toEqual({
      "x-accel-buffering": "no",
      "cache-control": "private, no-cache, no-store, must-revalidate, max-age=0",
      pragma: "no-cache",
    });
    let text = "";
    while (text.split("\n").length < 3) text += await stream.text();
    const [connect, subscribe, rest] = text.split("\n");
    expect(JSON.parse(connect ?? "")).toEqual({
      id: 1,
      connect: {
        client: expect.stringMatching(UUID) as string,
        version: "1.0",
        ping: 25,
        pong: true,
        session: expect.stringMatching(UUID) as string,
        node: expect.stringMatching(UUID) as string,
      },
    });
    expect([subscribe, rest]).toEqual(['{"id":2,"subscribe":{}}', ""]);
  });

  it("speaks Protobuf to the very content type of bytes, and JSON to every other", async () => {
    await using world = await Exchanging.start();
    const stream = await world.stream("http_stream", { body: frame("protobuf", connectCommand), headers: OCTETS });
    expect(replies((await stream.next()) as Uint8Array)).toEqual([
      { id: 1, connect: expect.objectContaining({ session: expect.stringMatching(UUID) as string }) as Message },
    ]);
    for (const type of ["application/octet-stream; charset=x", "text/plain", "application/json"]) {
      const other = await world.stream("http_stream", { body: CONNECT, headers: { "content-type": type } });
      expect(await other.text()).toMatch(/^\{"id":1,"connect":.*\}\n$/);
    }
  });

  it.each([
    ["nothing", ""],
    ["garbage", "garbage"],
    ["a command that is no connect", '{"id":1,"subscribe":{"channel":"news"}}'],
    ["two connects", `${CONNECT}\n${CONNECT}`],
  ])("has the status 200 before it knows what was asked: %s ends with 3501 in a push", async (_name, body) => {
    await using world = await Exchanging.start();
    const stream = await world.stream("http_stream", { body });
    expect(stream.status).toBe(200);
    const last = (await stream.rest()).trimEnd().split("\n").at(-1);
    expect(last).toBe('{"push":{"disconnect":{"code":3501,"reason":"bad request"}}}');
  });

  it("tells a refused connect in a reply, and the end that the program gives in a push", async () => {
    const authenticate: HubOptions["authenticate"] = ({ token }) =>
      token === "old" ? { error: ERRORS.tokenExpired } : { disconnect: { code: 3500, reason: "invalid token" } };
    await using world = await Exchanging.start({ authenticate });
    const old = await world.stream("http_stream", { body: '{"id":1,"connect":{"token":"old"}}' });
    expect(await old.text()).toBe('{"id":1,"error":{"code":109,"message":"token expired"}}\n');
    const wrong = await world.stream("http_stream", { body: CONNECT });
    expect(await wrong.rest()).toBe('{"push":{"disconnect":{"code":3500,"reason":"invalid token"}}}\n');
  });

  it("ends the session when its reader goes away", async () => {
    await using world = await Exchanging.start();
    const stream = await world.stream("http_stream", { body: CONNECT });
    await stream.text();
    expect([world.hub.stats().sessions, world.handler.stats().emulated]).toEqual([1, 1]);
    stream.cut();
    while (world.hub.stats().sessions > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(world.handler.stats().emulated).toBe(0);
  });
});

describe("server-sent events", () => {
  it.each<[string, string, Asked]>([
    ["GET", `sse?cf_connect=${encoded(CONNECT)}`, { method: "GET" }],
    ["POST", "sse", { body: CONNECT }],
  ])("answers a %s with a blank line and then one event for each reply", async (_method, path, asked) => {
    await using world = await Exchanging.start();
    const stream = await world.stream(path, asked);
    expect(stream.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(stream.headers.get("x-accel-buffering")).toBe("no");
    let text = "";
    while (!text.endsWith("}\n\n")) text += await stream.text();
    expect(text).toMatch(/^\r\ndata: \{"id":1,"connect":\{[^\n]*\}\}\n\n$/);
    const { connect } = JSON.parse(text.slice("\r\ndata: ".length)) as { connect: { client: string } };
    await world.hub.send({ client: connect.client }, { hello: "you" });
    expect(await stream.text()).toBe('data: {"push":{"message":{"data":{"hello":"you"}}}}\n\n');
    await world.hub.disconnect({ client: connect.client });
    const end = '{"push":{"disconnect":{"code":3503,"reason":"force disconnect"}}}';
    expect(await stream.rest()).toBe(`data: ${end}\n\n`);
  });

  it.each(['{"a":\r\n[1,\r2,\n3]\r}', '{"a":[1,\r2,3]}', '{"a":[1,\n2,3]}'])(
    "keeps an event on one line: %j",
    async (json) => {
      await using world = await Exchanging.start();
      const stream = await world.stream("sse", { body: `${CONNECT}\n{"id":2,"subscribe":{"channel":"news"}}` });
      while ((await stream.text())?.includes('"subscribe":{}') === false);
      await world.hub.publish("news", Buffer.from(json), { format: "json" });
      expect(await stream.text()).toBe('data: {"push":{"channel":"news","pub":{"data":{"a":[1,2,3]}}}}\n\n');
    },
  );
});

describe("pages of other origins", () => {
  const allowedOrigins = ["https://*.example.com"];

  it.each([
    ["http_stream", "POST, OPTIONS"],
    ["emulation", "POST, OPTIONS"],
    ["sse", "GET, POST, OPTIONS"],
  ])("%s: a preflight is answered with 204, and allows what it asked for", async (path, methods) => {
    await using world = await Exchanging.start({}, { allowedOrigins });
    const headers = { ...PAGE, "access-control-request-headers": "content-type, x-trace" };
    const response = await world.request(path, { method: "OPTIONS", headers });
    expect([response.status, (await response.body.bytes()).length]).toEqual([204, 0]);
    expect(Object.fromEntries(response.headers)).toEqual({
      "access-control-allow-origin": PAGE.origin,
      "access-control-allow-credentials": "true",
      "access-control-allow-headers": "content-type, x-trace",
      "access-control-allow-methods": methods,
      "access-control-max-age": "300",
      vary: "origin",
    });
  });

  it("lets an allowed page read every answer, also what is wrong", async () => {
    await using world = await Exchanging.start({}, { allowedOrigins });
    const allowed = { headers: PAGE };
    const stream = await world.stream("http_stream", { ...allowed, body: CONNECT });
    const wrong = await world.request("emulation", { ...allowed, body: "{" });
    for (const { headers } of [stream, wrong]) {
      expect(headers.get("access-control-allow-origin")).toBe(PAGE.origin);
      expect(headers.get("access-control-allow-credentials")).toBe("true");
    }
  });

  it.each(["http_stream", "emulation", "sse"])("%s: refuses every other page, and says nothing to it", async (path) => {
    await using world = await Exchanging.start({}, { allowedOrigins });
    for (const method of ["POST", "OPTIONS"]) {
      const response = await world.request(path, { method, headers: { ...PAGE, origin: "https://example.org" } });
      expect(response.status).toBe(403);
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  it("says nothing of origins to who sent none, and to its own pages that they may read", async () => {
    await using world = await Exchanging.start();
    const none = await world.request("http_stream", { method: "OPTIONS" });
    expect(Object.fromEntries(none.headers)).toEqual({
      "access-control-allow-methods": "POST, OPTIONS",
      "access-control-max-age": "300",
    });
    const own = await world.request("http_stream", {
      method: "OPTIONS",
      headers: { origin: "http://hub", host: "hub" },
    });
    expect(own.headers.get("access-control-allow-origin")).toBe("http://hub");
  });
});

describe("what authenticate is told", () => {
  it.each<[string, string, Asked, string]>([
    ["http_stream", "http_stream", { body: CONNECT }, "json"],
    ["http_stream", "http_stream", { body: frame("protobuf", connectCommand), headers: OCTETS }, "protobuf"],
    ["sse", `sse?cf_connect=${encoded(CONNECT)}`, { method: "GET" }, "json"],
    ["uni_sse", "uni_sse", { method: "GET" }, "json"],
    ["uni_http_stream", "uni_http_stream", { body: "{}" }, "json"],
    ["uni_grpc", "Consume", { body: new Uint8Array(0) }, "protobuf"],
  ])(
    "the transport %s of %s with %j, the encoding, and the headers it wants",
    async (transport, path, asked, encoding) => {
      const origins: Origin[] = [];
      const authenticate: HubOptions["authenticate"] = ({ origin }) => {
        origins.push(origin);
        return { user: "42" };
      };
      await using world = await Exchanging.start({ authenticate }, { keepHeaders: ["Cookie"] });
      const headers = { ...asked.headers, cookie: "a=1", "x-other": "2" };
      const stream = await world.stream(path, { ...asked, headers });
      await stream.next();
      while (world.hub.stats().connects === 0) await stream.next();
      const [origin] = origins;
      expect([origin?.transport, origin?.encoding, origin?.address]).toEqual([transport, encoding, "memory"]);
      expect([...(origin?.headers ?? [])]).toEqual([["cookie", "a=1"]]);
    },
  );
});
