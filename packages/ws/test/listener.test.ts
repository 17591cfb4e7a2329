import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { hasIpv6, makeCertificate } from "@polywire/conformance/testing";
import { type Admission, type Link, Network, type Peer } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { type WsListenOptions, ws } from "../src/index.ts";
import { clientFrame, RawClient, upgradeRequest } from "./raw-client.ts";
import { KeptLog, Serving } from "./serving.ts";

const refused = expect.objectContaining({ code: "invalid-argument" });

/** A link that nobody listens to, but that may end. */
function ignore(link: Link): void {
  link.open({ message() {}, closed() {} });
}

function network() {
  return new Network({ protocols: [ws()] });
}

/** The status line of the answer to a handshake. */
async function handshake(port: number, options: Parameters<typeof upgradeRequest>[0] = {}): Promise<string> {
  await using client = await RawClient.connect(port);
  client.write(upgradeRequest(options));
  return await client.head();
}

/** A Node server that listens, and is closed at the end of the test. */
async function nodeServer() {
  const server = createServer((_request, response) => void response.end("the program's own answer"));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

test("listeners of one host and port share a server by path", async () => {
  await using net = network();
  const log: string[] = [];
  const first = await net.listen("ws://127.0.0.1:0/one", (link) =>
    link.open({ message: () => log.push("one"), closed() {} }),
  );
  const { port } = first.endpoint;
  await net.listen(`ws://127.0.0.1:${port}/two`, (link) => link.open({ message: () => log.push("two"), closed() {} }));
  const one = await net.connect(`ws://127.0.0.1:${port}/one`);
  const two = await net.connect(`ws://127.0.0.1:${port}/two?with=query`);
  one.send("x");
  await one.close();
  two.send("x");
  await two.close();
  expect(log).toEqual(["one", "two"]);
  await expect(net.listen(`ws://127.0.0.1:${port}/one`, () => {})).rejects.toMatchObject({ code: "address-in-use" });
  await expect(net.listen(`wss://127.0.0.1:${port}/three`, () => {}, { tls: {} })).rejects.toThrow("speaks ws already");
  await first.close();
  await first.close();
  expect(await handshake(port ?? 0, { path: "/one" })).toContain("404");
  expect(await handshake(port ?? 0, { path: "/two" })).toContain("101");
});

test("two listeners on one port asked for at once share it", async () => {
  await using net = network();
  const probe = await net.listen("ws://127.0.0.1:0/", () => {});
  const { port } = probe.endpoint;
  await probe.close();
  const both = await Promise.all(["/a", "/b"].map((path) => net.listen(`ws://127.0.0.1:${port}${path}`, () => {})));
  expect(both.map((listener) => String(listener.endpoint))).toEqual(
    ["/a", "/b"].map((path) => `ws://127.0.0.1:${port}${path}`),
  );
});

test("two networks with the very same protocol value share nothing", async () => {
  const protocol = ws();
  await using one = new Network({ protocols: [protocol] });
  await using other = new Network({ protocols: [protocol] });
  const { endpoint } = await one.listen("ws://127.0.0.1:0/", () => {});
  await expect(other.listen(`ws://127.0.0.1:${endpoint.port}/other`, () => {})).rejects.toMatchObject({
    code: "address-in-use",
  });
});

test("a closed listener frees its address at once, its links live on", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  await using idle = await RawClient.connect(serving.port);
  await using net = network();
  const url = `ws://127.0.0.1:${serving.port}/` as const;
  await expect(net.listen(url, () => {})).rejects.toMatchObject({ code: "address-in-use", retryable: true });
  await using again = network();
  const closing = serving.network.close({ timeoutMs: 1_000 });
  await idle.closed();
  await again.listen(url, () => {});
  expect((await client.frame()).opcode).toBe(8);
  client.write(clientFrame(8, Buffer.from([3, 232])));
  await served.closed;
  await closing;
});

test("a handshake under way is refused when its listener closes", async () => {
  const verdict = Promise.withResolvers<Admission>();
  const asked = Promise.withResolvers<void>();
  await using net = network();
  const listener = await net.listen("ws://127.0.0.1:0/", {
    admit() {
      asked.resolve();
      return verdict.promise;
    },
    link() {},
  });
  await using client = await RawClient.connect(listener.endpoint.port ?? 0);
  client.write(upgradeRequest());
  await asked.promise;
  await listener.close();
  expect(await client.head()).toContain("503");
  await client.closed();
  verdict.resolve({ accepted: true });
});

