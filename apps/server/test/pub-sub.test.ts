import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { cableTo, makeCertificate } from "@polywire/conformance/testing";
import { type AnyProtocol, type Handler, type Listener, Network, type Peer } from "@polywire/core";
import { type CentrifugeOptions, centrifuge } from "@polywire/dialect-centrifuge";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import { Hub, type HubOptions } from "@polywire/realtime";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { afterAll, describe, expect, test } from "vitest";
import { freePorts, type RunningCommand, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-pub-sub-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** How one wire is served, and the flags that go with its encoding. */
interface Wire {
  readonly name: string;
  readonly url: string;
  readonly protocol: () => AnyProtocol;
  readonly listen?: object;
  readonly dialect?: CentrifugeOptions;
  readonly flags: readonly string[];
}

const WS = { url: "ws://127.0.0.1:0/connection/websocket", protocol: () => ws() };

/** Another wire is a line. */
const WIRES: readonly Wire[] = [
  { name: "ws", ...WS, flags: [] },
  { name: "ws in Protobuf", ...WS, flags: ["--protobuf"] },
  { name: "tcp", url: "tcp://127.0.0.1:0", protocol: () => tcp(), listen: { framing: "lines" }, flags: [] },
  {
    name: "tcp in Protobuf",
    url: "tcp://127.0.0.1:0",
    protocol: () => tcp(),
    listen: { framing: "varint" },
    dialect: { format: "protobuf", delimited: false },
    flags: ["--protobuf"],
  },
  { name: "http", url: "http://127.0.0.1:0/", protocol: () => http(), flags: [] },
  { name: "udp", url: "udp://127.0.0.1:0", protocol: () => udp(), listen: { mode: "reliable" }, flags: [] },
  {
    name: "grpc",
    url: "grpc://127.0.0.1:0/polywire.centrifuge.v1.Centrifuge/Connect",
    protocol: () => grpc(),
    listen: { carries: "links" },
    dialect: { format: "protobuf", delimited: false },
    flags: [],
  },
];

const CHANNELS: NonNullable<HubOptions["channels"]> = [
  {
    match: "chat:*",
    publish: "subscribers",
    history: { size: 100, ttlMs: 60_000 },
    recovery: true,
  },
  { match: "open", publish: "clients" },
  { match: "bytes", publish: "clients", data: "binary" },
  { match: "*", publish: "server" },
];

interface Serving extends AsyncDisposable {
  readonly hub: Hub;
  readonly url: string;
  readonly listener: Listener;
  readonly peers: Peer[];
}

async function serve(
  wire: Pick<Wire, "url" | "protocol" | "listen" | "dialect">,
  options: HubOptions = {},
): Promise<Serving> {
  const hub = new Hub({ channels: CHANNELS, ...options });
  const network = new Network({ protocols: [wire.protocol()] as readonly AnyProtocol[], services: [hub] });
  const peers: Peer[] = [];
  const handler = centrifuge(hub, wire.dialect);
  const watching: Handler = {
    ...handler,
    admit: (peer) => {
      peers.push(peer);
      return handler.admit?.(peer) ?? { accepted: true };
    },
  };
  const listener = await network.listen(wire.url, watching, wire.listen ?? {});
  return {
    hub,
    url: listener.endpoint.href,
    listener,
    peers,
    [Symbol.asyncDispose]: () => network.close({ timeoutMs: 1_000 }),
  };
}

const linesOf = (command: RunningCommand): string[] => command.output.trimEnd().split("\n");
const eventsOf = (command: RunningCommand): unknown[] => linesOf(command).map((line) => JSON.parse(line) as unknown);

describe.each(WIRES)("pub and sub over $name", TIMEOUT, (wire) => {
  test("what is published is printed, line by line, and --count ends it", async () => {
    await using server = await serve(wire);
    await using sub = runPolywire(["sub", server.url, "chat:room", "--count", "4", ...wire.flags]);
    await sub.said(/chat:room: subscribed\n/);
    await using one = runPolywire(["pub", server.url, "chat:room", '{"text":"hello ✓"}', ...wire.flags]);
    expect(await one.ended()).toBe(0);
    expect(one.output).toBe("");
    expect(one.errors).toMatch(/^polywire: connected to .*\npolywire: published 1 to chat:room\n$/);
    await using many = runPolywire(["pub", server.url, "chat:room", ...wire.flags]);
    many.process.stdin?.end("two\n\n3\n[4]");
    expect(await many.ended()).toBe(0);
    expect(await sub.ended()).toBe(0);
    expect(linesOf(sub)).toEqual(['{"text":"hello ✓"}', '"two"', "3", "[4]"]);
  });

  test("a thousand lines arrive in order", async () => {
    await using server = await serve(wire);
    await using sub = runPolywire(["sub", server.url, "open", "--count", "1000", ...wire.flags]);
    await sub.said(/open: subscribed\n/);
    await using pub = runPolywire(["pub", server.url, "open", "--json", ...wire.flags]);
    const numbers = Array.from({ length: 1_000 }, (_, index) => String(index));
    pub.process.stdin?.end(numbers.join("\n"));
    expect(await pub.ended()).toBe(0);
    expect(eventsOf(pub)).toEqual([{ event: "published", channel: "open", count: 1_000 }]);
    expect(await sub.ended()).toBe(0);
    expect(linesOf(sub)).toEqual(numbers);
  });

  test("--history first, then what comes, each once", async () => {
    await using server = await serve(wire);
    for (const number of [1, 2, 3, 4]) await server.hub.publish("chat:room", number);
    await using sub = runPolywire([
      "sub",
      server.url,
      "chat:room",
      "--history",
      "3",
      "--count",
      "4",
      "--json",
      ...wire.flags,
    ]);
    await sub.printed(/"offset":4/);
    await server.hub.publish("chat:room", 5);
    expect(await sub.ended()).toBe(0);
    const [subscribed, ...publications] = eventsOf(sub);
    expect(subscribed).toMatchObject({
      event: "subscribed",
      channel: "chat:room",
      position: expect.stringMatching(/^4:.+$/),
    });
    expect(publications).toEqual(
      [2, 3, 4, 5].map((number) => ({ event: "publication", channel: "chat:room", offset: number, data: number })),
    );
  });

  test("--recover goes on where another left off", async () => {
    await using server = await serve(wire);
    await server.hub.publish("chat:room", "seen");
    await using first = runPolywire(["sub", server.url, "chat:room", "--json", ...wire.flags]);
    const [, position = ""] = await first.printed(/"position":"([^"]+)"/);
    first.process.kill("SIGINT");
    expect(await first.ended()).toBe(0);
    await server.hub.publish("chat:room", "missed");
    await using second = runPolywire([
      "sub",
      server.url,
      "chat:room",
      "--recover",
      position,
      "--count",
      "1",
      ...wire.flags,
    ]);
    expect(await second.ended()).toBe(0);
    expect(second.output).toBe('"missed"\n');
  });

  test("several channels are told apart", async () => {
    await using server = await serve(wire);
    await using sub = runPolywire(["sub", server.url, "open", "chat:room", "--count", "2", ...wire.flags]);
    await sub.said(/open: subscribed\n/);
    await sub.said(/chat:room: subscribed\n/);
    await server.hub.publish("open", 1);
    await server.hub.publish("chat:room", { a: "b" });
    expect(await sub.ended()).toBe(0);
    expect(linesOf(sub).sort()).toEqual(['chat:room\t{"a":"b"}', "open\t1"]);
  });
});

