import { connect } from "node:http2";
import { makeCertificate } from "@polywire/conformance/testing";
import { type Exchange, type LinkLimits, Network } from "@polywire/core";
import { describe, expect, test } from "vitest";
import { type HttpListenOptions, http } from "../src/index.ts";
import { RawClient } from "./raw-client.ts";

interface Serving extends AsyncDisposable {
  readonly port: number;
  /** Paths of the requests that reached the program. */
  readonly served: string[];
}

async function serving(
  exchange: (exchange: Exchange) => void | Promise<void> = (one) => one.respond({ status: 200 }, "ok\n"),
  options: HttpListenOptions & { readonly limits?: Partial<LinkLimits> } = {},
): Promise<Serving> {
  const network = new Network({ protocols: [http()] });
  const served: string[] = [];
  const handler = {
    exchange: (one: Exchange) => {
      served.push(`${one.path}?${one.query}`);
      return exchange(one);
    },
  };
  const { endpoint } = await network.listen("http://127.0.0.1:0/", handler as never, options);
  const stop = (): Promise<void> => network.close({ timeoutMs: 1_000 }).then(() => {});
  return { port: endpoint.port ?? 0, served, [Symbol.asyncDispose]: stop };
}

const HOST = "Host: 127.0.0.1\r\n";
const POST = `POST / HTTP/1.1\r\n${HOST}`;

const REFUSED: readonly (readonly [name: string, bytes: string, status: number])[] = [
  ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two hosts", `GET / HTTP/1.1\r\n${HOST}Host: other.example\r\nConnection: close\r\n\r\n`, 400],
  ["a length and chunks", `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX`, 400],
  ["two lengths", `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 400],
  ["a negative length", `${POST}Content-Length: -1\r\n\r\n`, 400],
  ["a length with a sign", `${POST}Content-Length: +5\r\n\r\nhello`, 400],
  ["a coding that is not the last", `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n`, 400],
  ["a coding nobody knows", `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
  ["a space before the colon", `GET / HTTP/1.1\r\n${HOST}X-One : 1\r\n\r\n`, 400],
  ["a folded header", `GET / HTTP/1.1\r\n${HOST}X-One: 1\r\n two\r\n\r\n`, 400],
  ["a NUL in a header", `GET / HTTP/1.1\r\n${HOST}X-One: a\0b\r\n\r\n`, 400],
  ["lines that end without a carriage return", "GET / HTTP/1.1\nHost: 127.0.0.1\n\n", 400],
  ["a version nobody knows", `GET / HTTP/3.7\r\n${HOST}\r\n`, 400],
  ["another server's address", `GET ftp://other.example/ HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 400],
  ["a path with a backslash", `GET /a\\..\\b HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 400],
  ["headers over 16 KiB", `GET / HTTP/1.1\r\n${HOST}X-One: ${"x".repeat(20_000)}\r\n\r\n`, 431],
  ["a target over 8 KiB", `GET /${"x".repeat(9_000)} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 414],
  ["a length over the limit, before a byte of it", `${POST}Content-Length: 99999999\r\n\r\n`, 413],
];

describe("what is no request is refused, and the program never hears of it", { timeout: 30_000 }, () => {
  test.each(REFUSED)("%s", async (_name, bytes, status) => {
    await using server = await serving();
    const answer = await RawClient.answerTo(server.port, bytes);
    expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    // One answer: nothing behind it was taken for another request.
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(server.served).toEqual([]);
  });
});

describe("what is served", { timeout: 30_000 }, () => {
  test.each([
    ["/a/../b", "/b?"],
    ["/a/%2e%2E/b", "/b?"],
    ["//a///b", "/a/b?"],
    ["/a/./b?c=/../d", "/a/b?c=/../d"],
    ["/a%2Fb", "/a%2Fb?"],
    ["/../../etc/passwd", "/etc/passwd?"],
  ])("%s is judged and served as %s", async (target, seen) => {
    await using server = await serving();
    await RawClient.answerTo(server.port, `GET ${target} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    expect(server.served).toEqual([seen]);
  });

  test.each([204, 304])("a %d has no body and no length", async (status) => {
    await using server = await serving((one) => one.respond({ status }));
    const answer = await RawClient.answerTo(server.port, `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    expect(answer).toMatch(`HTTP/1.1 ${status} `);
    expect(answer.toLowerCase()).not.toContain("content-length");
    expect(answer.toLowerCase()).not.toContain("transfer-encoding");
  });

  test("HEAD is told the length of what it does not get", async () => {
    await using server = await serving();
    const answer = await RawClient.answerTo(server.port, `HEAD / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    expect(answer.toLowerCase()).toContain("content-length: 3\r\n");
    expect(answer.endsWith("\r\n\r\n")).toBe(true);
  });

  test("chunks past the limit end in 413", async () => {
    await using server = await serving(
      async (one) => {
        await one.body.bytes().catch(() => {});
      },
      { maxBodyBytes: 100 },
    );
    const chunk = `80\r\n${"x".repeat(128)}\r\n`;
    const answer = await RawClient.answerTo(server.port, `${POST}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  test("leave to send a body is given when somebody reads it", async () => {
    await using server = await serving(async (one) => {
      const body = await one.body.bytes();
      one.respond({ status: 200 }, body);
    });
    await using client = new RawClient(server.port);
    client.socket.write(`${POST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
    await client.until("HTTP/1.1 100 Continue\r\n\r\n");
    client.socket.write("hello");
    expect(await client.until("hello")).toMatch(/200 OK/);
  });

  test("an upgrade that nobody takes is answered", async () => {
    await using server = await serving();
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    await using client = new RawClient(server.port);
    client.socket.write(`GET / HTTP/1.1\r\n${HOST}${upgrade}\r\n`);
    expect(await client.until("\r\n\r\n")).toMatch(/^HTTP\/1\.1 /);
  });

  test("a handler that never answers is answered for", async () => {
    await using server = await serving(() => {}, { answerTimeoutMs: 20 });
    await using client = new RawClient(server.port);
    client.socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    expect(await client.until("no answer in time")).toMatch(/^HTTP\/1\.1 503 /);
  });
});

test("a client of HTTP/2 is told how many requests at once and how large a head", { timeout: 30_000 }, async () => {
  const { cert, key } = makeCertificate({ name: "server", hosts: ["127.0.0.1"] });
  await using network = new Network({ protocols: [http()] });
  const handler = { exchange: (one: Exchange) => one.respond({ status: 200 }) };
  const { endpoint } = await network.listen("https://127.0.0.1:0/", handler, { tls: { cert, key } });
  const session = connect(`https://127.0.0.1:${endpoint.port}`, { ca: cert });
  const settings = await new Promise<{ maxConcurrentStreams?: number; maxHeaderListSize?: number }>((resolve) => {
    session.on("remoteSettings", resolve);
  });
  session.destroy();
  expect(settings).toMatchObject({ maxConcurrentStreams: 100, maxHeaderListSize: 16_384 });
});
