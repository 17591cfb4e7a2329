import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import { type Certificate, makeCertificate } from "@polywire/conformance/testing";
import { type Connection, type Link, Network, PolywireError } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { afterEach, expect, test, vi } from "vitest";
import { type TcpDialOptions, type TcpTlsDialOptions, tcp } from "../src/index.ts";
import { blackHole, hasBlackHole } from "./black-hole.ts";
import { RawPeer, RawServer } from "./raw-peer.ts";
import { Serving } from "./serving.ts";

vi.mock("node:tls", async (importOriginal) => {
  const original = await importOriginal<typeof tls>();
  return { ...original, connect: vi.fn<typeof tls.connect>(original.connect) };
});

afterEach(() => vi.mocked(tls.connect).mockClear());

const authority = makeCertificate({ name: "Test Authority", isAuthority: true });
const good = makeCertificate({ name: "server", hosts: ["localhost", "127.0.0.1"], issuer: authority });

function network() {
  return new Network({ protocols: [tcp()] });
}

async function dialError(url: string, options: object = {}): Promise<PolywireError> {
  await using net = network();
  try {
    await net.connect(url as "tcp://h:1", options);
  } catch (thrown) {
    if (PolywireError.is(thrown)) return thrown;
    throw thrown;
  }
  throw new Error("connected");
}

async function secureServing({ cert, key }: Certificate, more: tls.TlsOptions & { subprotocols?: string[] } = {}) {
  const { subprotocols = [], ...options } = more;
  return Serving.start({ url: "tcps://127.0.0.1:0", listen: { tls: { cert, key, ...options }, subprotocols } });
}

test("T35: nobody listening", async () => {
  const server = await RawServer.start();
  const { port } = server;
  await server[Symbol.asyncDispose]();
  const error = await dialError(`tcp://127.0.0.1:${port}`);
  expect(error).toMatchObject({ code: "connection-refused", retryable: true });
  expect(error.message).toContain(`127.0.0.1:${port}`);
});

test("a TLS handshake that nothing answers ends at its deadline, and its socket is gone", async () => {
  const closed = Promise.withResolvers<void>();
  await using server = await RawServer.start((socket) => {
    socket.resume();
    socket.on("close", () => closed.resolve()).on("end", () => socket.destroy());
  });
  const error = await dialError(`tcps://127.0.0.1:${server.port}`, { timeoutMs: 50 });
  expect(error).toMatchObject({ code: "timed-out", retryable: true });
  await closed.promise;
});

test("T38: a host that does not exist", async () => {
  expect((await dialError("tcp://nowhere.invalid:1")).code).toBe("host-not-found");
});

test.skipIf(!hasBlackHole)("T36: where every SYN is dropped, a dial ends at its deadline of 5 s", async () => {
  await using hole = await blackHole();
  const clock = new ManualClock();
  await using net = new Network({ protocols: [tcp()], clock });
  let outcome: unknown;
  const dialling = net.connect(`tcp://127.0.0.1:${hole.port}`, { timeoutMs: 5_000 }).then(
    (connection) => {
      outcome = connection;
    },
    (thrown: unknown) => {
      outcome = thrown;
    },
  );
  // A connection to anywhere else is made in the meantime.
  await using other = await RawServer.start();
  await (await RawPeer.connect(other.port))[Symbol.asyncDispose]();
  clock.advance(4_999);
  expect(outcome).toBe(undefined);
  clock.advance(1);
  await dialling;
  expect(outcome).toMatchObject({ code: "timed-out", retryable: true });
});

/** A resolver that knows one host, and keeps what it was asked. */
function resolver(...addresses: readonly string[]) {
  const asked: [string, object][] = [];
  const lookup: LookupFunction = (host, options, answer) => {
    asked.push([host, options]);
    answer(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    );
  };
  return { asked, lookup };
}

test("T39: of two addresses the first refuses: the second is reached in less than a second", async () => {
  await using server = await RawServer.start();
  await using net = network();
  const { asked, lookup } = resolver("127.0.0.2", "127.0.0.1");
  const begin = performance.now();
  const connection = await net.connect(`tcp://two.example:${server.port}`, { lookup });
  expect(performance.now() - begin).toBeLessThan(1_000);
  expect(connection.link.peer.address).toBe("127.0.0.1");
  expect(asked).toEqual([["two.example", expect.objectContaining({ all: true })]]);
  await connection.close({ discard: true });
});

test.skipIf(!hasBlackHole)(
  "T39: of two addresses the first never answers: the second is reached after attemptTimeoutMs, in less than a second",
  async () => {
    await using server = await RawServer.start(() => {}, "127.0.0.2");
    await using _hole = await blackHole(server.port);
    await using net = network();
    const { lookup } = resolver("127.0.0.1", "127.0.0.2");
    const begin = performance.now();
    const connection = await net.connect(`tcp://two.example:${server.port}`, { lookup, attemptTimeoutMs: 100 });
    expect(performance.now() - begin).toBeLessThan(1_000);
    expect(connection.link.peer.address).toBe("127.0.0.2");
    await connection.close({ discard: true });
  },
);

