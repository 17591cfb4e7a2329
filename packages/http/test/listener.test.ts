import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { hasProgram, makeCertificate } from "@polywire/conformance/testing";
import { type Link, Network } from "@polywire/core";
import { expect, test } from "vitest";
import { http } from "../src/index.ts";
import { rawExchange, statusOf } from "./raw-peer.ts";
import { serve } from "./serving.ts";

const CLOSE = "Host: x\r\nConnection: close\r\n\r\n";
const answerPath = {
  exchange: (exchange: { respond(head: { status: number }, body: string): void; path: string }) =>
    exchange.respond({ status: 200 }, exchange.path),
};

test("a path is served as it is, one that ends in a slash with all below it, the longest first", async () => {
  await using network = new Network({ protocols: [http()] });
  const first = await network.listen("http://127.0.0.1:0/a", {
    exchange: (exchange) => exchange.respond({ status: 200 }, "a"),
  });
  const { port } = first.endpoint;
  const at = (path: string): "http://127.0.0.1/" => `http://127.0.0.1:${port}${path}` as "http://127.0.0.1/";
  for (const path of ["/a/", "/a/b/"]) {
    await network.listen(at(path), { exchange: (exchange) => exchange.respond({ status: 200 }, path) });
  }
  const served = async (path: string): Promise<string> => (await fetch(at(path))).text();

  expect(await served("/a")).toBe("a");
  expect(await served("/a/x")).toBe("/a/");
  expect(await served("/a/b/c/d")).toBe("/a/b/");
  expect(await served("/a/b/../x")).toBe("/a/");
  expect((await fetch(at("/b"))).status).toBe(404);
  await expect(network.listen(at("/a"), answerPath)).rejects.toMatchObject({ code: "address-in-use" });
});

test.each([
  ["/a/../b", "/b"],
  ["/a/./b/", "/a/b/"],
  ["/%61", "/%61"],
  ["//a", "/a"],
  ["/..%2f", "/..%2f"],
  ["/a?b=/../c", "/a"],
])("the path of %s is the canonical %s, and that alone is judged and served", async (target, path) => {
  const judged: (string | undefined)[] = [];
  await using serving = await serve({
    admit(peer) {
      judged.push(peer.path);
      return { accepted: true };
    },
  });
  await rawExchange(serving.port, `GET ${target} HTTP/1.1\r\n${CLOSE}`);
  expect(serving.exchanges.map((exchange) => exchange.path)).toEqual([path]);
  expect(judged).toEqual([path]);
});

test("a refused peer gets the status and the reason, and reaches no handler", async () => {
  await using serving = await serve({ admit: () => ({ accepted: false, status: 401, reason: "who are you" }) });
  const response = await fetch(`http://127.0.0.1:${serving.port}/`);
  expect([response.status, await response.text()]).toEqual([401, "who are you\n"]);
  expect(serving.exchanges).toEqual([]);
});

test("a handler that never answers is answered for with 503", async () => {
  await using serving = await serve({ listen: { answerTimeoutMs: 20 }, answer: () => {} });
  const response = await fetch(`http://127.0.0.1:${serving.port}/`);
  expect([response.status, await response.text()]).toEqual([503, "no answer in time\n"]);
});

test("a handler that throws is answered for with 500", async () => {
  await using serving = await serve({
    answer() {
      throw new Error("a bug");
    },
  });
  expect((await fetch(`http://127.0.0.1:${serving.port}/`)).status).toBe(500);
});

test.each([
  ["a header with a line break", new Map([["x", "a\r\nSet-Cookie: b"]])],
  ["a header that is none", new Map([["x y", "a"]])],
])("%s is refused at the call, and another answer can be given", async (_name, headers) => {
  const thrown: unknown[] = [];
  await using serving = await serve({
    answer(exchange) {
      try {
        exchange.respond({ status: 200, headers });
      } catch (error) {
        thrown.push(error);
        exchange.respond({ status: 204 });
      }
    },
  });
  expect((await fetch(`http://127.0.0.1:${serving.port}/`)).status).toBe(204);
  expect(thrown).toMatchObject([{ code: "invalid-argument" }]);
});

test("HEAD is answered with the head that GET has, and no body", async () => {
  await using serving = await serve({ answer: (exchange) => exchange.respond({ status: 200 }, "four") });
  const answer = await rawExchange(serving.port, `HEAD / HTTP/1.1\r\n${CLOSE}`);
  expect(answer).toMatch(/^content-length: 4\r$/im);
  expect(answer.endsWith("\r\n\r\n")).toBe(true);
});

