import { createServer, type Socket } from "node:net";
import { Network, type PolywireError, type Response } from "@polywire/core";
import { describe, expect, test } from "vitest";
import { type HttpDialOptions, type HttpExchanger, http } from "../src/index.ts";

interface Upstream extends AsyncDisposable {
  readonly exchanger: HttpExchanger;
  /** Heads of the requests that arrived. */
  readonly requests: string[];
}

/** An exchanger towards a server that answers every request with what the test gives it, or does with its socket. */
async function upstream(answer: string | ((socket: Socket) => void), options: HttpDialOptions = {}): Promise<Upstream> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      requests.push(chunk.toString("latin1"));
      if (typeof answer === "string") socket.end(answer, "latin1");
      else answer(socket);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const network = new Network({ protocols: [http()] });
  const exchanger = await network.open(`http://127.0.0.1:${port}/`, options);
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await network.close({ timeoutMs: 1_000 });
  };
  return { exchanger, requests, [Symbol.asyncDispose]: stop };
}

async function failure(work: Promise<unknown>): Promise<PolywireError> {
  return await work.then(
    () => expect.unreachable("it did not fail"),
    (thrown: PolywireError) => thrown,
  );
}

const whole = async (response: Promise<Response>): Promise<string> =>
  Buffer.from(await (await response).body.bytes()).toString("latin1");

const OK = "HTTP/1.1 200 OK\r\n";

const BROKEN: readonly (readonly [name: string, answer: string, code: string])[] = [
  ["no HTTP at all", "SSH-2.0-OpenSSH_9.2\r\n", "protocol-violation"],
  ["two lengths", `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, "protocol-violation"],
  [
    "a length and chunks",
    `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "protocol-violation",
  ],
  ["a chunk size that is none", `${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, "protocol-violation"],
  ["an end in the middle of a length", `${OK}Content-Length: 100\r\n\r\nhello`, "connection-reset"],
  ["an end in the middle of chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, "connection-reset"],
  ["a head over 16 KiB", `${OK}X-One: ${"x".repeat(20_000)}\r\n\r\n`, "too-large"],
];

describe("what a server sends wrong fails the request, by name, and frees its place", { timeout: 30_000 }, () => {
  test.each(BROKEN)("%s", async (_name, answer, code) => {
    await using server = await upstream(answer, { retries: 0 });
    const { exchanger } = server;
    const error = await failure(whole(exchanger.request({ method: "GET" })));
    expect(error).toMatchObject({ name: "PolywireError", code });
    expect(exchanger.stats()).toMatchObject({ running: 0, waiting: 0 });
  });

  test("a body over maxResponseBytes", async () => {
    await using server = await upstream(`${OK}Content-Length: 200\r\n\r\n${"x".repeat(200)}`, {
      maxResponseBytes: 100,
    });
    const error = await failure(whole(server.exchanger.request({ method: "GET" })));
    expect(error.code).toBe("too-large");
  });

  test("no head in time, and nothing in the middle of a body", async () => {
    await using silent = await upstream(() => {}, { headersTimeoutMs: 50, retries: 0 });
    expect(await failure(silent.exchanger.request({ method: "GET" }))).toMatchObject({ code: "timed-out" });
    await using halting = await upstream((socket) => void socket.write(`${OK}Content-Length: 9\r\n\r\nx`), {
      bodyGapTimeoutMs: 50,
    });
    expect(await failure(whole(halting.exchanger.request({ method: "GET" })))).toMatchObject({ code: "timed-out" });
  });
});

describe("what is asked twice", { timeout: 30_000 }, () => {
  test("a GET whose connection broke off is sent again, up to the limit", async () => {
    await using server = await upstream((socket) => void socket.destroy(), { retries: 2 });
    await failure(server.exchanger.request({ method: "GET" }));
    expect(server.requests).toHaveLength(3);
  });

  test("a POST never is, nor a GET of which a byte was answered", async () => {
    await using refusing = await upstream((socket) => void socket.destroy());
    await failure(refusing.exchanger.request({ method: "POST", body: "once" }));
    expect(refusing.requests).toHaveLength(1);
    await using breaking = await upstream(`${OK}Content-Length: 100\r\n\r\nhello`);
    await failure(whole(breaking.exchanger.request({ method: "GET" })));
    expect(breaking.requests).toHaveLength(1);
  });
});

describe("what is never sent", { timeout: 30_000 }, () => {
  test.each([
    ["a header of two lines", { method: "GET", headers: new Map([["x-one", "1\r\nX-Two: 2"]]) }],
    ["a header name with a space", { method: "GET", headers: new Map([["x one", "1"]]) }],
    ["an upgrade", { method: "GET", headers: new Map([["upgrade", "h2c"]]) }],
    ["an object that prints itself", { method: "GET", headers: new Map([["x-one", { toString: () => "1" }]]) }],
    ["a path of two lines", { method: "GET", path: "/ HTTP/1.1\r\nX-Two: 2" }],
    ["a method of two words", { method: "GET /other" }],
  ])("%s", async (_name, request) => {
    await using server = await upstream(`${OK}Content-Length: 0\r\n\r\n`);
    const error = await failure(server.exchanger.request(request as never));
    expect(error).toMatchObject({ name: "PolywireError", code: "invalid-argument" });
    expect(server.requests).toEqual([]);
  });
});

test("a redirect is returned as it is", { timeout: 30_000 }, async () => {
  await using server = await upstream(
    "HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n",
  );
  const { status, headers } = await server.exchanger.request({ method: "GET" });
  expect([status, headers.get("location")]).toEqual([302, "http://other.example/"]);
  expect(server.requests).toHaveLength(1);
});
