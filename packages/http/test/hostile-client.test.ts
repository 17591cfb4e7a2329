import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { RawClient } from "./raw-client.ts";
import { rawExchange, statusOf } from "./raw-peer.ts";
import { serve } from "./serving.ts";

const CLOSE = "Host: x\r\nConnection: close\r\n\r\n";

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
  ["H14 a method of 1 KiB", `${"A".repeat(1_024)} / HTTP/1.1\r\nHost: x\r\n\r\n`],
  ["H15 an absolute URI", `GET http://other/ HTTP/1.1\r\n${CLOSE}`],
  ["no request at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
])("400: %s", async (_name, bytes) => {
  await using serving = await serve();
  expect(statusOf(await rawExchange(serving.port, bytes))).toBe(400);
  expect(serving.exchanges).toEqual([]);
});

test("H18: a target over 8 KiB is refused with 414, over the headers' 16 KiB with 431", async () => {
  await using serving = await serve();
  expect(statusOf(await rawExchange(serving.port, `GET /${"a".repeat(9_000)} HTTP/1.1\r\n${CLOSE}`))).toBe(414);
  expect(statusOf(await rawExchange(serving.port, `GET /${"a".repeat(20_480)} HTTP/1.1\r\n${CLOSE}`))).toBe(431);
});

test("H19: headers of 17 KiB are refused with 431", async () => {
  await using serving = await serve();
  const answer = await rawExchange(serving.port, `GET / HTTP/1.1\r\nA: ${"a".repeat(17_408)}\r\n${CLOSE}`);
  expect(statusOf(answer)).toBe(431);
});

test("H16: a body that is announced over the limit is refused with 413 before any of it is read", async () => {
  await using serving = await serve({ listen: { maxBodyBytes: 1_000 } });
  const answer = await rawExchange(serving.port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
  expect(statusOf(answer)).toBe(413);
  expect(answer).toMatch(/^connection: close/im);
  expect(serving.exchanges).toEqual([]);
});

test("H16: a sender that waits for leave is told 413 instead", async () => {
  await using serving = await serve({ listen: { maxBodyBytes: 1_000 } });
  const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n";
  expect(statusOf(await rawExchange(serving.port, head))).toBe(413);
});

test("H17: chunks over the limit are refused with 413, and no more than a chunk past it is read", async () => {
  await using serving = await serve({
    listen: { maxBodyBytes: 1_000 },
    async answer(exchange) {
      const body = await exchange.body.bytes();
      exchange.respond({ status: 200 }, String(body.byteLength));
    },
  });
  const chunk = `258\r\n${"x".repeat(600)}\r\n`;
  const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const answer = await rawExchange(serving.port, [head, chunk, chunk, chunk]);
  expect(statusOf(answer)).toBe(413);
});

test("H17: a sender of chunks without end is read no more than 64 KiB past the limit", async () => {
  const maxBodyBytes = 100_000;
  await using serving = await serve({
    listen: { maxBodyBytes },
    answer: async (exchange) => exchange.respond({ status: 200 }, await exchange.body.bytes()),
  });
  const arrived = once(serving.listener.server, "connection");
  await using client = new RawClient(serving.port);
  const [connection] = (await arrived) as [Socket];
  client.socket.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
  let isClosed = false;
  connection.on("close", () => (isClosed = true));
  while (!isClosed) {
    for (let count = 0; count < 200; count++) client.socket.write(chunk);
    await new Promise((resolve) => void setImmediate(resolve));
  }
  expect(connection.bytesRead).toBeGreaterThan(maxBodyBytes);
  expect(connection.bytesRead).toBeLessThanOrEqual(maxBodyBytes + 65_536);
});

/** Sends bytes one at a time for as long as the server takes them. Answers what came back, and after how long. */
async function trickle(port: number, begin: string, byte: string): Promise<{ status: number; tookMs: number }> {
  const startedAtMs = performance.now();
  await using client = new RawClient(port);
  client.socket.write(begin);
  const dripping = setInterval(() => void client.socket.write(byte), 5);
  const answer = await client.closed;
  clearInterval(dripping);
  return { status: statusOf(answer), tookMs: performance.now() - startedAtMs };
}

test("H21: headers that come byte by byte have the time that all of them have", async () => {
  await using serving = await serve({ limits: { handshakeTimeoutMs: 100 } });
  const { status, tookMs } = await trickle(serving.port, "GET / HTTP/1.1\r\nHost: x\r\nA: ", "a");
  expect(status).toBe(408);
  expect(tookMs).toBeLessThan(2_000);
  expect(serving.exchanges).toEqual([]);
});

test("H22: a body that comes byte by byte has the time that all of it has", async () => {
  await using serving = await serve({
    limits: { handshakeTimeoutMs: 60 },
    listen: { requestTimeoutMs: 100 },
    answer: async (exchange) => exchange.respond({ status: 200 }, await exchange.body.bytes()),
  });
  const { status, tookMs } = await trickle(
    serving.port,
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n",
    "b",
  );
  expect(status).not.toBe(200);
  expect(tookMs).toBeLessThan(2_000);
});

test.each([
  ["H21 headers that never end", "GET / HTTP/1.1\r\nHost: x\r\n"],
  ["W42 nothing at all", ""],
])("408: %s", async (_name, bytes) => {
  await using serving = await serve({ limits: { handshakeTimeoutMs: 60 } });
  expect(statusOf(await rawExchange(serving.port, bytes))).toBe(408);
});

test("H22: a body that does not end is cut off", async () => {
  await using serving = await serve({
    limits: { handshakeTimeoutMs: 60 },
    listen: { requestTimeoutMs: 100 },
    answer: async (exchange) => exchange.respond({ status: 200 }, await exchange.body.bytes()),
  });
  const answer = await rawExchange(serving.port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  expect([408, 500]).toContain(statusOf(answer));
});

test("H42: what would forge a line of a log comes as header values that cannot hold line breaks", async () => {
  await using serving = await serve();
  const forged = 'GET / HTTP/1.1\r\nUser-Agent: a\r\n{"level":"error"}: \x1b[31m\r\n';
  expect(statusOf(await rawExchange(serving.port, `${forged}${CLOSE}`))).toBe(400);
});

test("a request with a body that nobody reads is answered and its connection closed: the body is no next request", async () => {
  await using serving = await serve();
  const smuggled = "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";
  const answer = await rawExchange(
    serving.port,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length + 1}\r\n\r\n${smuggled}`,
  );
  expect(answer.match(/^HTTP/gm)).toHaveLength(1);
  expect(serving.exchanges.map(({ path }) => path)).toEqual(["/"]);
});

test("connections over maxLinks are closed at once, and a freed place can be taken", async () => {
  await using serving = await serve({ limits: { maxLinks: 1 } });
  const holder = connect(serving.port, "127.0.0.1");
  await once(holder, "connect");
  expect(await rawExchange(serving.port, "")).toBe("");

  holder.destroy();
  const server = serving.listener.server;
  while ((await connectionsOf(server)) > 0) await new Promise(setImmediate);
  expect(statusOf(await rawExchange(serving.port, `GET / HTTP/1.1\r\n${CLOSE}`))).toBe(200);
});

function connectionsOf(server: {
  getConnections(done: (error: Error | null, count: number) => void): void;
}): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
}
