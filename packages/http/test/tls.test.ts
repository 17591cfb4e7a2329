import tls from "node:tls";
import { makeCertificate } from "@polywire/conformance/testing";
import { type ListenOptions, Network, type Peer, type PolywireError, type Response } from "@polywire/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type HttpListenOptions, type HttpTlsDialOptions, http } from "../src/index.ts";
import { RawClient } from "./raw-client.ts";

const authority = makeCertificate({ name: "Test Authority", isAuthority: true });
const server = makeCertificate({ name: "server", hosts: ["localhost", "127.0.0.1"], issuer: authority });
const client = makeCertificate({ name: "client", issuer: authority });

interface Secured extends AsyncDisposable {
  readonly port: number;
  readonly peers: Peer[];
  get(options: { readonly tls: HttpTlsDialOptions; readonly http2?: boolean }): Promise<Response>;
}

/** A listener of https at a free port that answers 200, and what it knows of those who ask. */
async function secured(
  listen: HttpListenOptions["tls"] = {},
  options: ListenOptions & { readonly http2?: boolean } = {},
): Promise<Secured> {
  const network = new Network({ protocols: [http()] });
  const peers: Peer[] = [];
  const listener = await network.listen(
    "https://127.0.0.1:0/",
    {
      exchange(exchange) {
        peers.push(exchange.peer);
        exchange.respond({ status: 200 }, "secret");
      },
    },
    { ...options, tls: { cert: server.cert, key: server.key, ...listen } },
  );
  const port = listener.endpoint.port ?? 0;
  return {
    port,
    peers,
    async get(options) {
      const exchanger = await network.open(`https://127.0.0.1:${port}`, options);
      return exchanger.request({ method: "GET", path: "/" }, { timeoutMs: 10_000 });
    },
    [Symbol.asyncDispose]: () => network.close({ timeoutMs: 2_000 }),
  };
}

afterEach(() => void vi.restoreAllMocks());

const options: { readonly [Name in keyof HttpTlsDialOptions]: HttpTlsDialOptions[Name] } = {
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
  sigalgs: "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256",
};

test.each(Object.entries(options))("P24: the TLS option %s reaches tls.connect", async (name, value) => {
  const connect = vi.spyOn(tls, "connect");
  await using there = await secured();
  const given: HttpTlsDialOptions = { ca: authority.cert, [name]: value };
  // A certificate and its key only go together.
  const pair = name === "cert" || name === "key" ? { cert: client.cert, key: client.key } : {};
  expect((await there.get({ tls: { ...given, ...pair } })).status).toBe(200);
  const [passed] = connect.mock.calls[0] as unknown as [Record<string, unknown>];
  expect(Object.hasOwn(passed, name)).toBe(true);
  expect(passed[name]).toBe(value);
});

describe.each([
  ["HTTP/1.1", false],
  ["HTTP/2", true],
])("client certificates over %s", (_version, http2) => {
  const asking = { ca: authority.cert, requestCert: true, rejectUnauthorized: true };

  test("are checked, and told to the handler", async () => {
    await using there = await secured(asking);
    const response = await there.get({ http2, tls: { ca: authority.cert, cert: client.cert, key: client.key } });
    expect(new TextDecoder().decode(await response.body.bytes())).toBe("secret");
    expect(there.peers[0]?.secure).toBe(true);
    expect(there.peers[0]?.certificate).toMatchObject({ subject: "CN=client", issuer: "CN=Test Authority" });
  });

  test.each([
    ["none", {}],
    ["one of another authority", strangers()],
  ])("%s: the request fails, and never reaches the handler", async (_which, own) => {
    await using there = await secured(asking);
    const error = await there.get({ http2, tls: { ca: authority.cert, ...own } }).catch((thrown: unknown) => thrown);
    expect((error as PolywireError).code).toMatch(/^(?:handshake-failed|connection-reset|tls-verify-failed)$/);
    expect(there.peers).toEqual([]);
  });

  test("the server's own is checked: T43 to T45 hold here too", async () => {
    await using there = await secured();
    const untrusted = there.get({ http2, tls: {} });
    await expect(untrusted).rejects.toMatchObject({ code: "tls-verify-failed" });
    const wrongName = there.get({ http2, tls: { ca: authority.cert, servername: "elsewhere.example" } });
    await expect(wrongName).rejects.toMatchObject({ code: "tls-verify-failed" });
    expect(there.peers).toEqual([]);
  });
});

test.each([
  ["HTTP/1.1 alone", false],
  ["HTTP/2 beside it", true],
])("handshakes under way are limited by maxHandshakes: %s", async (_version, http2) => {
  await using there = await secured({}, { http2, limits: { maxHandshakes: 2 } });
  const get = (): Promise<Response> => there.get({ http2, tls: { ca: authority.cert } });
  // Those that are over do not count.
  for (let count = 0; count < 3; count++) expect((await get()).status).toBe(200);
  await using first = new RawClient(there.port);
  await using second = new RawClient(there.port);
  await Promise.all([first.connected, second.connected]);
  // Whoever comes third is cut off, in silence: there is no way to say why before the handshake is over.
  expect(await RawClient.answerTo(there.port, "")).toBe("");
  await expect(get()).rejects.toMatchObject({ code: "connection-reset" });
  await first[Symbol.asyncDispose]();
  let status = 0;
  while (status !== 200)
    status = await get().then(
      (response) => response.status,
      () => 0,
    );
});

function strangers(): { readonly cert: string; readonly key: string } {
  const { cert, key } = makeCertificate({
    name: "stranger",
    issuer: makeCertificate({ name: "Other Authority", isAuthority: true }),
  });
  return { cert, key };
}
