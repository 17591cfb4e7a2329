import { once } from "node:events";
import { createServer as createHttp1, type Server as HttpServer } from "node:http";
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { Network } from "@polywire/core";
import { retry } from "@polywire/core/interceptors";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { grpc, grpcStatusOf } from "../src/index.ts";
import { message } from "./raw-call.ts";
import { OpenLink } from "./serving.ts";

const TIMEOUT_MS = 30_000;
const GRPC = { ":status": 200, "content-type": "application/grpc" };
const METHOD = "/test.Service/Echo";

interface Hosted extends AsyncDisposable {
  readonly address: string;
}

async function host(server: Server | HttpServer | Http2Server, end: () => void = () => {}): Promise<Hosted> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      end();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

/** A server of HTTP/2 that answers as a test wants. */
async function http2(answer: (stream: ServerHttp2Stream, path: string) => void): Promise<Hosted> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    stream.resume();
    answer(stream, String(headers[":path"]));
  });
  return host(server, () => {
    for (const session of sessions) session.destroy();
  });
}

function ending(stream: ServerHttp2Stream, trailers: Record<string, string>): void {
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
}

test("G41 a web server's answer is named as what it is", { timeout: TIMEOUT_MS }, async () => {
  await using web = await http2((stream) => {
    stream.respond({ ":status": 404, "content-type": "text/html" });
    stream.end("<html>not here</html>");
  });
  // A connection that does not end by itself would never end by this clock.
  await using network = new Network({ protocols: [grpc()], clock: new ManualClock() });
  const expected = expect.objectContaining({
    code: "handshake-failed",
    message: expect.stringMatching(/not gRPC: HTTP status 404 with content-type "text\/html"/),
  });
  await expect(network.connect(`grpc://${web.address}${METHOD}`)).rejects.toEqual(expected);
  const exchanger = await network.open(`grpc://${web.address}/`);
  await expect(exchanger.request({ method: METHOD })).rejects.toEqual(expected);
  await exchanger.close();
  const eager = OpenLink.dialled(
    await network.connect(`grpc://${web.address}${METHOD}`, { awaitServer: false, reconnect: false }),
  );
  expect((await eager.closed).error?.message).toMatch(/not gRPC/);
});

test("the server's pushback is what retry() waits for, wherever it stands, and a negative one ends the attempts", async () => {
  const BUSY = { "grpc-status": "14", "grpc-message": "busy" };
  const attemptsOf = async (answer: (stream: ServerHttp2Stream) => void): Promise<readonly [number[], number]> => {
    const clock = new ManualClock();
    const attempts: number[] = [];
    await using busy = await http2((stream) => {
      attempts.push(clock.now());
      if (attempts.length === 1) return answer(stream);
      ending(stream, { "grpc-status": "0" });
      stream.respond(GRPC, { waitForTrailers: true });
      stream.end(message(Buffer.from("done")));
    });
    await using network = new Network({ protocols: [grpc()], clock, interceptors: [retry({ methods: [METHOD] })] });
    const exchanger = await network.open(`grpc://${busy.address}/`);
    const asked = exchanger.request({ method: METHOD });
    let isOver = false;
    const over = (): void => void (isOver = true);
    void asked.then(over, over);
    while (!isOver) {
      clock.advance(50);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => void setImmediate(resolve));
    }
    const { status } = await asked;
    await exchanger.close();
    return [attempts, status];
  };
  const [early, late, never] = [
    await attemptsOf((stream) =>
      stream.respond({ ...GRPC, ...BUSY, "grpc-retry-pushback-ms": "2000" }, { endStream: true }),
    ),
    await attemptsOf((stream) => {
      ending(stream, { ...BUSY, "grpc-retry-pushback-ms": "2000" });
      stream.respond(GRPC, { waitForTrailers: true });
      stream.end();
    }),
    await attemptsOf((stream) =>
      stream.respond({ ...GRPC, ...BUSY, "grpc-retry-pushback-ms": "-1" }, { endStream: true }),
    ),
  ];
  for (const [attempts, status] of [early, late]) {
    expect([attempts.length, status]).toEqual([2, 200]);
    expect((attempts[1] ?? 0) - (attempts[0] ?? 0)).toBeGreaterThanOrEqual(2_000);
  }
  expect([never[0].length, never[1]]).toEqual([1, 503]);
});

