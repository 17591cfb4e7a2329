import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer as createTcp, type Socket } from "node:net";
import { makeCertificate } from "@polywire/conformance/testing";
import { type Connection, Network, PolywireError } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { type GrpcDialOptions, type GrpcProtocol, grpc } from "../src/index.ts";
import { OpenLink, Serving } from "./serving.ts";

const TIMEOUT_MS = 30_000;
const PATH = "/test.Service/Talk";

type GrpcNetwork = Network<readonly [GrpcProtocol]>;

/** A server below gRPC, and the connections that were ever made to it. */
class Host implements AsyncDisposable {
  readonly sessions: ServerHttp2Session[] = [];
  readonly sockets: Socket[] = [];
  readonly server: Http2Server;
  port = 0;

  private constructor(options: object, answer: (stream: ServerHttp2Stream) => void) {
    this.server = createServer(options);
    this.server.on("session", (session) => {
      this.sessions.push(session);
      session.on("error", () => {});
    });
    this.server.on("connection", (socket) => void this.sockets.push(socket));
    this.server.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.resume();
      answer(stream);
    });
  }

  static async start(options: object = {}, answer: (stream: ServerHttp2Stream) => void = accept): Promise<Host> {
    const host = new Host(options, answer);
    host.server.listen(0, "127.0.0.1");
    await once(host.server, "listening");
    host.port = (host.server.address() as AddressInfo).port;
    return host;
  }

  get url(): "grpc://host/" {
    return `grpc://127.0.0.1:${this.port}${PATH}` as "grpc://host/";
  }

  /** Connections that are open now. */
  get open(): number {
    return this.sessions.filter((session) => !session.destroyed).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise((resolve) => void this.server.close(resolve));
  }
}

/** Takes a call and ends it when its client does. */
function accept(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.on("end", () => stream.end());
}

function connectAll(
  network: GrpcNetwork,
  url: "grpc://host/",
  { count, ...options }: { count: number } & Partial<GrpcDialOptions>,
): Promise<Connection[]> {
  const one = (): Promise<Connection> =>
    network.connect(url, { reconnect: false, ...options }) as unknown as Promise<Connection>;
  return Promise.all(Array.from({ length: count }, one));
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await turns(1);
}

test("100 links at once share one connection, the 101st has another", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  await using network = new Network({ protocols: [grpc()] });
  const links = await connectAll(network, host.url, { count: 100 });
  expect(host.sessions).toHaveLength(1);
  expect(links[0]?.link.traits.multiplexed).toBe(true);
  const [last] = await connectAll(network, host.url, { count: 1 });
  expect(host.sessions).toHaveLength(2);

  // A place that is free again is taken before another connection is made.
  await links[7]?.close();
  await connectAll(network, host.url, { count: 1 });
  expect(host.sessions).toHaveLength(2);
  expect(last?.state).toBe("ready");
});

test("101 links at once make two connections", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  await using network = new Network({ protocols: [grpc()] });
  await connectAll(network, host.url, { count: 101 });
  expect(host.sessions).toHaveLength(2);
});

test("the server's own limit counts, and ours where it is lower", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start({ settings: { maxConcurrentStreams: 10 } });
  await using network = new Network({ protocols: [grpc()] });
  await connectAll(network, host.url, { count: 25 });
  expect(host.sessions).toHaveLength(3);
  await using alone = new Network({ protocols: [grpc()] });
  await connectAll(alone, host.url, { count: 3, maxStreams: 1 });
  expect(host.sessions).toHaveLength(6);
});

test("a server that takes no calls at all is told apart", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start({ settings: { maxConcurrentStreams: 0 } });
  await using network = new Network({ protocols: [grpc()] });
  await expect(connectAll(network, host.url, { count: 2 })).rejects.toMatchObject({ code: "not-available" });
  expect(host.sessions).toHaveLength(1);
});

