import { connect as connectTcp } from "node:net";
import { deflateSync, gzipSync } from "node:zlib";
import type { Exchange } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { describe, expect, test } from "vitest";
import { FRAME, headBlock, http2Frame, message, RawClient, RawConnection } from "./raw-call.ts";
import { echo, Serving } from "./serving.ts";

const TIMEOUT_MS = 30_000;
const ECHO = "/test.Service/Echo";
const LIMITS = { maxMessageBytes: 1_048_576 };
const compressed = (payload: Buffer): Buffer => message(payload, { flag: 1 });
const hello = message(Buffer.from("hello"));

interface BadCall {
  readonly does: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | undefined;
  readonly status: string;
}

const gzip = { "grpc-encoding": "gzip" };

// biome-ignore format: a table
const badCalls: readonly BadCall[] = [
  { does: "G01 is compressed with garbage for gzip", headers: gzip, body: compressed(Buffer.from("garbage")), status: "13" },
  { does: "G02 is compressed with garbage for deflate", headers: { "grpc-encoding": "deflate" }, body: compressed(Buffer.from("garbage")), status: "13" },
  { does: "G03 is compressed with half a gzip", headers: gzip, body: compressed(gzipSync(Buffer.alloc(1_000, 1)).subarray(0, 20)), status: "13" },
  { does: "G04 has a timeout that is none", headers: { "grpc-timeout": "x" }, body: hello, status: "13" },
  { does: "G04 has a timeout of nine digits", headers: { "grpc-timeout": "123456789S" }, body: hello, status: "13" },
  { does: "G06 is a gzip bomb", headers: gzip, body: compressed(gzipSync(Buffer.alloc(200_000_000))), status: "8" },
  { does: "G06 is a deflate bomb", headers: { "grpc-encoding": "deflate" }, body: compressed(deflateSync(Buffer.alloc(50_000_000))), status: "8" },
  { does: "G07 says it has 4 GiB", body: message(Buffer.from("x"), { length: 0xffffffff }), status: "8" },
  { does: "G08 is one byte over the limit", body: message(Buffer.alloc(LIMITS.maxMessageBytes + 1)), status: "8" },
  { does: "G11 is compressed with what nobody knows", headers: { "grpc-encoding": "zstd" }, body: compressed(Buffer.from("x")), status: "12" },
  { does: "G12 is shorter than it says", body: message(Buffer.from("short"), { length: 100 }), status: "12" },
  { does: "G12 ends in its prefix", body: Buffer.from([0, 0]), status: "12" },
  { does: "G13 has two messages", body: Buffer.concat([hello, hello]), status: "12" },
  { does: "G14 has none", body: undefined, status: "12" },
  { does: "G15 asks for a method that is not there", path: "/test.Service/Nothing", body: hello, status: "12" },
  { does: "G16 asks for a service that is not there", path: "/other.Service/Echo", body: hello, status: "12" },
  { does: "G45 is compressed in a call without an encoding", body: compressed(Buffer.from("hello")), status: "13" },
  { does: "has a flag that is none", body: message(Buffer.from("x"), { flag: 7 }), status: "13" },
  { does: "asks for another form of the path", path: "/other/../test.Service/Echo", body: hello, status: "12" },
  { does: "asks for an escaped form of the path", path: "/test.Service/%45cho", body: hello, status: "12" },
  { does: "has a path as long as a book", path: `/${"x".repeat(7_000)}`, body: hello, status: "12" },
];

describe("a call that", () => {
  for (const { does, path = ECHO, headers = {}, body, status } of badCalls) {
    test(`${does} is answered with ${status}, and the next is served`, { timeout: TIMEOUT_MS }, async () => {
      let calls = 0;
      const exchange = (arrived: Exchange): void => {
        calls++;
        void echo(arrived);
      };
      const url = `grpc://127.0.0.1:0${ECHO}`;
      await using serving = await Serving.start({ url, limits: LIMITS, handler: { exchange } });
      await using client = new RawClient(serving.port);
      expect(await client.call(path, body, headers)).toMatchObject({ status, body: Buffer.alloc(0) });
      expect(calls).toBe(0);
      expect(await client.call(ECHO, hello)).toMatchObject({ status: "0", body: hello });
    });
  }
});