test("a server that speaks HTTP/1, or nothing, is no gRPC server", { timeout: TIMEOUT_MS }, async () => {
  const http1 = createHttp1((_request, response) => void response.end("hello"));
  await using old = await host(http1, () => http1.closeAllConnections());
  const sockets = new Set<Socket>();
  await using mute = await host(
    createTcp((socket) => void sockets.add(socket)),
    () => sockets.forEach((socket) => void socket.destroy()),
  );
  await using network = new Network({ protocols: [grpc()] });
  await expect(network.connect(`grpc://${old.address}${METHOD}`)).rejects.toMatchObject({ code: "handshake-failed" });
  await expect(network.connect(`grpc://${mute.address}${METHOD}`, { timeoutMs: 100 })).rejects.toMatchObject({
    code: "timed-out",
  });
});

test("G43 an OK without a message, G05 one that cannot be decoded, two where one was promised", async () => {
  await using server = await http2((stream, path) => {
    stream.respond(GRPC, { waitForTrailers: true });
    ending(stream, { "grpc-status": "0" });
    if (path.endsWith("/None")) stream.end();
    else if (path.endsWith("/Two")) stream.end(Buffer.concat([message(Buffer.from("1")), message(Buffer.from("2"))]));
    else stream.end(message(Buffer.from("no number")));
  });
  await using network = new Network({ protocols: [grpc()] });
  const exchanger = await network.open(`grpc://${server.address}/`);
  const method = (path: string) => ({
    path: `/test.Service/${path}`,
    requestSerialize: () => new Uint8Array(),
    responseDeserialize: (bytes: Buffer): number => JSON.parse(bytes.toString()) as number,
  });
  const plain = await exchanger.request({ method: "/test.Service/None" });
  expect(plain.status).toBe(200);
  expect((await plain.body.bytes()).byteLength).toBe(0);
  for (const [path, problem] of [
    ["None", /had no message/],
    ["Two", /two messages/],
    ["Bad", /cannot be decoded/],
  ] as const) {
    const expected = expect.objectContaining({ code: "protocol-violation", message: expect.stringMatching(problem) });
    await expect(exchanger.call(method(path), undefined)).rejects.toEqual(expected);
  }
  await exchanger.close();
});

test("answers that break off, lie or never come", { timeout: TIMEOUT_MS }, async () => {
  await using server = await http2((stream, path) => {
    if (path.endsWith("/Never")) return;
    if (path.endsWith("/Reset")) return void stream.close(2);
    stream.respond(GRPC, { waitForTrailers: true });
    if (path.endsWith("/Silent")) return void stream.end();
    ending(stream, { "grpc-status": path.endsWith("/Odd") ? "ninety" : "0", "grpc-message": "%zz\u001b" });
    if (path.endsWith("/Large")) stream.end(message(Buffer.alloc(0), { length: 0xffff_ffff }));
    else if (path.endsWith("/Short")) stream.end(message(Buffer.from("x"), { length: 10 }));
    else if (path.endsWith("/Odd")) stream.end();
    else stream.end(message(Buffer.from("x"), { flag: 1 }));
  });
  await using network = new Network({ protocols: [grpc()] });
  const exchanger = await network.open(`grpc://${server.address}/`);
  const read = async (path: string): Promise<unknown> => {
    const response = await exchanger.request({ method: `/test.Service/${path}` }, { timeoutMs: 5_000 });
    await response.body.bytes();
    return response.headers.get("grpc-status");
  };
  await expect(read("Reset")).rejects.toMatchObject({ code: "connection-reset" });
  await expect(read("Large")).rejects.toMatchObject({ code: "too-large" });
  await expect(read("Short")).rejects.toMatchObject({ code: "protocol-violation" });
  await expect(read("Flag")).rejects.toMatchObject({ code: "protocol-violation" });
  await expect(read("Silent")).rejects.toMatchObject({ code: "connection-reset" });
  expect((await exchanger.request({ method: "/test.Service/Odd" })).status).toBe(500);
  const never = exchanger.request({ method: "/test.Service/Never" }, { timeoutMs: 50 });
  await expect(never).rejects.toMatchObject({ code: "timed-out" });
  await exchanger.close();
});

