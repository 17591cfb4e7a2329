import { once } from "node:events";
import { connect } from "node:net";
import { type LogFields, type Logger, silentLogger } from "@polywire/core";
import { expect, test } from "vitest";
import { listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import type { ServerConfig } from "../src/config/schema.ts";
import { pageRoutes } from "../src/page.ts";
import { startServer } from "../src/server.ts";
import { freePorts } from "./command.ts";

interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly internalUrl: string;
  readonly port: number;
}

async function serve(change: Partial<ServerConfig> = {}, logger: Logger = silentLogger): Promise<TestServer> {
  const { config } = loadConfig(undefined, {});
  const server = await startServer(
    {
      ...config,
      listen: [{ ...listenAddress("127.0.0.1", 0), pong: true }],
      internal: [listenAddress("127.0.0.1", 0)],
      ...change,
    },
    { logger },
  );
  return {
    url: server.listen[0]?.url ?? "",
    internalUrl: server.internal[0]?.url ?? "",
    port: server.listen[0]?.port ?? 0,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

test("a page comes with its type, its length and the security headers", async () => {
  await using server = await serve();
  const response = await fetch(`${server.url}/`);
  expect(response.status).toBe(200);
  const text = await response.text();
  expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'self'; .*frame-ancestors 'none'$/);
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
});

test("an unchanged page is answered with 304, HEAD with headers alone", async () => {
  await using server = await serve();
  const first = await fetch(`${server.url}/`);
  const etag = first.headers.get("etag") ?? "";
  expect((await fetch(`${server.url}/`, { headers: { "if-none-match": etag } })).status).toBe(304);
  const head = await fetch(`${server.url}/`, { method: "HEAD" });
  expect(head.headers.get("content-length")).toBe(first.headers.get("content-length"));
  expect(await head.text()).toBe("");
});

test("health is never cached; what the server holds is told to the internal address alone", async () => {
  await using server = await serve();
  const outside = await fetch(`${server.url}/health?verbose`);
  expect(await outside.json()).toEqual({ status: "ready", live: true, ready: true });
  expect(outside.headers.get("cache-control")).toBe("no-store");
  expect(await (await fetch(`${server.internalUrl}/health`)).json()).toMatchObject({ hub: expect.any(Object) });
});

test("figures are told to the internal address alone, as Prometheus reads them", async () => {
  await using server = await serve();
  const client = new WebSocket(`${server.url.replace("http", "ws")}/connection/websocket`);
  await once(client, "open");
  const response = await fetch(`${server.internalUrl}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const text = await response.text();
  const labels = 'network_protocol_name="ws",polywire_connection_direction="accepted"';
  expect(text).toContain(`\npolywire_connection_opened_total{${labels}} 1\n`);
  expect(text).toContain('\npolywire_hub_session_count{polywire_session_state="connecting"} 1\n');
  client.close();
  await once(client, "close");
});

test("H40: an address that is public has no figures, also when it is the internal one", async () => {
  const [port = 0] = await freePorts(1);
  const address = listenAddress("127.0.0.1", port);
  await using server = await serve({ listen: [{ ...address, pong: true }], internal: [address] });
  expect(server.internalUrl).toBe(server.url);
  const paths = ["/metrics", "/metrics/", "/metrics?x", "/%6detrics", "/debug"];
  const answers = await Promise.all(paths.map((path) => fetch(`${server.url}${path}`)));
  expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 404));
});

test.each([
  ["H40 a path that is not served", "GET", "/metrics", 404],
  ["a path above", "GET", "/../package.json", 404],
  ["an encoded path above", "GET", "/%2e%2e/package.json", 404],
  ["another method", "POST", "/", 405],
  ["another method on the WebSocket's path", "DELETE", "/connection/websocket", 405],
  ["the WebSocket's path without an upgrade", "GET", "/connection/websocket", 426],
  ["a request where a stream begins with POST", "GET", "/connection/http_stream", 405],
  ["an event stream without a connect", "GET", "/connection/sse", 400],
])("%s", async (_name, method, path, status) => {
  await using server = await serve();
  const answer = await rawExchange(server.port, `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  expect(Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])).toBe(status);
  expect(answer).toMatch(/^x-content-type-options: nosniff/im);
});

test("no client gets in at an internal address", async () => {
  await using server = await serve();
  for (const path of ["/", "/connection/websocket", "/connection/sse?cf_connect={}", "/emulation"]) {
    expect((await fetch(`${server.internalUrl}${path}`)).status).toBe(404);
  }
});

test("what a request says of itself is logged without its query, and not at length", async () => {
  const logged: LogFields[] = [];
  const logger: Logger = {
    log: (_level, component, _message, fields) => void (component === "http" && logged.push(fields ?? {})),
  };
  await using server = await serve({}, logger);
  const agent = `User-Agent: ${"a".repeat(2000)}\r\n`;
  await rawExchange(server.port, `GET /?token=c4n4ry HTTP/1.1\r\nHost: x\r\n${agent}Connection: close\r\n\r\n`);
  expect(logged).toHaveLength(1);
  expect(logged[0]).toMatchObject({ method: "GET", path: "/", status: 200, userAgent: "a".repeat(256) });
  expect(JSON.stringify(logged)).not.toContain("c4n4ry");
});

test("F24: an address in use is refused with its port, and nothing else stays open", async () => {
  await using server = await serve();
  const taken = { ...listenAddress("127.0.0.1", server.port), pong: true };
  await expect(serve({ listen: [taken] })).rejects.toMatchObject({
    code: "address-in-use",
    message: `cannot listen at ${taken.url}: port ${server.port} is in use by another program: stop it, or choose another port`,
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

async function rawExchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.setEncoding("utf8").on("data", (text: string) => (received += text));
  socket.write(bytes);
  await once(socket, "close");
  return received;
}
