import { expect, test } from "vitest";
import { clientFrame, RawClient, upgradeRequest } from "./raw-client.ts";
import { Serving } from "./serving.ts";

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** The server must be none the worse: a healthy client still gets its answer. */
async function expectHealthy(serving: Serving): Promise<void> {
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  served.onMessage = (payload) => void served.link.send(payload);
  client.write(clientFrame(TEXT, "still there?"));
  expect((await client.frame()).payload.toString()).toBe("still there?");
}

const refusedHandshakes: readonly { readonly name: string; readonly status: number; readonly request: string }[] = [
  {
    name: "no Sec-WebSocket-Key",
    status: 400,
    request: upgradeRequest({ headers: { "Sec-WebSocket-Key": undefined } }),
  },
  {
    name: "a key that is not 16 bytes",
    status: 400,
    request: upgradeRequest({ headers: { "Sec-WebSocket-Key": "c2hvcnQ=" } }),
  },
  { name: "version 7", status: 400, request: upgradeRequest({ headers: { "Sec-WebSocket-Version": "7" } }) },
  { name: "POST", status: 405, request: upgradeRequest({ method: "POST" }) },
  { name: "an upgrade to h2c", status: 400, request: upgradeRequest({ headers: { Upgrade: "h2c" } }) },
  {
    name: "headers of 17 KiB",
    status: 431,
    request: upgradeRequest({ headers: { "X-Filler": "x".repeat(17 * 1024) } }),
  },
  { name: "a body", status: 400, request: upgradeRequest({ headers: { "Content-Length": "10" }, body: "0123456789" }) },
  {
    name: "a chunked body",
    status: 400,
    request: upgradeRequest({ headers: { "Transfer-Encoding": "chunked" }, body: "0\r\n\r\n" }),
  },
  { name: "an unknown path", status: 404, request: upgradeRequest({ path: "/elsewhere" }) },
  { name: "an absolute target", status: 404, request: upgradeRequest({ path: "ws://127.0.0.1/" }) },
  {
    name: "a bad list of subprotocols",
    status: 400,
    request: upgradeRequest({ headers: { "Sec-WebSocket-Protocol": "a,,b" } }),
  },
  { name: "no upgrade at all", status: 426, request: "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
  { name: "no upgrade, unknown path", status: 404, request: "GET /elsewhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
  { name: "no HTTP", status: 400, request: "\u0016\u0003\u0001 this is not HTTP\r\n\r\n" },
];

test.each(refusedHandshakes)("handshake with $name: $status, and closed", async ({ status, request }) => {
  await using serving = await Serving.start();
  await using client = await RawClient.connect(serving.port);
  client.write(request);
  const head = await client.head();
  expect(head.split(" ")[1]).toBe(String(status));
  await client.closed();
  expect(serving.links).toEqual([]);
  await expectHealthy(serving);
});

test("a refused version is told which ones are spoken", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.connect(serving.port);
  client.write(upgradeRequest({ headers: { "Sec-WebSocket-Version": "7" } }));
  expect(await client.head()).toContain("Sec-WebSocket-Version: 13, 8\r\n");
});

test("a deflate offer nobody can accept is ignored while compression is off, refused while it is on", async () => {
  const offer = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=99" } };
  await using serving = await Serving.start();
  await using client = await RawClient.connect(serving.port);
  client.write(upgradeRequest(offer));
  const head = await client.head();
  expect(head).toContain("101 Switching Protocols");
  expect(head.toLowerCase()).not.toContain("extensions");
  await using compressing = await Serving.start({ ws: { compression: true } });
  await using other = await RawClient.connect(compressing.port);
  other.write(upgradeRequest(offer));
  expect(await other.head()).toContain("400 Bad Request");
});

const badFrames: readonly { readonly name: string; readonly code: number; readonly frames: readonly Buffer[] }[] = [
  { name: "RSV1 without extension", code: 1002, frames: [clientFrame(TEXT, "x", { reserved: 0x40 })] },
  { name: "RSV2", code: 1002, frames: [clientFrame(TEXT, "x", { reserved: 0x20 })] },
  { name: "RSV3", code: 1002, frames: [clientFrame(TEXT, "x", { reserved: 0x10 })] },
  ...[3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].map((opcode) => ({
    name: `opcode ${opcode}`,
    code: 1002,
    frames: [clientFrame(opcode)],
  })),
  { name: "an unmasked frame", code: 1002, frames: [clientFrame(TEXT, "x", { isMasked: false })] },
  { name: "a fragmented ping", code: 1002, frames: [clientFrame(PING, "", { isFinal: false })] },
  { name: "a ping of 126 bytes", code: 1002, frames: [clientFrame(PING, "p".repeat(126))] },
  { name: "a continuation first", code: 1002, frames: [clientFrame(0, "x")] },
  {
    name: "text inside fragmented text",
    code: 1002,
    frames: [clientFrame(TEXT, "x", { isFinal: false }), clientFrame(TEXT, "y")],
  },
  { name: "a close payload of one byte", code: 1002, frames: [clientFrame(CLOSE, "x")] },
  ...[999, 1004, 1005, 1006, 1015, 2999].map((code) => ({
    name: `close code ${code}`,
    code: 1002,
    frames: [clientFrame(CLOSE, Buffer.from([code >> 8, code & 0xff]))],
  })),
  { name: "bad UTF-8 in text", code: 1007, frames: [clientFrame(TEXT, Buffer.from([0xc3, 0x28]))] },
  {
    name: "bad UTF-8 in a close reason",
    code: 1007,
    frames: [clientFrame(CLOSE, Buffer.from([0x03, 0xe8, 0xc3, 0x28]))],
  },
  { name: "a frame over the limit", code: 1009, frames: [clientFrame(BINARY, Buffer.alloc(65_537))] },
  {
    name: "fragments that sum to more than the limit",
    code: 1009,
    frames: [clientFrame(BINARY, Buffer.alloc(40_000), { isFinal: false }), clientFrame(0, Buffer.alloc(40_000))],
  },
  {
    name: "a declared length of 2^53",
    code: 1009,
    frames: [Buffer.from([0x82, 0xff, 0x00, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
  },
  {
    name: "1,025 fragments",
    code: 1008,
    frames: [
      clientFrame(BINARY, "x", { isFinal: false }),
      ...Array.from({ length: 1_024 }, (_, index) => clientFrame(0, "x", { isFinal: index === 1_023 })),
    ],
  },
  {
    name: "1,025 empty fragments",
    code: 1008,
    frames: [
      clientFrame(BINARY, "", { isFinal: false }),
      ...Array.from({ length: 1_024 }, (_, index) => clientFrame(0, "", { isFinal: index === 1_023 })),
    ],
  },
];

test.each(badFrames)("$name: closed with $code", async ({ code, frames }) => {
  await using serving = await Serving.start({ limits: { maxMessageBytes: 65_536 } });
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.write(Buffer.concat(frames));
  expect(await client.closeCode()).toBe(code);
  client.socket.end();
  const info = await served.closed;
  expect(info).toMatchObject({ by: "local", clean: false, code, retryable: false, bytesLost: 0 });
  expect(info.error?.code).toBe(code === 1009 ? "too-large" : "protocol-violation");
  expect(served.messages).toEqual([]);
  expect(served.link.send("late")).toBe("refused");
  expect(served.link.refusal).toBe("closed");
  await client.closed();
  await expectHealthy(serving);
});

test("1,024 fragments are fine", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.write(clientFrame(TEXT, "x", { isFinal: false }));
  for (let index = 1; index < 1_024; index++) client.write(clientFrame(0, "x", { isFinal: index === 1_023 }));
  await served.until(() => served.messages.length > 0);
  expect(served.messages).toEqual(["x".repeat(1_024)]);
});

test("messages before the violation are delivered, none after it", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.write(Buffer.concat([clientFrame(TEXT, "good"), clientFrame(3), clientFrame(TEXT, "late")]));
  expect(await client.closeCode()).toBe(1002);
  client.socket.end();
  await served.closed;
  expect(served.messages).toEqual(["good"]);
});

test("a flood of pings is closed with 1008", async () => {
  await using serving = await Serving.start({ limits: { closeTimeoutMs: 500 } });
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.write(Buffer.concat(Array.from({ length: 10_000 }, () => clientFrame(PING, "!"))));
  expect(await client.closeCode()).toBe(1008);
  expect(await served.closed).toMatchObject({ by: "local", clean: false, code: 1008, reason: "too many pings" });
  await expectHealthy(serving);
});

test("a peer that pings and does not read gets no pongs piled up", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.socket.pause();
  const chunk = new Uint8Array(65_536);
  while (served.link.send(chunk) !== "refused") await new Promise<void>((resolve) => void setImmediate(resolve));
  client.write(Buffer.concat([...Array.from({ length: 50 }, () => clientFrame(PING, "!")), clientFrame(TEXT, "read")]));
  await served.until(() => served.messages.length === 1);
  served.link.close({ code: 3008, discard: true });
  client.socket.resume();
  for (let opcode = 0; opcode !== CLOSE; ) {
    ({ opcode } = await client.frame());
    expect([BINARY, CLOSE]).toContain(opcode);
  }
});

test("a ping is answered with its own payload", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  client.write(clientFrame(PING, "are you there"));
  expect(await client.frame()).toEqual({ opcode: 10, payload: Buffer.from("are you there") });
});

test("a peer that connects and sends nothing is closed after the handshake timeout", async () => {
  await using serving = await Serving.start({ limits: { handshakeTimeoutMs: 150 } });
  await using silent = await RawClient.connect(serving.port);
  await using slow = await RawClient.connect(serving.port);
  slow.write("GET / HTTP/1.1\r\nHost: x");
  await silent.closed();
  await slow.closed();
  await expectHealthy(serving);
});

test("a peer that resets in the middle of a frame is told as lost", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.write(clientFrame(BINARY, Buffer.alloc(100)).subarray(0, 50));
  client.socket.resetAndDestroy();
  const info = await served.closed;
  expect(info).toMatchObject({ by: "network", clean: false, code: 1006, retryable: true });
  expect(info.error?.code).toBe("connection-reset");
});

test("an end without a close frame is told as lost", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.socket.end();
  expect(await served.closed).toMatchObject({ by: "network", clean: false, code: 1006 });
});