const gzip = { "grpc-encoding": "gzip" };
const flagged = (payload: Buffer): Buffer => message(payload, { flag: 1 });

test.each<[string, Record<string, string>, Buffer, string]>([
  ["G01 garbage for gzip", gzip, flagged(Buffer.from("garbage")), "protocol-violation"],
  ["G02 garbage for deflate", { "grpc-encoding": "deflate" }, flagged(Buffer.from("garbage")), "protocol-violation"],
  ["G03 half a gzip", gzip, flagged(gzipSync(Buffer.alloc(1_000, 1)).subarray(0, 20)), "protocol-violation"],
  ["G06 a gzip bomb", gzip, flagged(gzipSync(Buffer.alloc(200_000_000))), "too-large"],
  ["G07 4 GiB, as it says", {}, message(Buffer.from("x"), { length: 0xffffffff }), "too-large"],
  ["G08 one byte over the limit", {}, message(Buffer.alloc(1_048_577)), "too-large"],
  ["G11 what nobody knows", { "grpc-encoding": "zstd" }, flagged(Buffer.from("x")), "unsupported"],
  ["G12 less than it says", {}, message(Buffer.from("short"), { length: 100 }), "protocol-violation"],
  ["G45 something compressed, without an encoding", {}, flagged(Buffer.from("hello")), "protocol-violation"],
])(
  "a server answers with %s, and the next call is served",
  { timeout: TIMEOUT_MS },
  async (_what, headers, bytes, code) => {
    await using server = await http2((stream, path) => {
      stream.respond({ ...GRPC, ...headers }, { waitForTrailers: true });
      ending(stream, { "grpc-status": "0" });
      stream.end(path === METHOD ? bytes : message(Buffer.from("well")));
    });
    await using network = new Network({ protocols: [grpc()] });
    const exchanger = await network.open(`grpc://${server.address}/`, { limits: { maxMessageBytes: 1_048_576 } });
    const asked = exchanger.request({ method: METHOD }).then(({ body }) => body.bytes(2_000_000));
    await expect(asked).rejects.toMatchObject({ name: "PolywireError", code });
    const { body } = await exchanger.request({ method: "/test.Service/Other" });
    expect(Buffer.from(await body.bytes()).toString()).toBe("well");
    await exchanger.close();
  },
);

test("a status of a server has its code below the error", { timeout: TIMEOUT_MS }, async () => {
  await using server = await http2((stream) => {
    stream.respond({ ...GRPC, "grpc-status": "14", "grpc-message": "later" }, { endStream: true });
  });
  await using network = new Network({ protocols: [grpc()] });
  const exchanger = await network.open(`grpc://${server.address}/`);
  const method = { path: METHOD, requestSerialize: () => new Uint8Array(), responseDeserialize: String };
  const thrown: unknown = await exchanger.call(method, undefined).catch((error: unknown) => error);
  expect(grpcStatusOf(thrown)).toBe(14);
  expect(thrown).toMatchObject({ code: "not-available", retryable: true });
  await exchanger.close();
});

