import * as tls from "node:tls";
import { makeCertificate } from "@polywire/conformance/testing";
import { Network } from "@polywire/core";
import { afterEach, expect, test, vi } from "vitest";
import { type GrpcTlsDialOptions, grpc } from "../src/index.ts";
import { Serving } from "./serving.ts";

vi.mock("node:tls", async (importOriginal) => {
  const original = await importOriginal<typeof tls>();
  return { ...original, connect: vi.fn<typeof tls.connect>(original.connect) };
});

afterEach(() => vi.mocked(tls.connect).mockClear());

const TIMEOUT_MS = 30_000;
const authority = makeCertificate({ name: "authority", isAuthority: true });
const stranger = makeCertificate({ name: "stranger", isAuthority: true });
const server = makeCertificate({ name: "server", hosts: ["localhost", "127.0.0.1"], issuer: authority });
const client = makeCertificate({ name: "client", issuer: authority });
const unknown = makeCertificate({ name: "unknown", issuer: stranger });
const ours = { cert: server.cert, key: server.key };
const url = "grpcs://127.0.0.1:0/test.Service/Talk";

const target = (serving: Serving): "grpcs://host/" => `grpcs://${serving.address}/test.Service/Talk` as "grpcs://host/";

test("a server whose certificate is not trusted is refused, with the reason", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url, listen: { tls: ours } });
  await using network = new Network({ protocols: [grpc()] });
  for (const tls of [{}, { ca: stranger.cert }, { ca: authority.cert, servername: "other.example" }])
    await expect(network.connect(target(serving), { tls })).rejects.toMatchObject({ code: "tls-verify-failed" });
  const connection = await network.connect(target(serving), { tls: { ca: authority.cert } });
  expect(connection.link.peer).toMatchObject({ secure: true, certificate: { subject: "CN=server" } });
  await connection.close();
});

const tlsOptions: { readonly [Name in keyof GrpcTlsDialOptions]: GrpcTlsDialOptions[Name] } = {
  ca: authority.cert,
  cert: client.cert,
  key: client.key,
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
};

test.each(Object.entries(tlsOptions))("P24: the TLS option %s reaches tls.connect", async (name, value) => {
  await using serving = await Serving.start({ url, listen: { tls: ours } });
  await using network = new Network({ protocols: [grpc()] });
  // A certificate and its key only go together.
  const pair = name === "cert" || name === "key" ? { cert: client.cert, key: client.key } : {};
  await network.connect(target(serving), { tls: { ca: authority.cert, [name]: value, ...pair } });
  const [given] = vi.mocked(tls.connect).mock.calls[0] as unknown as [Record<string, unknown>];
  expect(Object.hasOwn(given, name)).toBe(true);
  expect(given[name]).toBe(value);
});

test("what tls says holds for the socket", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({ url, listen: { tls: { ...ours, minVersion: "TLSv1.3" } } });
  await using network = new Network({ protocols: [grpc()] });
  let asked = "";
  const connection = await network.connect(target(serving), {
    tls: {
      ca: authority.cert,
      checkServerIdentity: (host) => {
        asked = host;
        return undefined;
      },
      servername: "asked.example",
    },
  });
  expect(asked).toBe("asked.example");
  await connection.close();
  const old = network.connect(target(serving), { tls: { ca: authority.cert, maxVersion: "TLSv1.2" } });
  await expect(old).rejects.toMatchObject({ code: "handshake-failed" });
});

test("a client certificate that is required and missing, or a stranger's, is refused", {
  timeout: TIMEOUT_MS,
}, async () => {
  const tls = { ...ours, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  await using serving = await Serving.start({ url, listen: { tls } });
  await using network = new Network({ protocols: [grpc()] });
  for (const given of [{}, { cert: unknown.cert, key: unknown.key }]) {
    const refused = network.connect(target(serving), { tls: { ca: authority.cert, ...given }, timeoutMs: 5_000 });
    await expect(refused).rejects.toSatisfy(
      (error) => error instanceof Error && !("code" in error && error.code === "timed-out"),
    );
  }
  const trusted = { ca: authority.cert, cert: client.cert, key: client.key };
  const connection = await network.connect(target(serving), { tls: trusted });
  expect((await serving.next()).link.peer.certificate?.subject).toBe("CN=client");
  await connection.close();
});

test("G28 a stranger's certificate that is not required is no certificate", { timeout: TIMEOUT_MS }, async () => {
  const tls = { ...ours, ca: authority.cert, requestCert: true, rejectUnauthorized: false };
  await using serving = await Serving.start({
    url,
    listen: { tls },
    handler: {
      admit: ({ certificate }) =>
        certificate === undefined ? { accepted: false, status: 401, reason: "no certificate" } : { accepted: true },
    },
  });
  await using network = new Network({ protocols: [grpc()] });
  const strangers = { ca: authority.cert, cert: unknown.cert, key: unknown.key };
  await expect(network.connect(target(serving), { tls: strangers })).rejects.toThrow(/401 \(UNAUTHENTICATED 16\)/);
  const trusted = { ca: authority.cert, cert: client.cert, key: client.key };
  await (await network.connect(target(serving), { tls: trusted })).close();
});

test("wrong use of tls is named at the call", { timeout: TIMEOUT_MS }, async () => {
  await using network = new Network({ protocols: [grpc()] });
  const wrong = expect.objectContaining({ code: "invalid-argument" });
  await expect(network.listen("grpcs://127.0.0.1:0/a.B/C", () => {})).rejects.toEqual(wrong);
  await expect(network.listen("grpc://127.0.0.1:0/a.B/C", () => {}, { tls: ours })).rejects.toEqual(wrong);
  const broken = { cert: "none", key: "none" };
  await expect(network.listen("grpcs://127.0.0.1:0/a.B/C", () => {}, { tls: broken })).rejects.toEqual(wrong);
  await expect(network.connect("grpc://127.0.0.1:1/a.B/C", { tls: {} })).rejects.toEqual(wrong);
  const address = { tls: { host: "elsewhere" } as object };
  await expect(network.connect("grpcs://127.0.0.1:1/a.B/C", address)).rejects.toThrow(/tls\.host/);
  const ca = { tls: { ca: "none" } };
  await using serving = await Serving.start({ url, listen: { tls: ours } });
  await expect(network.connect(target(serving), ca)).rejects.toMatchObject({ name: "PolywireError" });
});

test("a plain client on a port with TLS, and the other way round, fail quickly", { timeout: TIMEOUT_MS }, async () => {
  await using secure = await Serving.start({ url, listen: { tls: ours } });
  await using plain = await Serving.start();
  await using network = new Network({ protocols: [grpc()] });
  const toSecure = network.connect(`grpc://${secure.address}/test.Service/Talk`);
  await expect(toSecure).rejects.toMatchObject({ name: "PolywireError" });
  const toPlain = network.connect(`grpcs://${plain.address}/test.Service/Talk`, { tls: { ca: authority.cert } });
  await expect(toPlain).rejects.toMatchObject({ name: "PolywireError" });
});