test("a resolver of one's own: for TLS as well, and what it fails with is told", async () => {
  await using serving = await secureServing(good);
  await using net = network();
  const { lookup } = resolver("127.0.0.1");
  const connection = await net.connect(`tcps://localhost:${serving.port}`, { lookup, tls: { ca: authority.cert } });
  expect(connection.link.peer.address).toBe("127.0.0.1");
  const failing: LookupFunction = (_host, _options, answer) =>
    answer(Object.assign(new Error("no such host"), { code: "ENOTFOUND" }), []);
  expect((await dialError("tcp://two.example:1", { lookup: failing })).code).toBe("host-not-found");
});

test("aborted before and during the dial", async () => {
  await using net = network();
  const arrived = Promise.withResolvers<void>();
  await using silent = await RawServer.start(() => arrived.resolve());
  const url = `tcps://127.0.0.1:${silent.port}` as const;
  await expect(net.connect(url, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
  const controller = new AbortController();
  const dialling = net.connect(url, { signal: controller.signal });
  await arrived.promise;
  controller.abort();
  await expect(dialling).rejects.toMatchObject({ code: "aborted" });
});

test.each<[string, Certificate, TcpTlsDialOptions, string]>([
  ["T45: nobody trusts", good, {}, "unable to verify the first certificate"],
  ["T45: is self-signed", makeCertificate({ name: "alone", hosts: ["127.0.0.1"] }), {}, "self-signed certificate"],
  [
    "T44: is for another host",
    makeCertificate({ name: "x", hosts: ["other.example"], issuer: authority }),
    { ca: authority.cert },
    "altnames",
  ],
  [
    "T43: has expired",
    makeCertificate({ name: "x", hosts: ["127.0.0.1"], issuer: authority, notAfter: new Date("2021-01-01") }),
    { ca: authority.cert },
    "expired",
  ],
])("%s: tls-verify-failed with the reason", async (_name, certificate, options, reason) => {
  await using serving = await secureServing(certificate);
  const error = await dialError(`tcps://127.0.0.1:${serving.port}`, { tls: options });
  expect(error).toMatchObject({ code: "tls-verify-failed", retryable: false });
  expect(error.message).toContain(reason);
});

test("a server that speaks no TLS", async () => {
  await using server = await RawServer.start((socket) => void socket.write("220 mail.example ESMTP\r\n"));
  expect((await dialError(`tcps://127.0.0.1:${server.port}`)).code).toBe("handshake-failed");
});

test("ALPN: the server chooses, both sides know, and a dial that gets none of its subprotocols fails", async () => {
  await using serving = await secureServing(good, { subprotocols: ["second", "first"] });
  await using net = network();
  const ca = { tls: { ca: authority.cert } };
  const url = `tcps://127.0.0.1:${serving.port}` as const;
  const connection = await net.connect(url, { ...ca, subprotocols: ["first", "second"] });
  expect(connection.link.peer.subprotocol).toBe("second");
  expect((await serving.next()).link.peer.subprotocol).toBe("second");
  expect((await dialError(url, { ...ca, subprotocols: ["other"] })).code).toBe("handshake-failed");
  await using plain = await secureServing(good);
  const error = await dialError(`tcps://127.0.0.1:${plain.port}`, { ...ca, subprotocols: ["other"] });
  expect(error).toMatchObject({ code: "handshake-failed", message: expect.stringContaining("none of other") });
});

test("client certificates: asked for, checked, and told to admission", async () => {
  const { cert, key } = makeCertificate({ name: "client", issuer: authority });
  await using serving = await secureServing(good, { ca: authority.cert, requestCert: true, rejectUnauthorized: true });
  await using net = network();
  const url = `tcps://localhost:${serving.port}` as const;
  await net.connect(url, { tls: { ca: authority.cert, cert, key } });
  const { link } = await serving.next();
  expect(link.peer.certificate).toMatchObject({ subject: "CN=client", issuer: "CN=Test Authority" });
  expect(link.peer.certificate?.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  // In TLS 1.3 the client is through before the server has looked at its certificate.
  const stranger: Connection | PolywireError = await net
    .connect(url, { tls: { ca: authority.cert }, reconnect: false })
    .catch((thrown: PolywireError) => thrown);
  if (!PolywireError.is(stranger)) {
    const closed = new Promise((resolve) => stranger.on("close", resolve));
    stranger.on("data", () => {});
    expect(await closed).toMatchObject({ by: expect.stringMatching(/network|remote/) });
  }
  expect(serving.links).toEqual([]);
});

const tlsOptions: { readonly [Name in keyof TcpTlsDialOptions]: TcpTlsDialOptions[Name] } = {
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
  await net.connect(`tcps://127.0.0.1:${serving.port}`, { tls: { ca: authority.cert, [name]: value } });
  const [given] = vi.mocked(tls.connect).mock.calls[0] as unknown as [Record<string, unknown>];
  expect(Object.hasOwn(given, name)).toBe(true);
  expect(given[name]).toBe(value);
  expect(given["host"]).toBe("127.0.0.1");
});

test.each<[string, object, string]>([
  ["tcp://127.0.0.1:1", { frame: "lines" }, 'unknown option "frame"'],
  ["tcp://127.0.0.1:1", { framing: "line" }, 'did you mean "lines"?'],
  ["tcp://127.0.0.1:1", { noDelay: 1 }, "noDelay"],
  ["tcp://127.0.0.1:1", { keepAliveMs: 0 }, "keepAliveMs"],
  ["tcp://127.0.0.1:1", { idleTimeoutMs: -1 }, "idleTimeoutMs"],
  ["tcp://127.0.0.1:1", { stallTimeoutMs: "1" }, "stallTimeoutMs"],
  ["tcp://127.0.0.1:1", { localAddress: "nonsense" }, "nonsense"],
  ["tcp://127.0.0.1:1", { lookup: "127.0.0.1" }, "lookup"],
  ["tcp://127.0.0.1:1", { tls: {} }, "option tls: it goes with tcps"],
  ["tcp://127.0.0.1:1", { subprotocols: ["a"] }, "it goes with tcps"],
  ["tcps://127.0.0.1:1", { tls: { socket: {} } }, "option tls.socket"],
  ["tcps://127.0.0.1:1", { tls: { ALPNProtocols: ["a"] } }, "use the option subprotocols"],
  ["tcps://127.0.0.1:1", { tls: { ca: 7 } }, "ca"],
  ["tcps://127.0.0.1:1", { tls: { cert: "no certificate" } }, "PEM"],
  ["tcp://127.0.0.1", {}, "names no port"],
  ["tcp://:1", {}, "host"],
  ["tcp://127.0.0.1:1/path", {}, "path or query"],
  ["unix:relative.sock", {}, "names no socket"],
  ["unix:/a%zz", {}, "names no socket"],
  ["unix:/a%00b", {}, "names no socket"],
  [`unix:/${"x".repeat(104)}`, {}, "over 103 bytes"],
])("connect to %s with %o: %s", async (url, options, problem) => {
  const error = await dialError(url, { timeoutMs: 300, ...options });
  expect(error.code).toBe("invalid-argument");
  expect(error.message).toContain(problem);
});

test("options are not changed, and may be frozen", async () => {
  await using serving = await secureServing(good);
  await using net = network();
  const options: TcpDialOptions = Object.freeze({
    tls: Object.freeze({ ca: authority.cert }),
    subprotocols: Object.freeze([]),
    framing: "u32",
  });
  const connection = await net.connect(`tcps://localhost:${serving.port}`, options);
  expect(connection.link.peer.certificate?.subject).toBe("CN=server");
  expect(Object.keys(options)).toEqual(["tls", "subprotocols", "framing"]);
});

function scratch() {
  const path = mkdtempSync(join(tmpdir(), "polywire-tcp-"));
  return { socket: join(path, "it's a.sock"), [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

const ignore = (link: Link): void => link.open({ message() {}, closed() {} });

const unix = (path: string): `unix:${string}` => `unix:${encodeURI(path)}`;

test("a Unix socket: only its owner may connect unless mode says otherwise, and the file goes with the listener", async () => {
  using folder = scratch();
  const { socket } = folder;
  await using net = network();
  const listener = await net.listen(unix(socket), {
    link: (link) => link.open({ message: (each) => void link.send(each), closed() {} }),
  });
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  await using peer = await RawPeer.connect(socket);
  peer.socket.write("hello");
  await peer.until(() => peer.heard.length === 5);
  await listener.close();
  expect(() => statSync(socket)).toThrow("ENOENT");
  const open = await net.listen(unix(socket), { link: ignore }, { mode: 0o666 });
  expect(statSync(socket).mode & 0o777).toBe(0o666);
  await open.close();
  expect(await dialError(unix(socket))).toMatchObject({ code: "connection-refused", retryable: true });
});

test("a Unix socket that a dead process left behind is replaced; one that lives, and any other file, is not", async () => {
  using folder = scratch();
  const { socket } = folder;
  await using net = network();
  const listen = () => net.listen(unix(socket), { link: ignore });
  const script = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
  expect(statSync(socket).isSocket()).toBe(true);
  const listener = await listen();
  await expect(listen()).rejects.toMatchObject({ code: "address-in-use" });
  await using peer = await RawPeer.connect(socket);
  expect(peer.socket.readyState).toBe("open");
  await listener.close();
  writeFileSync(socket, "precious");
  await expect(listen()).rejects.toMatchObject({ code: "address-in-use" });
  expect(statSync(socket).isFile()).toBe(true);
});
