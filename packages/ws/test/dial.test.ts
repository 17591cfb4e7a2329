import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import * as tls from "node:tls";
import { type Certificate, makeCertificate } from "@polywire/conformance/testing";
import { Network, PolywireError } from "@polywire/core";
import { afterEach, expect, test, vi } from "vitest";
import { type WsDialOptions, type WsTlsDialOptions, ws } from "../src/index.ts";
import { clientFrame } from "./raw-client.ts";
import { Serving } from "./serving.ts";

vi.mock("node:tls", async (importOriginal) => {
  const original = await importOriginal<typeof tls>();
  return { ...original, connect: vi.fn<typeof tls.connect>(original.connect) };
});

afterEach(() => vi.mocked(tls.connect).mockClear());

const ACCEPT_OF_SAMPLE_KEY = /Sec-WebSocket-Key: (.+)\r\n/i;

/** A server over plain TCP that answers a handshake however the test wants. */
async function hostileServer(answer: (socket: Socket, request: string) => void) {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let request = "";
    const onData = (chunk: Buffer): void => {
      request += chunk.toString("latin1");
      if (!request.includes("\r\n\r\n")) return;
      socket.off("data", onData);
      socket.resume();
      answer(socket, request);
    };
    socket.on("data", onData);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `ws://127.0.0.1:${port}/` as const,
    port,
    sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

function acceptKey(request: string): string {
  const key = ACCEPT_OF_SAMPLE_KEY.exec(request)?.[1] ?? "";
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

function switching(request: string, extra = ""): string {
  const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  return `${head}Sec-WebSocket-Accept: ${acceptKey(request)}\r\n${extra}\r\n`;
}

function network() {
  return new Network({ protocols: [ws()] });
}

async function dialError(url: string, options: object = {}): Promise<PolywireError> {
  await using net = network();
  try {
    await net.connect(url as "ws://h/", options);
  } catch (thrown) {
    if (PolywireError.is(thrown)) return thrown;
    throw thrown;
  }
  throw new Error("connected");
}

test("nobody listening", async () => {
  const { port } = await hostileServer(() => {}).then(async (server) => {
    await server[Symbol.asyncDispose]();
    return server;
  });
  const error = await dialError(`ws://127.0.0.1:${port}/`);
  expect(error).toMatchObject({ code: "connection-refused", retryable: true });
  expect(error.message).toContain(`127.0.0.1:${port}`);
});

test("a host that does not exist", async () => {
  expect((await dialError("ws://nowhere.invalid/")).code).toBe("host-not-found");
});

test.each([
  [401, false],
  [403, false],
  [404, false],
  [429, true],
  [503, true],
  [200, false],
])("an answer of %i is a failed handshake that names the status", async (status, retryable) => {
  const closed = Promise.withResolvers<void>();
  await using server = await hostileServer((socket) => {
    socket.on("close", () => closed.resolve());
    // The body never ends: nobody may wait for it.
    socket.write(`HTTP/1.1 ${status} So\x1b[31m It Is\r\nContent-Length: 1000000\r\n\r\nbeginning`);
  });
  const error = await dialError(server.url);
  expect(error).toMatchObject({ code: "handshake-failed", retryable });
  expect(error.message).toContain(`the server answered ${status} So[31m It Is`);
  await closed.promise;
});

test("redirects are not followed", async () => {
  await using trap = await hostileServer(() => {
    throw new Error("was followed");
  });
  await using server = await hostileServer((socket) => {
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${trap.url}\r\nContent-Length: 0\r\n\r\n`);
  });
  expect((await dialError(server.url)).message).toContain("redirects are not followed");
  expect(trap.sockets.size).toBe(0);
});

test.each<[string, (socket: Socket, request: string) => Promise<void> | void]>([
  [
    "a wrong Sec-WebSocket-Accept (W46)",
    (socket) =>
      void socket.write(
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
      ),
  ],
  [
    "no Sec-WebSocket-Accept",
    (socket) => void socket.write("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
  ],
  ["no Upgrade", (socket) => void socket.write("HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n")],
  [
    "an extension nobody offered (W49)",
    async (socket, request) =>
      void socket.write(switching(request, "Sec-WebSocket-Extensions: permessage-deflate\r\n")),
  ],
  [
    "a subprotocol nobody offered",
    (socket, request) => void socket.write(switching(request, "Sec-WebSocket-Protocol: theirs\r\n")),
  ],
  ["headers without an end", (socket) => void socket.write(`HTTP/1.1 101 S\r\nX-Filler: ${"x".repeat(20_000)}`)],
  ["no HTTP at all", (socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n\r\n")],
])("a server with %s: handshake-failed", async (_name, answer) => {
  await using server = await hostileServer((socket, request) => void answer(socket, request));
  expect((await dialError(server.url)).code).toBe("handshake-failed");
});

test("a server that hangs up during the handshake", async () => {
  await using server = await hostileServer((socket) => void socket.resetAndDestroy());
  expect(await dialError(server.url)).toMatchObject({ code: "connection-reset", retryable: true });
});

test("a server that never answers: timed out, and the socket is gone", async () => {
  const closed = Promise.withResolvers<void>();
  await using server = await hostileServer((socket) => void socket.on("close", () => closed.resolve()));
  expect((await dialError(server.url, { timeoutMs: 50 })).code).toBe("timed-out");
  await closed.promise;
});

test("W48: a server that masks its frames breaks the protocol: closed with 1002, told to the program", async () => {
  await using server = await hostileServer((socket, request) => {
    socket.write(switching(request));
    socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x78]));
  });
  await using net = network();
  const connection = await net.connect(server.url, { limits: { closeTimeoutMs: 100 } });
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.on("data", () => {});
  expect(await closed).toMatchObject({ by: "local", clean: false, code: 1002, error: { code: "protocol-violation" } });
});

const unmasked = { isMasked: false };

test.each<[string, number, readonly Buffer[]]>([
  ["W16 RSV1 without an extension", 1002, [clientFrame(1, "x", { ...unmasked, reserved: 0x40 })]],
  ["W17 RSV2", 1002, [clientFrame(1, "x", { ...unmasked, reserved: 0x20 })]],
  ["W18 an opcode that is none", 1002, [clientFrame(3, "x", unmasked)]],
  ["W21 a fragmented ping", 1002, [clientFrame(9, "x", { ...unmasked, isFinal: false })]],
  ["W22 a ping of 126 bytes", 1002, [clientFrame(9, "x".repeat(126), unmasked)]],
  ["W23 a continuation first", 1002, [clientFrame(0, "x", unmasked)]],
  [
    "W24 text inside fragmented text",
    1002,
    [clientFrame(1, "x", { ...unmasked, isFinal: false }), clientFrame(1, "y", unmasked)],
  ],
  ["W27 a close payload of one byte", 1002, [clientFrame(8, "x", unmasked)]],
  ["W28 close code 1005", 1002, [clientFrame(8, Buffer.from([0x03, 0xed]), unmasked)]],
  ["W30 bad UTF-8 in text", 1007, [clientFrame(1, Buffer.from([0xc3, 0x28]), unmasked)]],
  ["W34 a frame over the limit", 1009, [clientFrame(2, Buffer.alloc(65_537), unmasked)]],
  ["W36 a length of 2^53", 1009, [Buffer.from([0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0])]],
])("from a server: %s: closed with %i, told to the program", async (_name, code, frames) => {
  await using server = await hostileServer((socket, request) => {
    socket.write(switching(request));
    for (const frame of frames) socket.write(frame);
  });
  await using net = network();
  const limits = { closeTimeoutMs: 100, maxMessageBytes: 65_536 };
  const connection = await net.connect(server.url, { limits, reconnect: false });
  const messages: unknown[] = [];
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.on("data", (payload) => messages.push(payload));
  expect(await closed).toMatchObject({ by: "local", clean: false, code });
  expect(messages).toEqual([]);
});

test("aborted before, during and after the dial", async () => {
  await using net = network();
  const closed = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await using silent = await hostileServer((socket) => {
    socket.on("close", () => closed.resolve());
    arrived.resolve();
  });
  await expect(net.connect(silent.url, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
  const during = new AbortController();
  const dialling = net.connect(silent.url, { signal: during.signal });
  await arrived.promise;
  during.abort();
  await expect(dialling).rejects.toMatchObject({ code: "aborted" });
  await closed.promise;
  await using serving = await Serving.start();
  const after = new AbortController();
  const connection = await net.connect(`ws://127.0.0.1:${serving.port}/`, { signal: after.signal });
  after.abort();
  connection.send("still open");
  const served = await serving.next();
  await served.until(() => served.messages.length === 1);
});

test("headers, metadata, subprotocols and the URL's credentials reach the server", async () => {
  let request = "";
  await using server = await hostileServer((socket, text) => {
    request = text;
    socket.write(switching(text, "Sec-WebSocket-Protocol: two\r\n"));
  });
  await using net = network();
  const connection = await net.connect(`ws://user:pass@127.0.0.1:${server.port}/deep/../path?x=1`, {
    headers: { "X-Mine": "yes" },
    metadata: new Map([["traceparent", "00-abc"]]),
    subprotocols: ["one", "two"],
  });
  expect(request.split("\r\n")).toEqual(
    expect.arrayContaining([
      "GET /path?x=1 HTTP/1.1",
      "X-Mine: yes",
      "traceparent: 00-abc",
      "Sec-WebSocket-Protocol: one,two",
      `Authorization: Basic ${Buffer.from("user:pass").toString("base64")}`,
    ]),
  );
  expect(request).not.toContain("Sec-WebSocket-Extensions");
  const { address, port, secure, path, query, subprotocol } = connection.link.peer;
  expect({ address, port, secure, path, query, subprotocol }).toEqual({
    address: "127.0.0.1",
    port: server.port,
    secure: false,
    path: "/path",
    query: "x=1",
    subprotocol: "two",
  });
  await connection.close({ discard: true });
});

test.each<[string, object, string]>([
  ["ws://127.0.0.1/", { header: {} }, 'unknown option "header"'],
  ["ws://127.0.0.1/", { headers: { Upgrade: "h2c" } }, "option headers.Upgrade"],
  ["ws://127.0.0.1/", { headers: { "sec-websocket-key": "x" } }, "option headers.sec-websocket-key"],
  ["ws://127.0.0.1/", { headers: { "X-A": 7 } }, "option headers.X-A: give a string"],
  ["ws://127.0.0.1/", { headers: { "X-A": "a\r\nX-B: b" } }, "Invalid character in header"],
  ["ws://127.0.0.1/", { headers: [] }, "option headers"],
  ["ws://127.0.0.1/", { subprotocols: ["a,b"] }, "option subprotocols"],
  ["ws://127.0.0.1/", { tls: {} }, "option tls: it goes with wss"],
  ["wss://127.0.0.1/", { tls: { socket: {} } }, "option tls.socket"],
  ["wss://127.0.0.1/", { tls: { ca: 7 } }, "ca"],
  ["wss://127.0.0.1/", { tls: { cert: "no certificate" } }, "PEM"],
  ["ws:///path", {}, "names no host"],
  ["ws:path", {}, "names no host"],
  ["ws://127.0.0.1/#fragment", {}, "127.0.0.1"],
])("connect to %s with %o: %s", async (url, options, problem) => {
  const error = await dialError(url, { timeoutMs: 300, ...options });
  if (error.code !== "connection-refused") expect(error.code).toBe("invalid-argument");
  expect(error.message).toContain(problem);
});

const authority = makeCertificate({ name: "Test Authority", isAuthority: true });
const good = makeCertificate({ name: "server", hosts: ["localhost", "127.0.0.1"], issuer: authority });

async function secureServing(certificate: Certificate, more: tls.TlsOptions = {}) {
  const { cert, key } = certificate;
  return Serving.start({ url: "wss://127.0.0.1:0/", listen: { tls: { cert, key, ...more } } });
}

test.each<[string, Certificate, WsTlsDialOptions, string]>([
  ["nobody trusts", good, {}, "unable to verify the first certificate"],
  ["is self-signed", makeCertificate({ name: "alone", hosts: ["127.0.0.1"] }), {}, "self-signed certificate"],
  [
    "is for another host",
    makeCertificate({ name: "x", hosts: ["other.example"], issuer: authority }),
    { ca: authority.cert },
    "altnames",
  ],
  [
    "has expired",
    makeCertificate({ name: "x", hosts: ["127.0.0.1"], issuer: authority, notAfter: new Date("2021-01-01") }),
    { ca: authority.cert },
    "expired",
  ],
])("a certificate that %s: tls-verify-failed with the reason", async (_name, certificate, options, reason) => {
  await using serving = await secureServing(certificate);
  const error = await dialError(`wss://127.0.0.1:${serving.port}/`, { tls: options });
  expect(error).toMatchObject({ code: "tls-verify-failed", retryable: false });
  expect(error.message).toContain(reason);
});

test("a server that speaks no TLS", async () => {
  await using server = await hostileServer(() => {});
  const dialling = dialError(`wss://127.0.0.1:${server.port}/`, { timeoutMs: 2_000 });
  for (;;) {
    const [socket] = server.sockets;
    if (socket !== undefined) {
      socket.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      break;
    }
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  expect((await dialling).code).toBe("handshake-failed");
});

test("client certificates: asked for, checked, and told to admission", async () => {
  const mine = makeCertificate({ name: "client", issuer: authority });
  await using serving = await secureServing(good, { ca: authority.cert, requestCert: true, rejectUnauthorized: true });
  await using net = network();
  const { cert, key } = mine;
  const url = `wss://localhost:${serving.port}/` as const;
  await net.connect(url, { tls: { ca: authority.cert, cert, key } });
  const { link } = await serving.next();
  expect(link.peer.certificate).toMatchObject({ subject: "CN=client", issuer: "CN=Test Authority" });
  expect(link.peer.certificate?.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  await expect(net.connect(url, { tls: { ca: authority.cert } })).rejects.toMatchObject({ name: "PolywireError" });
  expect(serving.links).toEqual([]);
});

const tlsOptions: { readonly [Name in keyof WsTlsDialOptions]: WsTlsDialOptions[Name] } = {
  ALPNProtocols: ["http/1.1"],
  ca: authority.cert,
  cert: good.cert,
  key: good.key,
  checkServerIdentity: () => undefined,
  ciphers: "TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
  ecdhCurve: "P-256",
  enableTrace: false,
  honorCipherOrder: true,
  maxVersion: "TLSv1.3",
  minDHSize: 2048,
  minVersion: "TLSv1.2",
  passphrase: "unused",
  rejectUnauthorized: true,
  requestOCSP: false,
  secureOptions: 0,
  servername: "localhost",
  session: undefined,
  sigalgs: "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256",
  timeout: 5_000,
};

test.each(Object.entries(tlsOptions))("P24: the TLS option %s reaches tls.connect", async (name, value) => {
  await using serving = await secureServing(good);
  await using net = network();
  const options = { ca: authority.cert, [name]: value };
  await net.connect(`wss://127.0.0.1:${serving.port}/`, { tls: options });
  const [given] = vi.mocked(tls.connect).mock.calls[0] as unknown as [Record<string, unknown>];
  expect(Object.hasOwn(given, name)).toBe(true);
  expect(given[name]).toBe(value);
  expect(given["host"]).toBe("127.0.0.1");
});

test("options are not changed, and may be frozen", async () => {
  await using serving = await secureServing(good);
  await using net = network();
  const options: WsDialOptions = Object.freeze({
    tls: Object.freeze({ ca: authority.cert }),
    headers: Object.freeze({ "X-A": "b" }),
    subprotocols: Object.freeze([]),
    heartbeat: Object.freeze({ intervalMs: 5_000 }),
  });
  const connection = await net.connect(`wss://localhost:${serving.port}/`, options);
  expect(connection.link.peer.certificate?.subject).toBe("CN=server");
  expect(Object.keys(options)).toEqual(["tls", "headers", "subprotocols", "heartbeat"]);
});