test("admission sees the whole peer, the link keeps only what was asked for", async () => {
  const judged: Peer[] = [];
  await using serving = await Serving.start({
    handler: {
      admit(peer) {
        judged.push(peer);
        return { accepted: true, subprotocol: "second", keepHeaders: ["X-Kept", "x-absent"] };
      },
    },
  });
  const head = await handshake(serving.port, {
    path: "/?token=secret",
    headers: { "Sec-WebSocket-Protocol": "first, second", "X-Kept": "yes", "X-Other": "no" },
  });
  expect(head).toContain("Sec-WebSocket-Protocol: second\r\n");
  const [peer] = judged;
  expect(peer).toMatchObject({
    address: "127.0.0.1",
    secure: false,
    path: "/",
    query: "token=secret",
    offeredSubprotocols: ["first", "second"],
  });
  expect(peer?.headers?.get("x-other")).toBe("no");
  const { link } = await serving.next();
  const { address, port, secure, path, query, subprotocol, headers, offeredSubprotocols } = link.peer;
  expect({ address, port, secure, path, query, subprotocol, headers }).toEqual({
    address: "127.0.0.1",
    port: peer?.port,
    secure: false,
    path: "/",
    query: "token=secret",
    subprotocol: "second",
    headers: new Map([["x-kept", "yes"]]),
  });
  expect(offeredSubprotocols).toBe(undefined);
});

test("admission's refusal reaches the peer as a status, before any link exists", async () => {
  await using serving = await Serving.start({
    handler: { admit: async () => ({ accepted: false, status: 403, reason: "not you" }) },
  });
  await using client = await RawClient.connect(serving.port);
  client.write(upgradeRequest());
  const head = await client.head();
  expect(head).toContain("403 Forbidden");
  expect(head).toContain("Content-Type: text/plain; charset=utf-8");
  expect((await client.bytes(8)).toString()).toBe("not you\n");
  await client.closed();
  expect(serving.links).toEqual([]);
});

test("a check that throws refuses the peer and harms nobody", async () => {
  await using serving = await Serving.start({
    handler: {
      admit() {
        throw new Error("bug");
      },
    },
  });
  expect(await handshake(serving.port)).toContain("503");
});

test("a peer that leaves while it is judged is told as lost", async () => {
  const verdict = Promise.withResolvers<Admission>();
  const asked = Promise.withResolvers<void>();
  await using serving = await Serving.start({
    handler: {
      admit() {
        asked.resolve();
        return verdict.promise;
      },
    },
  });
  const client = await RawClient.connect(serving.port);
  client.write(upgradeRequest());
  await asked.promise;
  await client[Symbol.asyncDispose]();
  verdict.resolve({ accepted: true });
  const served = await serving.next();
  expect(await served.closed).toMatchObject({ by: "network", clean: false, code: 1006 });
});

test("an empty Sec-WebSocket-Protocol header counts as none", async () => {
  await using serving = await Serving.start({ listen: { subprotocols: ["json"] } });
  const head = await handshake(serving.port, { headers: { "Sec-WebSocket-Protocol": "" } });
  expect(head).toContain("101 Switching Protocols");
  expect(head).not.toContain("Sec-WebSocket-Protocol");
});

test("the listener's subprotocols are chosen from, best first, when admission names none", async () => {
  await using serving = await Serving.start({ listen: { subprotocols: ["two", "one"] } });
  const head = await handshake(serving.port, { headers: { "Sec-WebSocket-Protocol": "zero, one, two" } });
  expect(head).toContain("Sec-WebSocket-Protocol: two\r\n");
  const none = await handshake(serving.port, { headers: { "Sec-WebSocket-Protocol": "zero" } });
  expect(none).not.toContain("Sec-WebSocket-Protocol");
});

test("a subprotocol that was not offered is a bug of admission, not the peer's problem", async () => {
  const logger = new KeptLog();
  await using serving = await Serving.start({
    network: { logger },
    handler: { admit: () => ({ accepted: true, subprotocol: "mine" }) },
  });
  expect(await handshake(serving.port)).toContain("500");
  expect(logger.lines).toContain("error ws: admission chose a subprotocol that was not offered");
});