const authority = makeCertificate({ name: "Test Authority", isAuthority: true });
const certificate = makeCertificate({ name: "server", hosts: ["localhost"], issuer: authority });
const clientCertificate = makeCertificate({ name: "client", issuer: authority });

function pemFile(name: string, pem: string): string {
  const file = path.join(directory, name);
  fs.writeFileSync(file, pem);
  return file;
}

const TRUST = ["--ca", pemFile("ca.pem", authority.cert), "--servername", "localhost"];
const IDENTITY = [
  "--cert",
  pemFile("cert.pem", clientCertificate.cert),
  "--key",
  pemFile("key.pem", clientCertificate.key),
];

describe.each(["wss", "tcps", "https", "grpcs"])("pub and sub over %s", TIMEOUT, (scheme) => {
  const wire = WIRES.find(({ url }) => url.startsWith(`${scheme.slice(0, -1)}:`)) as Wire;
  const serveSecure = (more: object = {}): Promise<Serving> =>
    serve({
      ...wire,
      url: wire.url.replace(/^\w+/, scheme),
      listen: { ...wire.listen, tls: { cert: certificate.cert, key: certificate.key, ...more } },
    });

  test("--ca, --servername and --insecure say whom to trust", async () => {
    await using server = await serveSecure();
    for (const name of ["pub", "sub"]) {
      await using untrusting = runPolywire([name, server.url, "open", ...(name === "pub" ? ["x"] : [])]);
      expect(await untrusting.ended()).toBe(1);
      expect(untrusting.errors).toMatch(/^polywire: .*certificate.*\n$/);
    }
    await using sub = runPolywire(["sub", server.url, "open", "--count", "2", ...TRUST]);
    await sub.said(/open: subscribed\n/);
    await using trusting = runPolywire(["pub", server.url, "open", "1", ...TRUST]);
    expect(await trusting.ended()).toBe(0);
    await using insecure = runPolywire(["pub", server.url, "open", "2", "--insecure"]);
    expect(await insecure.ended()).toBe(0);
    expect(insecure.errors).toContain("warning: --insecure: the server's certificate is not checked");
    expect(await sub.ended()).toBe(0);
    expect(linesOf(sub)).toEqual(["1", "2"]);
  });

  test("--cert and --key show a server that asks for it who is there", async () => {
    await using server = await serveSecure({ ca: authority.cert, requestCert: true, rejectUnauthorized: true });
    await using nobody = runPolywire(["pub", server.url, "open", "1", ...TRUST]);
    expect(await nobody.ended()).toBe(1);
    await using sub = runPolywire(["sub", server.url, "open", "--count", "1", ...TRUST, ...IDENTITY]);
    await sub.said(/open: subscribed\n/);
    await using pub = runPolywire(["pub", server.url, "open", "1", ...TRUST, ...IDENTITY]);
    expect(await pub.ended()).toBe(0);
    expect(await sub.ended()).toBe(0);
    expect(linesOf(sub)).toEqual(["1"]);
  });
});