test("what one turn sends down a stream leaves in one chunk", async () => {
  await using serving = await serve({
    answer(exchange) {
      const link: Link = exchange.stream({ status: 200 });
      link.open({ message() {}, closed() {} });
      for (const part of ["one ", "two ", "three"]) link.send(part);
      link.close();
    },
  });
  const answer = await rawExchange(serving.port, `GET / HTTP/1.1\r\n${CLOSE}`);
  expect(answer.split("\r\n\r\n")[1]).toBe("d\r\none two three\r\n0");
});

test("a closed listener takes nobody, and tells a request that was still being sent that it is closing", async () => {
  await using serving = await serve();
  const socket = connect(serving.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
  let received = "";
  socket.on("data", (bytes: Buffer) => (received += bytes.toString()));
  const closed = once(socket, "close");
  const [accepted] = (await once(serving.listener.server, "connection")) as [Socket];
  while (accepted.bytesRead === 0) await new Promise(setImmediate);

  await serving.listener.close();
  await expect(rawExchange(serving.port, "")).rejects.toThrow(/ECONNREFUSED/);
  socket.write("\r\n");
  await closed;
  expect(statusOf(received)).toBe(503);
});

test("a connection on which nothing has come is closed with its listener", async () => {
  await using serving = await serve();
  const socket = connect(serving.port, "127.0.0.1");
  await once(serving.listener.server, "connection");
  const closed = once(socket, "close");
  await serving.listener.close();
  await closed;
  expect(socket.destroyed).toBe(true);
});

test("a server that is handed in is shared, and left to whoever made it", async () => {
  await using maker = await serve({ path: "/own" });
  await using network = new Network({ protocols: [http()] });
  const url = `http://127.0.0.1:${maker.port}/shared` as "http://127.0.0.1/";
  const listener = await network.listen(url, answerPath, { server: maker.listener.server });
  expect(await (await fetch(url)).text()).toBe("/shared");
  await listener.close();
  expect(maker.listener.server.listening).toBe(true);
});

test.skipIf(!hasProgram("curl", "--version"))("curl reads a stream as it comes, and says 100-continue", async () => {
  await using serving = await serve({
    async answer(exchange) {
      const body = await exchange.body.bytes();
      const link = exchange.stream({ status: 200, headers: new Map([["content-type", "text/event-stream"]]) });
      link.open({ message() {}, closed() {} });
      link.send(`data: ${body.byteLength}\n\n`);
      link.close();
    },
  });
  const curl = promisify(execFile);
  const data = "x".repeat(5_000);
  const { stdout } = await curl("curl", [
    "-sN",
    "-H",
    "Expect: 100-continue",
    "-d",
    data,
    `http://127.0.0.1:${serving.port}/`,
  ]);
  expect(stdout).toBe("data: 5000\n\n");
});

test.each([
  ["http://127.0.0.1:0/", { maxBodyByte: 1 }, 'unknown option "maxBodyByte": did you mean "maxBodyBytes"?'],
  ["http://127.0.0.1:0/", { tls: {} }, "option tls: it goes with https:// only"],
  ["http://127.0.0.1:0/", { server: {} }, "option server: give a server"],
  ["http://127.0.0.1:0/", { answerTimeoutMs: 0 }, "answerTimeoutMs is 0"],
  ["https://127.0.0.1:0/", {}, "https needs the option tls"],
  ["https://127.0.0.1:0/", { tls: { ALPNProtocols: ["h3"] } }, "option tls.ALPNProtocols: use the option http2"],
])("listen on %s with %j says what is wrong", async (url, options, message) => {
  await using network = new Network({ protocols: [http()] });
  await expect(network.listen(url as "http://127.0.0.1:0/", answerPath, options as object)).rejects.toMatchObject({
    code: "invalid-argument",
    message: expect.stringContaining(message),
  });
});

test("an HTTP/2 session without a stream is closed, one whose stream is silent lives on", async () => {
  const { cert, key } = makeCertificate({ name: "sessions", hosts: ["127.0.0.1"] });
  await using network = new Network({ protocols: [http()] });
  const streams: Link[] = [];
  const listener = await network.listen(
    "https://127.0.0.1:0/",
    {
      exchange(exchange) {
        const link = exchange.stream({ status: 200 });
        link.open({ message() {}, closed() {} });
        streams.push(link);
      },
    },
    { tls: { cert, key }, keepAliveTimeoutMs: 100 },
  );
  const url = `https://127.0.0.1:${listener.endpoint.port}`;

  const idle = connectHttp2(url, { ca: cert });
  await once(idle, "close");

  const busy = connectHttp2(url, { ca: cert });
  const reader = busy.request({ ":path": "/" });
  await once(reader, "response");
  const later = connectHttp2(url, { ca: cert });
  // It came after the other, and has been given up: so the other's time was up before.
  await once(later, "close");
  expect(busy.closed).toBe(false);
  streams[0]?.send("still here");
  expect(String(await once(reader, "data"))).toBe("still here");
  busy.destroy();
});