test.each([
  { origins: undefined, origin: "https://evil.example", status: 403 },
  { origins: [], origin: "https://evil.example", status: 403 },
  { origins: [], origin: "null", status: 403 },
  { origins: [], origin: undefined, status: 101 },
  { origins: [], origin: "http://127.0.0.1", status: 101 },
  { origins: [], origin: "http://127.0.0.1.evil.example", status: 403 },
  { origins: ["https://Good.example/"], origin: "https://good.example", status: 101 },
  { origins: ["https://good.example"], origin: "http://good.example", status: 403 },
])("origins $origins, Origin $origin: $status", async ({ origins, origin, status }) => {
  await using serving = await Serving.start({ listen: origins === undefined ? {} : { origins } });
  expect(await handshake(serving.port, { headers: { Origin: origin } })).toContain(` ${status} `);
});

test("links over the limit are refused, and a place is free again when one has gone", async () => {
  await using serving = await Serving.start({ limits: { maxLinks: 2 } });
  await using first = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  await using _second = await RawClient.upgraded(serving.port);
  expect(await handshake(serving.port)).toContain("503");
  first.socket.end();
  await served.closed;
  expect(await handshake(serving.port)).toContain("101");
});

test("connections that do not get on with their handshake are limited", async () => {
  await using serving = await Serving.start({ limits: { maxHandshakes: 2 } });
  await using _one = await RawClient.upgraded(serving.port);
  await using _silent = await RawClient.connect(serving.port);
  await using _other = await RawClient.connect(serving.port);
  await using third = await RawClient.connect(serving.port);
  await third.closed();
  expect(serving.links.length).toBe(1);
});

test("handshakes that wait for their verdict are limited, on a server handed in, too", async () => {
  await using node = await nodeServer();
  await using net = network();
  const verdict = Promise.withResolvers<Admission>();
  const asked = Promise.withResolvers<void>();
  const admit = (): Promise<Admission> => {
    asked.resolve();
    return verdict.promise;
  };
  await net.listen("ws://127.0.0.1:1/", { admit, link: ignore }, { server: node.server, limits: { maxHandshakes: 1 } });
  await using first = await RawClient.connect(node.port);
  first.write(upgradeRequest());
  await asked.promise;
  expect(await handshake(node.port)).toContain("503");
  verdict.resolve({ accepted: true });
  expect(await first.head()).toContain("101");
  expect(await handshake(node.port)).toContain("101");
});

test("connections over TLS are counted as well, and forgotten when they have gone", async () => {
  const { cert, key } = makeCertificate({ name: "test", hosts: ["127.0.0.1"] });
  await using net = network();
  const listener = await net.listen("wss://127.0.0.1:0/", ignore, {
    tls: { cert, key },
    limits: { maxHandshakes: 1 },
  });
  for (let round = 0; round < 5; round++) {
    const connection = await net.connect(`wss://127.0.0.1:${listener.endpoint.port}/`, { tls: { ca: cert } });
    await connection.close();
  }
  const open = await Promise.allSettled(
    Array.from({ length: 3 }, () => net.connect(`wss://127.0.0.1:${listener.endpoint.port}/`, { tls: { ca: cert } })),
  );
  expect(open.filter(({ status }) => status === "fulfilled").length).toBeLessThan(3);
});

test("a server handed in serves the program's requests and our links", async () => {
  await using node = await nodeServer();
  await using net = network();
  const log: unknown[] = [];
  const listener = await net.listen(
    "ws://127.0.0.1:1/live",
    (link) => link.open({ message: (payload) => log.push(payload), closed() {} }),
    { server: node.server },
  );
  expect(listener.endpoint.port).toBe(node.port);
  await net.listen("ws://127.0.0.1:1/other", ignore, { server: node.server });
  const answer = await fetch(`http://127.0.0.1:${node.port}/live`);
  expect(await answer.text()).toBe("the program's own answer");
  const connection = await net.connect(`ws://127.0.0.1:${node.port}/live`);
  connection.send("over a shared server");
  await connection.close();
  expect(log).toEqual(["over a shared server"]);
  expect(await handshake(node.port, { path: "/unknown" })).toContain("404");
  await listener.close();
  expect(await handshake(node.port, { path: "/live" })).toContain("404");
  expect(await (await fetch(`http://127.0.0.1:${node.port}/`)).text()).toBe("the program's own answer");
});