test("links of a shared connection end one by one, cleanly, also all at once", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  await using network = new Network({ protocols: [grpc()] });
  let pings = 0;
  const links = await connectAll(network, host.url, { count: 100 });
  host.sessions[0]?.on("ping", () => void pings++);
  const [first, ...others] = links;
  expect(await first?.close()).toMatchObject({ by: "local", clean: true });
  expect(others.every(({ state }) => state === "ready")).toBe(true);
  for (const info of await Promise.all(others.map((link) => link.close()))) {
    expect(info).toMatchObject({ by: "local", clean: true });
  }
  // Servers count them.
  expect(pings).toBe(0);
});

test("a connection without links ends after a while, or serves the next one", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  const clock = new ManualClock();
  await using network = new Network({ protocols: [grpc()], clock });
  for (let use = 0; use < 3; use++) {
    const [link] = await connectAll(network, host.url, { count: 1 });
    await link?.close();
    await turns(2);
    clock.advance(4_999);
    await turns(2);
  }
  expect(host.sessions).toHaveLength(1);
  expect(host.open).toBe(1);
  clock.advance(1);
  await until(() => host.open === 0 && clock.pending === 0);
  await connectAll(network, host.url, { count: 1 });
  expect(host.sessions).toHaveLength(2);
});

test("the end of the network is the end of its connections", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  const clock = new ManualClock();
  const network: GrpcNetwork = new Network({ protocols: [grpc()], clock });
  await connectAll(network, host.url, { count: 3 });
  await network.close();
  await until(() => host.open === 0 && clock.pending === 0);
  expect(host.sessions).toHaveLength(1);
});

test("a connection that is gone is not used again", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  await using network = new Network({ protocols: [grpc()] });
  const links = await connectAll(network, host.url, { count: 3 });
  const ends = links.map((link) => OpenLink.dialled(link).closed);
  host.sockets[0]?.destroy();
  for (const info of await Promise.all(ends)) expect(info).toMatchObject({ clean: false, retryable: true });
  await connectAll(network, host.url, { count: 2 });
  expect(host.sessions).toHaveLength(2);
});

test("a dial on a connection that ends just then is made again, once", { timeout: TIMEOUT_MS }, async () => {
  let calls = 0;
  const refusing = (stream: ServerHttp2Stream): void => {
    calls++;
    if (calls === 1) accept(stream);
    else if (calls === 2) stream.session?.destroy();
    else if (calls === 4) stream.close(7);
    else accept(stream);
  };
  await using host = await Host.start({}, refusing);
  await using network = new Network({ protocols: [grpc()] });
  await connectAll(network, host.url, { count: 1 });
  await connectAll(network, host.url, { count: 1 });
  expect({ calls, connections: host.sessions.length }).toEqual({ calls: 3, connections: 2 });
  await connectAll(network, host.url, { count: 1 });
  expect({ calls, connections: host.sessions.length }).toEqual({ calls: 5, connections: 3 });
});

test("a new connection that refuses is not tried again", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start({}, (stream) => stream.close(7));
  await using network = new Network({ protocols: [grpc()] });
  await expect(connectAll(network, host.url, { count: 1 })).rejects.toMatchObject({ code: "connection-reset" });
  expect(host.sessions).toHaveLength(1);
});

test("a connection on which a dial timed out takes no more links", { timeout: TIMEOUT_MS }, async () => {
  let calls = 0;
  await using host = await Host.start({}, (stream) => {
    if (++calls !== 2) accept(stream);
  });
  const clock = new ManualClock();
  await using network = new Network({ protocols: [grpc()], clock });
  const [alive] = await connectAll(network, host.url, { count: 1 });
  const late = connectAll(network, host.url, { count: 1 }).catch((error: unknown) => error);
  await until(() => calls === 2);
  clock.advance(10_000);
  expect(await late).toMatchObject({ code: "timed-out" });
  await connectAll(network, host.url, { count: 1 });
  expect(host.sessions).toHaveLength(2);
  expect(alive?.state).toBe("ready");
});