test("an exchanger finds its server again after a restart", { timeout: TIMEOUT_MS }, async () => {
  const answer = (stream: ServerHttp2Stream): void => {
    stream.respond(GRPC, { waitForTrailers: true });
    ending(stream, { "grpc-status": "0" });
    stream.end(message(Buffer.from("here")));
  };
  const sessions: ServerHttp2Session[] = [];
  const server = createServer();
  server.on("session", (session) => void sessions.push(session));
  server.on("stream", answer);
  await using hosted = await host(server, () => sessions.forEach((session) => session.destroy()));
  await using network = new Network({ protocols: [grpc()] });
  const exchanger = await network.open(`grpc://${hosted.address}/`);
  for (let round = 1; round <= 3; round++) {
    const response = await exchanger.request({ method: METHOD });
    expect(Buffer.from(await response.body.bytes()).toString()).toBe("here");
    expect(sessions.length).toBe(round);
    const session = sessions.at(-1) as ServerHttp2Session;
    // A graceful end, then a rude one.
    if (round === 1) session.close();
    else session.destroy();
    await once(session, "close");
  }
  await exchanger.close();
});

test("a request that a server refused unseen is made once more", { timeout: TIMEOUT_MS }, async () => {
  let calls = 0;
  await using server = await http2((stream, path) => {
    calls++;
    if (calls === 1 || path.endsWith("/Always")) return void stream.close(7);
    stream.respond(GRPC, { waitForTrailers: true });
    ending(stream, { "grpc-status": "0" });
    stream.end(message(Buffer.from("second")));
  });
  await using network = new Network({ protocols: [grpc()] });
  const exchanger = await network.open(`grpc://${server.address}/`);
  const response = await exchanger.request({ method: METHOD, body: "once" });
  expect(Buffer.from(await response.body.bytes()).toString()).toBe("second");
  expect(calls).toBe(2);
  await expect(exchanger.request({ method: "/test.Service/Always" })).rejects.toMatchObject({
    code: "connection-reset",
  });
  expect(calls).toBe(4);
  await exchanger.close();
});

test("G40 a server that is gone without a word is found by its silence", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  let session: ServerHttp2Session | undefined;
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on("session", (given) => {
    session = given;
    given.on("error", () => {});
  });
  server.on("connection", (socket: Socket) => void sockets.add(socket));
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.respond(GRPC);
  });
  await using hosted = await host(server, () => sockets.forEach((socket) => void socket.destroy()));
  await using network = new Network({ protocols: [grpc()], clock });
  const link = OpenLink.dialled(
    await network.connect(`grpc://${hosted.address}${METHOD}`, { reconnect: false, health: false }),
  );
  // One that answers is left alone.
  const pinged = once(session as ServerHttp2Session, "ping");
  clock.advance(30_000);
  clock.advance(30_000);
  await pinged;
  await new Promise((resolve) => void setImmediate(resolve));
  expect(link.closeInfo).toBeUndefined();
  clock.advance(30_000);
  clock.advance(30_000);
  clock.advance(10_000);
  expect(await link.closed).toMatchObject({ by: "network", retryable: true, error: { code: "timed-out" } });
});

test("a server that complains of pings is pinged half as often", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  const sessions: ServerHttp2Session[] = [];
  let heard = (): void => {};
  const server = createServer();
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.on("data", () => heard());
    stream.respond(GRPC);
  });
  await using hosted = await host(server, () => sessions.forEach((session) => session.destroy()));
  await using network = new Network({ protocols: [grpc()], clock });
  const dial = async (): Promise<OpenLink> =>
    OpenLink.dialled(await network.connect(`grpc://${hosted.address}${METHOD}`, { reconnect: false, health: false }));
  const first = await dial();
  sessions[0]?.goaway(11, 0, Buffer.from("too_many_pings"));
  sessions[0]?.close();
  expect(await first.closed).toMatchObject({ clean: false });
  const second = await dial();
  let pings = 0;
  sessions[1]?.on("ping", () => void pings++);
  // The first look hears of the handshake, the second would ping.
  clock.advance(30_000);
  clock.advance(30_000);
  // What is sent now comes behind a ping, if there is one.
  const message = new Promise<void>((resolve) => {
    heard = resolve;
  });
  second.link.send("behind");
  await message;
  expect(pings).toBe(0);
  const pinged = once(sessions[1] as ServerHttp2Session, "ping");
  clock.advance(60_000);
  await pinged;
});