test("on a server handed in, upgrades of others are left to them", async () => {
  await using node = await nodeServer();
  await using net = network();
  node.server.on("upgrade", (request, socket) => {
    if (request.url === "/theirs") socket.end("HTTP/1.1 418 I'm a Teapot\r\nConnection: close\r\n\r\n");
  });
  await net.listen("ws://127.0.0.1:1/ours", ignore, { server: node.server });
  expect(await handshake(node.port, { path: "/theirs" })).toContain("418");
  expect(await handshake(node.port, { path: "/ours" })).toContain("101");
});

test("two networks share one server handed in", async () => {
  await using node = await nodeServer();
  await using one = network();
  await using other = network();
  await one.listen("ws://127.0.0.1:1/one", ignore, { server: node.server });
  await other.listen("ws://127.0.0.1:1/two", ignore, { server: node.server });
  expect(await handshake(node.port, { path: "/one" })).toContain("101");
  expect(await handshake(node.port, { path: "/two" })).toContain("101");
});

test("on a server with several listeners for upgrades, what nobody takes is refused in the end", async () => {
  await using node = await nodeServer();
  const clock = new ManualClock();
  await using one = new Network({ protocols: [ws()], clock });
  await using other = network();
  await one.listen("ws://127.0.0.1:1/one", ignore, { server: node.server });
  await other.listen("ws://127.0.0.1:1/two", ignore, { server: node.server });
  await using client = await RawClient.connect(node.port);
  const arrived = new Promise((resolve) => node.server.on("upgrade", resolve));
  client.write(upgradeRequest({ path: "/unknown" }));
  await arrived;
  clock.advance(10_000);
  expect(await client.head()).toContain("404");
});

test.each(["sync", "async"])("two networks on one path of a server cost the peer, not the process: %s", async (way) => {
  const verdict: Admission = { accepted: true };
  const handler = { link: ignore, admit: () => (way === "sync" ? verdict : Promise.resolve(verdict)) };
  await using node = await nodeServer();
  const logger = new KeptLog();
  await using one = network();
  await using other = new Network({ protocols: [ws()], logger });
  await one.listen("ws://127.0.0.1:1/", handler, { server: node.server });
  await other.listen("ws://127.0.0.1:1/", handler, { server: node.server });
  await using client = await RawClient.connect(node.port);
  client.write(upgradeRequest());
  await client.closed();
  expect(logger.lines).toContain("error ws: a handshake failed for a bug in the program");
});

test.each(["sync", "async"])("a check that forgets its verdict costs the peer, not the process: %s", async (way) => {
  const logger = new KeptLog();
  const admit = (): Admission | Promise<Admission> =>
    way === "sync" ? (undefined as unknown as Admission) : Promise.resolve(undefined as unknown as Admission);
  await using serving = await Serving.start({ network: { logger }, handler: { admit } });
  await using client = await RawClient.connect(serving.port);
  client.write(upgradeRequest());
  await client.closed();
  expect(serving.links).toEqual([]);
});

test("a closed network leaves no listener on a server handed in", async () => {
  await using node = await nodeServer();
  const net = network();
  await net.listen("ws://127.0.0.1:1/one", ignore, { server: node.server });
  await net.close();
  expect(node.server.listenerCount("upgrade")).toBe(0);
});

test.skipIf(!hasIpv6)("IPv6", async () => {
  await using net = network();
  const listener = await net.listen("ws://[::1]:0/", (link) =>
    link.open({ message: (text) => void link.send(text), closed() {} }),
  );
  expect(String(listener.endpoint)).toMatch(/^ws:\/\/\[::1\]:\d+\/$/);
  const connection = await net.connect(`ws://[::1]:${listener.endpoint.port}`);
  const answer = new Promise((resolve) => connection.on("data", resolve));
  connection.send("six");
  expect(await answer).toBe("six");
});

test("a host that is not ours cannot be listened on", async () => {
  await using net = network();
  await expect(net.listen("ws://192.0.2.1:0/", () => {})).rejects.toMatchObject({ code: "host-unreachable" });
});