test("who gives up a dial leaves it to the others; the last takes it along", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  await using network = new Network({ protocols: [grpc()] });
  const controller = new AbortController();
  const options = { signal: controller.signal, reconnect: false } as const;
  const given = network.connect(host.url, options).catch((error: unknown) => error);
  const kept = connectAll(network, host.url, { count: 1 });
  await turns(0);
  controller.abort();
  expect(await given).toMatchObject({ code: "aborted" });
  await kept;
  expect(host.sessions).toHaveLength(1);

  await using other = new Network({ protocols: [grpc()] });
  const alone = new AbortController();
  const last = other.connect(host.url, { signal: alone.signal, reconnect: false }).catch((error: unknown) => error);
  await turns(0);
  alone.abort();
  // Whoever comes right then is not given up along with it.
  const next = connectAll(other, host.url, { count: 1 });
  expect(await last).toMatchObject({ code: "aborted" });
  await next;
  await until(() => host.open === 2);
});

test("a connection is replaced before its closed links look like an attack", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  await using network = new Network({ protocols: [grpc()] });
  for (let round = 0; round < 12; round++) {
    const links = await connectAll(network, host.url, { count: 100 });
    for (const info of await Promise.all(links.map((link) => link.close()))) expect(info.clean).toBe(true);
  }
  expect(host.sessions.length).toBeGreaterThanOrEqual(3);
  await until(() => host.open <= 1);
});

test("a server that no longer answers has no part in the end, nor in the next link", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using host = await Host.start();
  const ways: { readonly to: Socket; readonly from: Socket }[] = [];
  const relay = createTcp((from) => {
    const to = connectTcp({ host: "127.0.0.1", port: host.port });
    from.pipe(to).pipe(from);
    for (const socket of [from, to]) socket.on("error", () => {});
    ways.push({ to, from });
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const url = `grpc://127.0.0.1:${(relay.address() as AddressInfo).port}${PATH}` as "grpc://host/";
  const clock = new ManualClock();
  const network: GrpcNetwork = new Network({ protocols: [grpc({ keepalive: false })], clock });
  const [link] = await connectAll(network, url, { count: 1 });
  ways[0]?.from.unpipe();
  const closed = link?.close();
  await turns(5);
  clock.advance(5_000);
  expect(await closed).toMatchObject({ by: "local", clean: false });
  await connectAll(network, url, { count: 1 });
  expect(host.sessions).toHaveLength(2);

  // It has not heard of the connection's end either: that is cut off.
  const ended = new Promise((resolve) => void ways[0]?.from.once("close", resolve));
  ways[0]?.from.resume();
  clock.advance(5_000);
  await ended;
  await network.close();
  for (const { from, to } of ways) {
    from.destroy();
    to.destroy();
  }
  relay.close();
});

test("a link that is not read holds up no other of its connection", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start();
  await using network = new Network({ protocols: [grpc()] });
  const url = `grpc://${serving.address}${PATH}` as const;
  const paused: OpenLink[] = [];
  for (let link = 0; link < 20; link++) {
    const connection = await network.connect(url);
    const open = OpenLink.dialled(connection as unknown as Connection);
    open.link.pause();
    paused.push(open);
    const served = await serving.next();
    for (let message = 0; message < 16; message++) served.link.send(new Uint8Array(65_536));
  }
  const talking = OpenLink.dialled((await network.connect(url)) as unknown as Connection);
  const served = await serving.next();
  served.onMessage = (payload) => void served.link.send(payload);
  for (let message = 0; message < 32; message++) talking.link.send(new Uint8Array(65_536));
  await talking.until(() => talking.messages.length === 32);
  expect(paused.every(({ messages }) => messages.length === 0)).toBe(true);
  for (const { link } of paused) link.resume();
  for (const open of paused) await open.until(() => open.messages.length === 16);
});

