import { once } from "node:events";
import { connect } from "node:net";
import { type LogFields, type Logger, PolywireError } from "@polywire/core";
import { describe, expect, it, test } from "vitest";
import { METHODS } from "../../src/server-api/methods.ts";
import { JsonRequestReader } from "../../src/server-api/read-json.ts";
import { type ApiBench, apiBench, KEY, OTHER_KEY } from "./api-bench.ts";

const PUBLISH = '{"channel":"kept","data":1}';

function bench(options: Parameters<typeof apiBench>[1] = {}): Promise<ApiBench> {
  return apiBench({ channels: [{ match: "*", history: { size: 10, ttlMs: 60_000 } }] }, options);
}

/** What was published, as the text it was. */
async function published({ hub }: ApiBench): Promise<string[]> {
  const { publications } = await hub.history("kept");
  return publications.map(({ data }) => new TextDecoder().decode(data));
}

describe("content types", () => {
  test.each([
    ["H25 a tab and a letter after it", "application/json\ta"],
    ["H27 a word after it", "application/json garbage"],
    ["H28 another charset", "application/json; charset=utf-16"],
    ["another type", "text/plain"],
    ["what a form sends", "application/x-www-form-urlencoded"],
    ["another parameter", "application/json; boundary=x"],
    ["two of them", "application/json, application/json"],
    ["none", ""],
  ])("%s is 415, and nothing is published", async (_name, type) => {
    await using served = await bench();
    const { status, text } = await rawPost(served, { "content-type": type });
    expect(status).toBe(415);
    expect(text).toContain("send content-type: application/json");
    expect(await published(served)).toEqual([]);
  });

  test.each([
    "application/json",
    "Application/JSON",
    "application/json;charset=UTF-8",
    'application/json ; charset="utf-8"',
  ])("%s is JSON", async (type) => {
    await using served = await bench();
    expect((await rawPost(served, { "content-type": type })).status).toBe(200);
    expect(await published(served)).toEqual(["1"]);
  });
});