test("wss: links are encrypted, and a peer that stops in the middle of its TLS handshake is closed", async () => {
  const { cert, key } = makeCertificate({ name: "test", hosts: ["localhost"] });
  await using net = network();
  const listener = await net.listen(
    "wss://127.0.0.1:0/",
    (link) => {
      expect(link.peer.secure).toBe(true);
      link.open({ message: (payload) => void link.send(payload), closed() {} });
    },
    { tls: { cert, key }, limits: { handshakeTimeoutMs: 200 } },
  );
  const { port } = listener.endpoint;
  const silent = connectTcp(port ?? 0, "127.0.0.1");
  const silentClosed = new Promise((resolve) => silent.on("error", () => {}).on("close", resolve));
  await expect(net.listen(`wss://127.0.0.1:${port}/b`, () => {}, { tls: { cert, key } })).rejects.toThrow(
    "leave tls out",
  );
  await net.listen(`wss://127.0.0.1:${port}/c`, () => {});
  const connection = await net.connect(`wss://localhost:${port}/`, { tls: { ca: cert } });
  const payloads = ["a", new Uint8Array([7]), "x".repeat(200_000), "z"];
  const received: unknown[] = [];
  const all = new Promise<void>((resolve) => {
    connection.on("data", (payload) => {
      received.push(typeof payload === "string" ? payload : new Uint8Array(payload));
      if (received.length === payloads.length) resolve();
    });
  });
  for (const payload of payloads) connection.send(payload);
  await all;
  expect(received).toEqual(payloads);
  expect((await connection.close()).clean).toBe(true);
  await silentClosed;
});

test("wss without a certificate says what is missing", async () => {
  await using net = network();
  await expect(net.listen("wss://127.0.0.1:0/", () => {})).rejects.toThrow("wss needs the option tls");
});

const server = createServer();
const tlsServer = createTlsServer();
test.each<[string, object, string]>([
  ["ws://127.0.0.1:0/", { sever: server }, 'unknown option "sever"'],
  ["ws://127.0.0.1:0/", { server: {} }, "option server"],
  ["ws://127.0.0.1:0/", { server: tlsServer }, "option server: it speaks wss"],
  ["wss://127.0.0.1:0/", { server }, "option server: it speaks ws"],
  ["wss://127.0.0.1:0/", { server: tlsServer, tls: {} }, "option tls"],
  ["ws://127.0.0.1:0/", { tls: {} }, "option tls"],
  ["ws://127.0.0.1:0/", { subprotocols: "json" }, "option subprotocols"],
  ["ws://127.0.0.1:0/", { subprotocols: ["a b"] }, 'option subprotocols: "a b"'],
  ["ws://127.0.0.1:0/", { subprotocols: ["a", "a"] }, "option subprotocols: one is given twice"],
  ["ws://127.0.0.1:0/", { origins: "*" }, "option origins"],
  ["ws://127.0.0.1:0/", { origins: ["example.com"] }, 'option origins: "example.com"'],
  ["ws://127.0.0.1:0/", { heartbeat: { intervalMs: 0 } }, "option heartbeat.intervalMs"],
  ["ws://127.0.0.1:0/", { heartbeat: { timeoutMs: Number.POSITIVE_INFINITY } }, "option heartbeat.timeoutMs"],
  ["ws://127.0.0.1:0/", { heartbeat: { interval: 1 } }, 'unknown option "interval"'],
  ["ws://127.0.0.1:0/", { heartbeat: true }, "option heartbeat"],
  ["ws://127.0.0.1:0/", { compression: {} }, "option compression"],
])("listen on %s with %o: %s", async (url, options, problem) => {
  await using net = network();
  const listening = net.listen(url as "ws://h/", () => {}, options as WsListenOptions);
  await expect(listening).rejects.toThrow(problem);
  await expect(listening).rejects.toEqual(refused);
});

test("frozen options are fine, and nobody's object is changed", async () => {
  const options = Object.freeze({
    heartbeat: Object.freeze({ intervalMs: 1_000 }),
    subprotocols: Object.freeze(["a"]),
    origins: Object.freeze(["http://a.example"]),
  });
  const before = structuredClone(options);
  await using serving = await Serving.start({ listen: options, ws: Object.freeze({ heartbeat: false }) });
  expect(await handshake(serving.port, { headers: { "Sec-WebSocket-Protocol": "a" } })).toContain("101");
  expect(options).toEqual(before);
});

test("ws() names the option that is wrong", () => {
  expect(() => ws({ hartbeat: false } as object)).toThrow('unknown option "hartbeat"');
  expect(() => ws({ heartbeat: { timeoutMs: -1 } })).toThrow("option heartbeat.timeoutMs");
});
