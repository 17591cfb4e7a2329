import { once } from "node:events";
import net from "node:net";
import { type LogFields, type Logger, silentLogger } from "@polywire/core";
import { expect, test } from "vitest";
import { listenAddress } from "../src/config/address.ts";
import { bindError, type HttpListener, type HttpOptions, jsonRoute, listenHttp, staticRoute } from "../src/http.ts";
import { pageRoutes } from "../src/page.ts";
import { SocketBudget } from "../src/socket-budget.ts";

interface TestServer extends AsyncDisposable {
  readonly listener: HttpListener;
  /** Sends the bytes; answers all that came back when the server had closed the socket. */
  raw(bytes: string): Promise<string>;
}

async function serve(options: Partial<HttpOptions> = {}): Promise<TestServer> {
  const listener = await listenHttp(listenAddress("127.0.0.1", 0), {
    routes: new Map([
      ["/", staticRoute("text/html; charset=utf-8", Buffer.from("<p>hello"))],
      ["/health", jsonRoute(() => ({ status: 503, body: { ready: false } }))],
    ]),
    upgradePaths: new Set(["/connection/websocket"]),
    sockets: new SocketBudget("public", 100, { logger: silentLogger }),
    logger: silentLogger,
    ...options,
  });
  return {
    listener,
    raw: (bytes) => rawExchange(listener.address.port, bytes),
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

function rawExchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => (received += text));
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? undefined : reject(error)));
    socket.on("close", () => resolve(received));
  });
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

test("a page comes with its type, its length and the security headers", async () => {
  await using server = await serve();
  const response = await fetch(`${server.listener.address.url}/`);
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("<p>hello");
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'self'; .*frame-ancestors 'none'$/);
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
});

test("an unchanged page is answered with 304, HEAD with headers alone", async () => {
  await using server = await serve();
  const url = `${server.listener.address.url}/`;
  const first = await fetch(url);
  const etag = first.headers.get("etag") ?? "";
  expect((await fetch(url, { headers: { "if-none-match": etag } })).status).toBe(304);
  const head = await fetch(url, { method: "HEAD" });
  expect(head.headers.get("content-length")).toBe("8");
  expect(await head.text()).toBe("");
});

test("a snapshot keeps its status and is never cached", async () => {
  await using server = await serve();
  const response = await fetch(`${server.listener.address.url}/health?verbose`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ ready: false });
  expect(response.headers.get("cache-control")).toBe("no-store");
});

test.each([
  ["H40 a path that is not served", "GET", "/metrics", 404],
  ["a path above", "GET", "/../package.json", 404],
  ["an encoded path above", "GET", "/%2e%2e/package.json", 404],
  ["another method", "POST", "/", 405],
  ["another method on the WebSocket's path", "DELETE", "/connection/websocket", 405],
  ["the WebSocket's path without an upgrade", "GET", "/connection/websocket", 426],
])("%s", async (_name, method, path, status) => {
  await using server = await serve();
  const answer = await server.raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  expect(statusOf(answer)).toBe(status);
  expect(answer).toMatch(/^x-content-type-options: nosniff/im);
  expect(/^allow: (.*)$/im.exec(answer)?.[1]).toBe(status === 405 ? "GET, HEAD" : undefined);
});