test("a pool of links counts links, and the connections below are few", { timeout: TIMEOUT_MS }, async () => {
  await using host = await Host.start();
  await using network = new Network({ protocols: [grpc()] });
  const pool = network.pool(host.url, { max: 150 });
  const leases = await Promise.all(Array.from({ length: 150 }, () => pool.acquire()));
  expect(pool.stats()).toMatchObject({ created: 150, leased: 150 });
  expect(host.sessions).toHaveLength(2);
  for (const lease of leases) lease.release();
});

const authority = makeCertificate({ name: "authority", isAuthority: true });
const server = makeCertificate({ name: "server", hosts: ["127.0.0.1"], issuer: authority });
const alice = makeCertificate({ name: "alice", issuer: authority });
const bob = makeCertificate({ name: "bob", issuer: authority });

test("links of different TLS identities never share a connection", { timeout: TIMEOUT_MS }, async () => {
  const listen = {
    tls: { cert: server.cert, key: server.key, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
  };
  await using serving = await Serving.start({ url: `grpcs://127.0.0.1:0${PATH}`, listen });
  await using network = new Network({ protocols: [grpc()] });
  const trusting = { ca: authority.cert };
  const checkServerIdentity = (): undefined => undefined;
  const arrive = async (tls: object): Promise<string> => {
    await network.connect(`grpcs://${serving.address}${PATH}`, { tls });
    const { peer } = (await serving.next()).link;
    return `${peer.certificate?.subject ?? "nobody"} ${peer.port}`;
  };
  const asAlice = { ...trusting, cert: alice.cert, key: alice.key };
  const asBob = { ...trusting, cert: bob.cert, key: bob.key };
  const [first, second] = [await arrive(asAlice), await arrive(asBob)];
  expect([first, second].map((who) => who.split(" ")[0])).toEqual(["CN=alice", "CN=bob"]);
  const nobody = await arrive(trusting);
  expect(nobody).toMatch(/^nobody/);
  expect(new Set([first, second, nobody]).size).toBe(3);

  // The same by value, in whatever order and form, is the same.
  const { key, cert } = alice;
  expect(await arrive({ key, cert, ca: authority.cert })).toBe(first);
  const copied = { ca: [authority.cert], cert: Buffer.from(cert), key: Buffer.from(key) };
  const other = await arrive(copied);
  expect(other).not.toBe(first);
  expect(await arrive({ ...copied, key: Buffer.from(key) })).toBe(other);
  // How the server is checked is part of it, and functions are only like themselves.
  const checked = await arrive({ ...asAlice, checkServerIdentity });
  expect(checked).not.toBe(first);
  expect(await arrive({ ...asAlice, checkServerIdentity })).toBe(checked);
  expect(await arrive({ ...asAlice, checkServerIdentity: () => undefined })).not.toBe(checked);
  expect(await arrive({ ...asAlice, servername: "" })).not.toBe(first);
});

test("links of different networks, and of different options of their connection, share none", async () => {
  await using host = await Host.start();
  const protocol = grpc();
  await using one = new Network({ protocols: [protocol] });
  await using other = new Network({ protocols: [protocol] });
  await connectAll(one, host.url, { count: 1 });
  await connectAll(other, host.url, { count: 1 });
  expect(host.sessions).toHaveLength(2);
  await connectAll(one, host.url, { count: 1, windowBytes: 65_536 });
  expect(host.sessions).toHaveLength(3);
  await connectAll(one, host.url, { count: 1, headers: { who: "somebody else" } });
  expect(host.sessions).toHaveLength(3);
});

test("nobody listens: everybody who waits for the connection hears so", { timeout: TIMEOUT_MS }, async () => {
  const host = await Host.start();
  const { url } = host;
  await host[Symbol.asyncDispose]();
  await using network = new Network({ protocols: [grpc()] });
  const dials = Array.from({ length: 5 }, () => network.connect(url, { reconnect: false }));
  for (const outcome of await Promise.allSettled(dials)) {
    expect(outcome).toMatchObject({ reason: { code: "connection-refused" } });
    expect(PolywireError.is((outcome as PromiseRejectedResult).reason)).toBe(true);
  }
});