describe("sub", TIMEOUT, () => {
  test("comes back after its link was cut and prints what it missed", async () => {
    await using server = await serve(WS);
    await using cable = await cableTo(() => server.listener.endpoint.port ?? 0);
    await using sub = runPolywire(["sub", `ws://127.0.0.1:${cable.port}`, "chat:room", "--count", "3"]);
    await sub.said(/chat:room: subscribed\n/);
    await server.hub.publish("chat:room", 1);
    await sub.printed(/^1\n/);
    cable.cut();
    await sub.said(/connecting again/);
    await server.hub.publish("chat:room", 2);
    cable.mend();
    await sub.printed(/2\n/);
    await server.hub.publish("chat:room", 3);
    expect(await sub.ended()).toBe(0);
    expect(sub.output).toBe("1\n2\n3\n");
  });

  test("ends when its reader goes away", async () => {
    await using server = await serve(WS);
    await using sub = runPolywire(["sub", server.url, "open"]);
    await sub.said(/open: subscribed\n/);
    sub.process.stdout?.destroy();
    const ended = sub.ended();
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    while (!isOver) {
      await server.hub.publish("open", "x");
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe(0);
  });

  test("bytes that are no JSON are shown in Base64", async () => {
    await using server = await serve(WS);
    await using sub = runPolywire(["sub", server.url, "bytes", "--protobuf", "--count", "1", "--json"]);
    await sub.said(/bytes: subscribed\n/);
    await server.hub.publish("bytes", new Uint8Array([0, 255]));
    expect(await sub.ended()).toBe(0);
    expect(eventsOf(sub).at(-1)).toEqual({ event: "publication", channel: "bytes", base64: "AP8=" });
  });

  test("sent away for good: exit 1, and why", async () => {
    await using server = await serve(WS, { authenticate: () => ({ user: "ada" }) });
    await using sub = runPolywire(["sub", server.url, "chat:room"]);
    await sub.said(/chat:room: subscribed\n/);
    await server.hub.disconnect("ada");
    expect(await sub.ended()).toBe(1);
    expect(sub.errors).toMatch(/polywire: .*force disconnect \(3503\)\n$/);
  });
});

describe("pub", TIMEOUT, () => {
  test("sent away while it waits for input: exit 1, and why", async () => {
    await using server = await serve(WS, { authenticate: () => ({ user: "ada" }) });
    await using pub = runPolywire(["pub", server.url, "open"]);
    await pub.said(/connected/);
    await server.hub.disconnect("ada");
    expect(await pub.ended()).toBe(1);
    expect(pub.errors).toMatch(/polywire: .*force disconnect \(3503\)\n$/);
  });

  test("what comes too fast for the server is published a little later, in order, each once", async () => {
    const [wire] = WIRES;
    if (wire === undefined) throw new Error("no wire");
    await using server = await serve(wire, { limits: { publishesPerSecond: 50 } });
    const heard: string[] = [];
    server.hub.channel("open").subscribe(({ data }) => void heard.push(new TextDecoder().decode(data)));
    await using pub = runPolywire(["pub", server.url, "open"]);
    const numbers = Array.from({ length: 150 }, (_, index) => String(index));
    pub.process.stdin?.end(numbers.join("\n"));
    expect(await pub.ended()).toBe(0);
    expect(heard).toEqual(numbers);
    expect(server.hub.stats().rateRefusals).toBeGreaterThan(0);
  });

  test("what may not be published: one line, exit 1", async () => {
    await using server = await serve(WS);
    await using pub = runPolywire(["pub", server.url, "closed", "x"]);
    expect(await pub.ended()).toBe(1);
    expect(pub.errors).toMatch(/polywire: not published to "closed": permission denied \(103\)\n$/);
    expect(pub.output).toBe("");
  });

  test("--text and --raw", async () => {
    await using server = await serve(WS);
    await using sub = runPolywire(["sub", server.url, "bytes", "open", "--protobuf", "--count", "2"]);
    await sub.said(/bytes: subscribed\n/);
    await sub.said(/open: subscribed\n/);
    await using text = runPolywire(["pub", server.url, "open", "12", "--text"]);
    expect(await text.ended()).toBe(0);
    await using raw = runPolywire(["pub", server.url, "bytes", "plain {", "--protobuf", "--raw"]);
    expect(await raw.ended()).toBe(0);
    expect(await sub.ended()).toBe(0);
    expect(sub.output).toBe('open\t"12"\nbytes\tplain {\n');
  });

  test("the token comes from the environment or a file; headers go with the handshake", async () => {
    const tokens: (string | undefined)[] = [];
    const authenticate: HubOptions["authenticate"] = ({ token }) => {
      tokens.push(token);
      return { user: "ada" };
    };
    await using server = await serve(WS, { authenticate });
    const environment = { POLYWIRE_TOKEN: "from-environment" };
    const pub = ["pub", server.url, "open", "x", "-H", "X-From: here"];
    await using first = runPolywire(pub, { environment });
    expect(await first.ended()).toBe(0);
    const file = path.join(directory, "token");
    fs.writeFileSync(file, "from-file\n");
    await using second = runPolywire([...pub, "--token-file", file], { environment });
    expect(await second.ended()).toBe(0);
    expect(tokens).toEqual(["from-environment", "from-file"]);
    expect(server.peers[0]?.headers?.get("x-from")).toBe("here");
    expect(first.errors + second.errors).not.toMatch(/from-(environment|file)/);
  });

  test.each([
    ["pub", "ws"],
    ["sub", "ws"],
    ["pub", "http"],
    ["sub", "http"],
  ])("%s over %s: nobody there is one line, exit 1", async (name, scheme) => {
    const [port = 0] = await freePorts(1);
    await using command = runPolywire([
      name,
      `${scheme}://127.0.0.1:${port}`,
      "open",
      ...(name === "pub" ? ["x"] : []),
    ]);
    expect(await command.ended()).toBe(1);
    expect(command.errors).toMatch(/^polywire: .*ECONNREFUSED.*\n$/);
    expect(command.output).toBe("");
  });

  test.each([
    [["pub", "ws://x"], /missing required argument 'channel'/],
    [["pub", "ws://x", "c", "d", "--raw"], /--raw goes with --protobuf/],
    [
      ["pub", "ws://x", "c", "d", "--token-file", "/nowhere/token"],
      /--token-file \/nowhere\/token: cannot be read \(ENOENT\)/,
    ],
    [["pub", "http://x", "c", "d", "--servername", "y"], /option tls: it goes with https:\/\/ only/],
    [["pub", "nowhere://x", "c", "d"], /no protocol for "nowhere:\/\/x"/],
    [["sub", "ws://x", "c", "--count", "0"], /option '--count <number>' argument '0' is invalid/],
    [["sub", "ws://x", "c", "--recover", "1"], /'--recover <offset:epoch>' argument '1' is invalid/],
    [["sub", "ws://x", "c", "d", "--recover", "1:a"], /--recover goes with one channel/],
    [["sub", "ws://x", "c", "--token", "c4n4ry"], /unknown option '--token'/],
  ])("%j is bad usage: one line, exit 2", async (commandArguments, expected) => {
    await using command = runPolywire(commandArguments);
    expect(await command.ended()).toBe(2);
    expect(command.output).toBe("");
    expect(command.errors).toMatch(expected);
    expect(command.errors.trimEnd().split("\n")).toHaveLength(1);
    expect(command.errors).not.toContain("c4n4ry");
  });

  test.each(["pub", "sub"])("the help of %s has examples, and says where the token comes from", async (name) => {
    await using command = runPolywire([name, "--help"]);
    expect(await command.ended()).toBe(0);
    for (const part of ["Examples:", "POLYWIRE_TOKEN", "--protobuf", "Exit codes:"])
      expect(command.output).toContain(part);
  });
});