describe("JSON that is not what a method takes", () => {
  test.each([
    ["H29 a field called __proto__", '{"__proto__":1}', 'unknown field "__proto__"'],
    ["H29 the same beside what is needed", '{"channel":"kept","data":1,"__proto__":{"data":2}}', "unknown field"],
    ["H30 a constructor's prototype", '{"constructor":{"prototype":{}}}', 'unknown field "constructor"'],
    ["H33 a number beyond all numbers", "1e999", "expected an object"],
    [
      "H33 the same in a field",
      '{"channel":"kept","data":1,"version":1e999}',
      "version: malformed JSON: expected a whole",
    ],
    ["H34 a field twice", '{"channel":"kept","channel":"other","data":1}', "channel: given twice"],
    ["H34 data twice", '{"channel":"kept","data":1,"data":2}', "data: given twice"],
    ["H34 data twice, in two forms", '{"channel":"kept","data":1,"b64data":"MQ=="}', "give data or b64data, not both"],
    ["H34 a tag twice", '{"channel":"kept","data":1,"tags":{"a":"1","a":"2"}}', 'tags["a"]: given twice'],
    ["H35 no body", "", "there is no request: send at least {}"],
    ["H35 blanks alone", " \n", "there is no request"],
    ["an array", "[]", "expected an object"],
    ["two values", "{}{}", "expected the end"],
    ["a body that ends early", '{"channel":"kept"', "expected a comma or the end"],
    ["a mark of byte order", "\ufeff{}", "expected an object"],
    ["a newline in a string", '{"channel":"ke\npt","data":1}', "no control character"],
    ["a number for a text", '{"channel":1,"data":1}', "channel: malformed JSON: expected a string"],
    ["a text for a number", '{"channel":"kept","data":1,"version":"1"}', "version: malformed JSON"],
    ["a fraction", '{"channel":"kept","data":1,"version":1.5}', "version: malformed JSON: expected a whole number"],
    ["less than nothing", '{"channel":"kept","data":1,"version":-1}', "version: is -1: give 0 or a positive integer"],
    ["more than a number can count", '{"channel":"kept","data":1,"version":9007199254740993}', "version: is beyond"],
    ["a number for a flag", '{"channel":"kept","data":1,"skip_history":1}', "skip_history: malformed JSON"],
    ["no base64", '{"channel":"kept","b64data":"###"}', "b64data: is no base64"],
    ["base64 of another alphabet", '{"channel":"kept","b64data":"A-_="}', "b64data: is no base64"],
    ["a tag of nothing", '{"channel":"kept","data":1,"tags":{"a":null}}', 'tags["a"]: is nothing'],
  ])("%s is 400, and nothing is published", async (_name, body, message) => {
    await using served = await bench();
    const answer = await served.post("publish", body);
    expect([answer.status, answer.body]).toMatchObject([400, { error: { code: 107 } }]);
    expect((answer.body as { error: { message: string } }).error.message).toContain(message);
    expect(await published(served)).toEqual([]);
    expect(Object.prototype).not.toHaveProperty("data");
  });

  it("is 400 where it is no UTF-8", async () => {
    await using served = await bench();
    const answer = await served.post("publish", new Uint8Array([0x7b, 0xff, 0x7d]));
    expect([answer.status, answer.body]).toMatchObject([
      400,
      { error: { message: "bad request: the request is not UTF-8" } },
    ]);
  });

  it("H32: a depth of 10,000 is 400, and known for it in less than 20 ms", async () => {
    await using served = await bench();
    const body = `{"channel":"kept","data":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
    const answer = await served.post("publish", body);
    expect([answer.status, answer.body]).toMatchObject([
      400,
      { error: { message: expect.stringContaining("nesting") } },
    ]);
    const reader = new JsonRequestReader();
    const bytes = Buffer.from(body);
    // The best of some: others use the processor, too.
    const timesMs = Array.from({ length: 5 }, () => {
      const startMs = performance.now();
      expect(() => reader.read(bytes, METHODS.get("publish")?.request ?? {})).toThrow(PolywireError);
      return performance.now() - startMs;
    });
    expect(Math.min(...timesMs)).toBeLessThan(20);
  });

  it("is not looked for inside data: H29, H30, H33, H34 there are a client's own matter, and pass untouched", async () => {
    await using served = await bench();
    const data = ['{"__proto__":1}', '{"constructor":{"prototype":{}}}', "1e999", '{"a":1,"a":2}', '"\\u0000"'];
    for (const each of data)
      expect((await served.post("publish", `{"channel":"kept","data":${each}}`)).status).toBe(200);
    expect(await published(served)).toEqual(data);
  });
});

describe("keys", () => {
  it("H37: without one, or with a wrong one, every path is 401 with nothing in it, whatever the method", async () => {
    await using served = await bench();
    const wrong: Readonly<Record<string, string>>[] = [
      {},
      { "x-api-key": "" },
      { "x-api-key": KEY.slice(0, -1) },
      { "x-api-key": `${KEY}x` },
      { "x-api-key": KEY.toUpperCase() },
      { "x-api-key": `${KEY},${OTHER_KEY}` },
      { authorization: KEY },
      { authorization: `Bearer ${KEY}` },
      { authorization: `apikey${KEY}` },
      { authorization: "apikey" },
      { authorization: `apikey ${KEY} ${KEY}` },
      { "x-api-key": "wrong", authorization: `apikey ${KEY}` },
    ];
    for (const headers of wrong) {
      for (const [method, path] of [
        ["POST", "/publish"],
        ["GET", "/publish"],
        ["OPTIONS", "/publish"],
        ["POST", "/nothing"],
        ["POST", ""],
      ]) {
        const response = await fetch(`${served.url}${path}`, { method: method as string, headers: { ...headers } });
        expect([response.status, await response.text()]).toEqual([401, ""]);
        expect(response.headers.get("www-authenticate")).toBe("apikey");
      }
    }
    expect(served.api.stats()).toEqual({ calls: 0, refused: 0, failed: 0, unauthorized: wrong.length * 5 });
  });

  it("H38: in the query it is none, and it is in no log", async () => {
    const logged: (LogFields | string)[] = [];
    const logger: Logger = {
      log: (level, _component, message, fields) => void logged.push(level, message, fields ?? {}),
    };
    await using served = await bench({ logger });
    for (const query of [`api_key=${KEY}`, `x-api-key=${KEY}`, `key=${KEY}&apikey=${KEY}`]) {
      const response = await fetch(`${served.url}/publish?${query}`, {
        method: "POST",
        body: PUBLISH,
        headers: { "content-type": "application/json" },
      });
      expect(response.status).toBe(401);
    }
    expect(logged).toContain("refused: no valid key");
    expect(JSON.stringify(logged)).not.toContain(KEY);
    expect(await published(served)).toEqual([]);
  });

  it("come in either header, and each is as good as the others", async () => {
    await using served = await bench();
    for (const headers of [
      { "x-api-key": KEY },
      { "x-api-key": OTHER_KEY },
      { authorization: `apikey ${KEY}` },
      { authorization: `APIKey  ${OTHER_KEY}` },
    ]) {
      const response = await fetch(`${served.url}/info`, {
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json", ...(headers as Record<string, string>) },
      });
      expect(response.status).toBe(200);
    }
  });

  it("may change while the server runs", async () => {
    let keys = [KEY];
    await using served = await bench({ keys: () => keys });
    const statuses = async (): Promise<number[]> => [
      (await served.post("info", {}, { "x-api-key": KEY })).status,
      (await served.post("info", {}, { "x-api-key": OTHER_KEY })).status,
    ];
    expect(await statuses()).toEqual([200, 401]);
    keys = [KEY, OTHER_KEY];
    expect(await statuses()).toEqual([200, 200]);
    keys = [OTHER_KEY];
    expect(await statuses()).toEqual([401, 200]);
    keys = [];
    expect(await statuses()).toEqual([401, 401]);
  });

  it.each([
    [[], /keys is empty/],
    [["short"], /keys\[0\] has 5 characters: give 16 to 1024/],
    [[KEY, "with a space in between"], /keys\[1\] has a space/],
    [["commas,are,for,lists"], /keys\[0\] has a space, a comma/],
    [[1], /keys\[0\] is no text/],
    [undefined, /keys is undefined/],
  ])("that cannot be ones are refused at the start, and not told: %j", async (keys, message) => {
    const failed = await bench({ keys: keys as string[] }).then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(failed?.message).toMatch(message);
    for (const key of keys ?? []) expect(failed?.message).not.toContain(`${key} `);
  });
});

describe("requests", () => {
  it("are POST alone, at methods there are", async () => {
    await using served = await bench();
    for (const method of ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const response = await fetch(`${served.url}/publish`, { method, headers: { "x-api-key": KEY } });
      expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
    }
    for (const method of ["nothing", "Publish", "publish/", "rpc", "__proto__", "constructor"]) {
      const { status, body } = await served.post(method, {});
      expect([status, body]).toEqual([404, { error: { code: 104, message: "not found" } }]);
    }
  });

  it("from a page of another origin get no leave to be read", async () => {
    await using served = await bench();
    const origin = { origin: "https://evil.example" };
    const preflight = await fetch(`${served.url}/publish`, {
      method: "OPTIONS",
      headers: { ...origin, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key" },
    });
    const { headers } = await served.post("publish", PUBLISH, origin);
    for (const each of [preflight.headers, headers]) {
      expect([...each.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
  });

  it("H16: are at most as large as one publication needs, which is known before they are read", async () => {
    await using served = await apiBench({ limits: { publicationBytes: 1_000 } });
    const limit = served.hub.linkLimits.maxMessageBytes;
    const head = ["POST /api/publish HTTP/1.1", "Host: x", `X-API-Key: ${KEY}`, "Content-Type: application/json"];
    const socket = connect(served.port, "127.0.0.1");
    socket.setEncoding("utf8").write(`${[...head, `Content-Length: ${limit + 1}`].join("\r\n")}\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [string];
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
    const { status } = await served.post("publish", `{"channel":"a","data":"${"x".repeat(limit)}"}`);
    expect(status).toBe(413);
    expect((await served.refusal("publish", { channel: "a", data: "x".repeat(1_000) })).code).toBe(107);
  });

  it("that ask for it are answered with statuses and bare errors", async () => {
    await using served = await apiBench({
      channels: [{ match: "kept", history: { size: 1, ttlMs: 1_000 } }, { match: "news" }],
    });
    const transport = { "x-centrifugo-error-mode": "transport" };
    const calls = [
      ["publish", { channel: "news" }, 400, 107],
      ["publish", { channel: "other", data: 1 }, 404, 102],
      ["history", { channel: "news" }, 400, 108],
      ["history", { channel: "kept", since: { offset: 1, epoch: "e" } }, 416, 112],
      ["publish", { chanel: 1 }, 400, 107],
      ["nothing", {}, 404, 104],
    ] as const;
    for (const [method, request, status, code] of calls) {
      const answer = await served.post(method, request, transport);
      expect([answer.status, answer.body]).toEqual([status, { code, message: expect.any(String) }]);
    }
    expect((await served.post("info", {}, transport)).body).toHaveProperty("result");
  });

  it("that fail by our own fault are told no more than that, and logged", async () => {
    const logged: unknown[] = [];
    const logger: Logger = { log: (...line) => void logged.push(line) };
    await using served = await bench({ logger });
    await served.hub.close();
    expect(await served.refusal("publish", { channel: "kept", data: 1 })).toEqual({
      code: 100,
      message: "internal server error",
    });
    expect((await served.post("info", {}, { "x-centrifugo-error-mode": "transport" })).status).toBe(500);
    expect(logged[0]).toEqual([
      "error",
      "api",
      "a call failed",
      { error: expect.objectContaining({ code: "closed" }) },
    ]);
    expect(served.api.stats()).toMatchObject({ calls: 2, failed: 2, refused: 0 });
  });
});

/** A publish with headers that no client library would send. */
async function rawPost(
  { port }: ApiBench,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; text: string }> {
  const all = {
    host: "x",
    connection: "close",
    "x-api-key": KEY,
    "content-length": String(PUBLISH.length),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === "" ? [] : [`${name}: ${value}`]));
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
  socket.write(`POST /api/publish HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${PUBLISH}`);
  await once(socket, "close");
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
}