test.each([
  [
    "H01 two kinds of length",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ["H02 two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
  ["H04 an unknown transfer coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n"],
  ["H08 a folded header", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"],
  ["H09 a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"],
  ["H10 NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"],
  ["H11 no Host", "GET / HTTP/1.1\r\n\r\n"],
  ["H13 an unknown version", "GET / HTTP/9.9\r\nHost: x\r\n\r\n"],
  ["H14 a method of 1 KiB", `${"A".repeat(1024)} / HTTP/1.1\r\nHost: x\r\n\r\n`],
  ["H15 an absolute URI", "GET http://other/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
])("400: %s", async (_name, bytes) => {
  await using server = await serve();
  expect(statusOf(await server.raw(bytes))).toBe(400);
});

test.each([
  ["H18 a URL of 20 KiB", `GET /${"a".repeat(20_480)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ["H19 headers of 17 KiB", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(17_408)}\r\n\r\n`],
])("431: %s", async (_name, bytes) => {
  await using server = await serve();
  expect(statusOf(await server.raw(bytes))).toBe(431);
});

test.each([
  ["H21 headers that never end", "GET / HTTP/1.1\r\nHost: x\r\n"],
  ["W42 nothing at all", ""],
])("408: %s", async (_name, bytes) => {
  await using server = await serve({ limits: { headersTimeoutMs: 50, sweepMs: 10 } });
  expect(statusOf(await server.raw(bytes))).toBe(408);
});

test("a request with a body is answered and its socket closed, so that the body is no next request", async () => {
  await using server = await serve();
  const smuggled = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  const answer = await server.raw(
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  );
  expect(answer.match(/^HTTP/gm)?.length).toBe(1);
  expect(statusOf(answer)).toBe(405);
});

test("what a request says of itself is logged without its query, and not at length", async () => {
  const logged: LogFields[] = [];
  const logger: Logger = { log: (_level, _component, _message, fields) => void logged.push(fields ?? {}) };
  await using server = await serve({ logger });
  await server.raw(
    `GET /?token=c4n4ry HTTP/1.1\r\nHost: x\r\nUser-Agent: ${"a".repeat(2000)}\r\nConnection: close\r\n\r\n`,
  );
  expect(logged).toHaveLength(1);
  expect(logged[0]).toMatchObject({ method: "GET", path: "/", status: 200, userAgent: "a".repeat(256) });
  expect(JSON.stringify(logged)).not.toContain("c4n4ry");
});

test("F16: sockets beyond the limit are closed, counted and logged once; a freed place can be taken", async () => {
  const logged: LogFields[] = [];
  const logger: Logger = { log: (_level, _component, _message, fields) => void logged.push(fields ?? {}) };
  const sockets = new SocketBudget("public", 1, { logger });
  await using server = await serve({ sockets });
  const holder = net.connect(server.listener.address.port, "127.0.0.1");
  await once(server.listener.server, "connection");
  expect(await server.raw("")).toBe("");
  expect(await server.raw("")).toBe("");
  expect(logged).toEqual([{ sockets: "public", limit: 1, refused: 1 }]);
  expect({ open: sockets.open, refused: sockets.refused }).toEqual({ open: 1, refused: 2 });

  holder.destroy();
  while (sockets.open > 0) await new Promise(setImmediate);
  expect((await fetch(`${server.listener.address.url}/`)).status).toBe(200);
});

test("stop ends accepting at once and answers what is under way", async () => {
  await using server = await serve();
  const { port } = server.listener.address;
  const socket = net.connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n"));
  const answered = new Promise<string>((resolve) => {
    let received = "";
    socket.on("data", (bytes: Buffer) => (received += bytes.toString()));
    socket.on("close", () => resolve(received));
  });
  await new Promise((resolve) => server.listener.server.once("connection", resolve));
  server.listener.stop();
  await expect(rawExchange(port, "")).rejects.toThrow(/ECONNREFUSED/);
  socket.write("\r\n");
  expect(statusOf(await answered)).toBe(200);
});

test("F24: an address in use is refused, its port named", async () => {
  await using server = await serve();
  const { port, url } = server.listener.address;
  const second = listenHttp(server.listener.address, {
    routes: new Map(),
    upgradePaths: new Set(),
    sockets: new SocketBudget("public", 1, { logger: silentLogger }),
    logger: silentLogger,
  });
  await expect(second).rejects.toMatchObject({
    code: "address-in-use",
    message: `cannot listen at ${url}: port ${port} is in use by another program: stop it, or choose another port`,
  });
});

test("C15: a port that needs a right is refused with what to do", () => {
  const denied = Object.assign(new Error("listen EACCES"), { code: "EACCES" });
  expect(bindError(denied, { url: "http://127.0.0.1:80", port: 80 })).toMatchObject({
    code: "permission-denied",
    message:
      "cannot listen at http://127.0.0.1:80: port 80 needs a right that this user does not have: choose a port from 1024 on",
  });
});

test("the page and all that it loads are served, and nothing comes from elsewhere", () => {
  const routes = pageRoutes();
  const page = routes.get("/")?.().body.toString() ?? "";
  const loaded = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1] ?? "");
  expect(loaded).toContain("/centrifuge.js");
  const served = loaded.filter((path) => (routes.get(path)?.().body.length ?? 0) > 100);
  expect(served).toEqual(loaded);
  for (const [path, route] of routes) {
    const text = route().body.toString();
    for (const [, file] of text.matchAll(/from "\.(\/[\w-]+\.js)"/g)) expect([...routes.keys()]).toContain(file);
    if (path !== "/centrifuge.js") expect(text.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:\/\//);
  }
});