test("what is no gRPC is told so: G19 GET, G22 another content type", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url: `grpc://127.0.0.1:0${ECHO}`, handler: { exchange: echo } });
  await using client = new RawClient(serving.port);
  const get = await client.call(ECHO, undefined, { ":method": "GET" });
  expect(get).toMatchObject({ status: undefined, resetCode: 1 });
  for (const type of ["text/plain", "application/grpc-web", "application/grpcx", "application/json"]) {
    const answer = await client.call(ECHO, hello, { "content-type": type });
    expect(answer.head[":status"]).toBe(415);
  }
  for (const type of ["application/grpc+proto", "application/grpc;charset=utf-8", "APPLICATION/GRPC"]) {
    expect(await client.call(ECHO, hello, { "content-type": type })).toMatchObject({ status: "0" });
  }
});

test("metadata over the limit is refused", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url: `grpc://127.0.0.1:0${ECHO}`, handler: { exchange: echo } });
  await using client = new RawClient(serving.port);
  const large = await client.call(ECHO, hello, { "x-large": "y".repeat(8_192) });
  expect(large).toMatchObject({ status: "8" });
  // More entries than HTTP/2 takes.
  const many = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`x-${index}`, "y".repeat(40)]));
  expect(await client.call(ECHO, hello, many)).toMatchObject({ status: undefined, resetCode: 11 });
  expect(await client.call(ECHO, hello)).toMatchObject({ status: "0" });
});

test("a link whose peer sends what may not be sent ends with the status", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ limits: LIMITS });
  await using client = new RawClient(serving.port);
  const talk = "/test.Service/Talk";
  const cases: readonly [Buffer, string, string][] = [
    [message(Buffer.alloc(LIMITS.maxMessageBytes + 1)), "8", "too-large"],
    [message(Buffer.from("short"), { length: 100 }), "13", "protocol-violation"],
    [compressed(Buffer.from("x")), "13", "protocol-violation"],
    [message(Buffer.from("x"), { flag: 2 }), "13", "protocol-violation"],
  ];
  for (const [body, status, code] of cases) {
    const answered = client.call(talk, Buffer.concat([hello, body]));
    const link = await serving.next();
    expect(await link.closed).toMatchObject({ by: "local", clean: false, error: { code } });
    expect(link.texts).toEqual(["hello"]);
    expect(await answered).toMatchObject({ status });
  }
});

test("G29 a method is denied by the handler's check", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({
    url: "grpc://127.0.0.1:0/test.Service/",
    handler: {
      exchange: echo,
      admit: ({ path }) =>
        path === ECHO ? { accepted: true } : { accepted: false, status: 401, reason: "who are you?" },
    },
  });
  await using client = new RawClient(serving.port);
  expect(await client.call(ECHO, hello)).toMatchObject({ status: "0" });
  const denied = await client.call("/test.Service/Secret", hello);
  expect(denied).toMatchObject({ status: "16", message: "who are you?" });
});

test("G30 a handler that is past the deadline sees the cancel at once", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  let arrived: (exchange: Exchange) => void = () => {};
  const exchange = new Promise<Exchange>((resolve) => {
    arrived = resolve;
  });
  await using serving = await Serving.start({
    url: `grpc://127.0.0.1:0${ECHO}`,
    network: { clock },
    handler: { exchange: (given) => arrived(given) },
  });
  await using client = new RawClient(serving.port);
  const answer = client.call(ECHO, hello, { "grpc-timeout": "500m" });
  const { signal } = await exchange;
  clock.advance(499);
  expect(signal.aborted).toBe(false);
  clock.advance(1);
  expect(signal.aborted).toBe(true);
  expect(await answer).toMatchObject({ status: "4" });
});

test("a link past its deadline ends with DEADLINE_EXCEEDED", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock } });
  await using client = new RawClient(serving.port);
  const stream = client.session.request({
    ":method": "POST",
    ":path": "/test.Service/Talk",
    "content-type": "application/grpc",
    "grpc-timeout": "1S",
  });
  stream.on("error", () => {});
  const trailers = new Promise((resolve) => void stream.on("trailers", resolve));
  const link = await serving.next();
  clock.advance(1_000);
  expect(await trailers).toMatchObject({ "grpc-status": "4" });
  // This client does not end its side although the call is over.
  clock.advance(5_000);
  expect(await link.closed).toMatchObject({ by: "local", error: { code: "timed-out" } });
});

test("G32 a link without a message for a minute ends, one with messages does not", {
  timeout: TIMEOUT_MS,
}, async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock }, listen: { idleTimeoutMs: 60_000 } });
  const quiet = await serving.dial();
  const quietHere = await serving.next();
  const busy = await serving.dial();
  const busyHere = await serving.next();
  for (let minute = 0; minute < 2; minute++) {
    clock.advance(30_000);
    busy.link.send("still here");
    const count = minute + 1;
    await busyHere.until(() => busyHere.messages.length === count);
  }
  expect(await quietHere.closed).toMatchObject({ by: "local", error: { code: "timed-out" } });
  expect(await quiet.closed).toMatchObject({ by: "remote", code: 4 });
  expect(busyHere.closeInfo).toBeUndefined();
});

test("G33 a rapid reset ends its connection and harms no other", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url: `grpc://127.0.0.1:0${ECHO}`, handler: { exchange: echo } });
  await using other = new RawClient(serving.port);
  expect(await other.call(ECHO, hello)).toMatchObject({ status: "0" });
  await using attacker = await RawConnection.open(serving.port);
  const cancel = Buffer.from([0, 0, 0, 8]);
  for (let index = 0; index < 10_000 && !attacker.socket.destroyed; index++) {
    const stream = 2 * index + 1;
    attacker.socket.write(http2Frame(FRAME.headers, { flags: 4, stream, payload: headBlock(ECHO) }));
    attacker.socket.write(http2Frame(FRAME.reset, { stream, payload: cancel }));
    if (index % 100 === 99) await new Promise((resolve) => void setImmediate(resolve));
  }
  await attacker.closed;
  expect(await other.call(ECHO, hello)).toMatchObject({ status: "0" });
});

test("G35 a flood of pings ends its connection and harms no other", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url: `grpc://127.0.0.1:0${ECHO}`, handler: { exchange: echo } });
  await using other = new RawClient(serving.port);
  await using attacker = await RawConnection.open(serving.port);
  for (let index = 0; index < 1_000; index++)
    attacker.socket.write(http2Frame(FRAME.ping, { payload: Buffer.alloc(8) }));
  await attacker.closed;
  expect(attacker.goaway).toBe(11);
  expect(await other.call(ECHO, hello)).toMatchObject({ status: "0" });
});

test("G37 the 101st call of a connection is refused, and others live on", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start();
  await using attacker = await RawConnection.open(serving.port);
  // Not knowing, or not caring, how many the settings allow.
  for (let index = 0; index < 101; index++) {
    const payload = headBlock("/test.Service/Talk");
    attacker.socket.write(http2Frame(FRAME.headers, { flags: 4, stream: 2 * index + 1, payload }));
  }
  const links = await Promise.all(Array.from({ length: 100 }, () => serving.next()));
  await using other = new RawClient(serving.port);
  const answered = other.call("/test.Service/Talk", hello);
  const theirs = await serving.next();
  theirs.onEnded = () => theirs.link.close();
  expect(await answered).toMatchObject({ status: "0" });
  const resets = attacker.frames.filter(({ type }) => type === FRAME.reset);
  expect(resets.map(({ payload }) => payload.readUInt32BE(0))).toEqual([7]);
  expect(links.every(({ closeInfo }) => closeInfo === undefined)).toBe(true);
});

test("G39 a header block that is none ends its connection and harms no other", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url: `grpc://127.0.0.1:0${ECHO}`, handler: { exchange: echo } });
  await using other = new RawClient(serving.port);
  await using attacker = await RawConnection.open(serving.port);
  // Index 127 of a table that has 61 entries.
  const payload = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]);
  attacker.socket.write(http2Frame(FRAME.headers, { flags: 5, stream: 1, payload }));
  await attacker.closed;
  expect(await other.call(ECHO, hello)).toMatchObject({ status: "0" });
});

test("bytes that are no HTTP/2 end their connection", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url: `grpc://127.0.0.1:0${ECHO}`, handler: { exchange: echo } });
  for (const bytes of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u0016\u0003\u0001\u0002", "\0".repeat(100)]) {
    const socket = connectTcp({ host: "127.0.0.1", port: serving.port });
    socket.on("error", () => {});
    const closed = new Promise((resolve) => void socket.on("close", resolve));
    socket.resume();
    socket.write(bytes.padEnd(64, "\0"));
    await closed;
  }
  await using client = new RawClient(serving.port);
  expect(await client.call(ECHO, hello)).toMatchObject({ status: "0" });
});
