import { expect, test } from "vitest";
import { type Exchange, type Link, messages, Network, type Payload, type Peer } from "../src/index.ts";
import { type MemoryLink, memory } from "../src/memory.ts";
import { ManualClock } from "../src/testing.ts";
import { echo, Notes, openNetwork, turns } from "./opened-network.ts";

const decoder = new TextDecoder();

test("a message goes there and back", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  connection.send("hello");
  connection.send(new Uint8Array([1, 2]));
  const received: Payload[] = [];
  for await (const payload of messages(connection)) {
    received.push(payload);
    if (received.length === 2) break;
  }
  expect(received).toEqual(["hello", new Uint8Array([1, 2])]);
  expect(await connection.close({ code: 3000, reason: "bye" })).toEqual({
    by: "local",
    clean: true,
    code: 3000,
    reason: "bye",
    retryable: false,
    bytesLost: 0,
  });
});

test("both sides end their directions one after the other", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const log: string[] = [];
  await network.listen("memory://half", (link: MemoryLink) => {
    link.open({
      message: (payload) => void log.push(`server ${payload}`),
      ended() {
        log.push("server ended");
        link.send("reply");
        link.end();
      },
      closed: ({ by, clean }) => void log.push(`server closed ${by} ${clean}`),
    });
  });
  const connection = await network.connect("memory://half");
  connection.on("data", (payload) => void log.push(`client ${payload}`));
  connection.on("end", () => void log.push("client ended"));
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.send("request");
  connection.end();
  expect(connection.send("more")).toBe("refused");
  expect(await closed).toMatchObject({ by: "local", clean: true, bytesLost: 0 });
  expect(log).toEqual(["server request", "server ended", "client reply", "client ended", "server closed remote true"]);
});

test("who keeps lent bytes without a copy finds them overwritten", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const kept: Payload[] = [];
  await network.listen("memory://keeper", (link) => {
    link.open({ message: (payload) => void kept.push(payload), closed() {} });
  });
  const connection = await network.connect("memory://keeper");
  connection.send(new Uint8Array([1, 2, 3]));
  await turns();
  expect(kept).toEqual([new Uint8Array(3)]);
});

test("what a close that discards counted as lost does not arrive after all", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const server = new Notes();
  let served: Link | undefined;
  await network.listen("memory://deaf", (link) => {
    served = link;
    link.open(server);
    link.pause();
  });
  const connection = await network.connect("memory://deaf");
  connection.send("unread");
  await turns();
  const closed = connection.close({ discard: true });
  served?.resume();
  expect(await closed).toMatchObject({ by: "local", clean: false, bytesLost: 11 });
  expect(await server.closing()).toMatchObject({ by: "network", error: { code: "connection-reset" } });
  expect(server.messages).toEqual([]);
});

test("the other side's limit closes the link and says which", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const server = new Notes();
  await network.listen("memory://small", (link) => link.open(server), { limits: { maxMessageBytes: 10 } });
  const connection = await network.connect("memory://small", { reconnect: false });
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.send("x".repeat(11));
  const reason = "a message of 11 bytes arrived, maxMessageBytes is 10";
  expect(await server.closing()).toMatchObject({ by: "local", reason, error: { code: "too-large", message: reason } });
  expect(await closed).toMatchObject({ by: "remote", reason });
});

test("who arrives is described by URL, metadata and subprotocols; the link keeps what admission named", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const judged: Peer[] = [];
  const served: Link[] = [];
  await network.listen("memory://door/in", {
    admit(peer) {
      judged.push(peer);
      return { accepted: true, subprotocol: "b", keepHeaders: ["X-Name"] };
    },
    link(link) {
      served.push(link);
      link.open(new Notes());
    },
  });
  const metadata = new Map([
    ["X-Name", "ada"],
    ["Cookie", "hush"],
  ]);
  const connection = await network.connect("memory://door/in?x=1", { metadata, subprotocols: ["a", "b"] });
  expect(judged).toEqual([
    {
      address: "memory",
      secure: false,
      path: "/in",
      query: "x=1",
      offeredSubprotocols: ["a", "b"],
      headers: new Map([
        ["x-name", "ada"],
        ["cookie", "hush"],
      ]),
    },
  ]);
  expect(served[0]?.peer).toEqual({
    address: "memory",
    secure: false,
    path: "/in",
    query: "x=1",
    subprotocol: "b",
    headers: new Map([["x-name", "ada"]]),
  });
  expect(connection.link.peer).toMatchObject({ address: "door", subprotocol: "b" });
});

test("a subprotocol that was not offered is refused", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://door", { admit: () => ({ accepted: true, subprotocol: "c" }), link: echo });
  await expect(network.connect("memory://door", { subprotocols: ["a"] })).rejects.toMatchObject({
    code: "handshake-failed",
    message: expect.stringContaining('"c" was not offered'),
  });
});

test("port 0 gives every listener an address of its own", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const listeners = await Promise.all([1, 2, 3].map(() => network.listen("memory://many:0/x", echo)));
  const ports = listeners.map(({ endpoint }) => endpoint.port);
  expect(new Set(ports).size).toBe(3);
  expect(ports).not.toContain(0);
  await expect(network.connect(listeners[1]?.endpoint.href ?? "")).resolves.toMatchObject({ state: "ready" });
});

test("handshakes at once have their limit, too", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const admit = (): Promise<never> => new Promise(() => {});
  await network.listen("memory://slow", { admit, link: echo }, { limits: { maxHandshakes: 2 } });
  const dials = [1, 2, 3].map(() => network.connect("memory://slow").catch((thrown: unknown) => thrown));
  expect(await dials[2]).toMatchObject({ code: "handshake-failed", retryable: true });
});

test("a handshake that takes too long is refused", async () => {
  const clock = new ManualClock();
  await using watched = openNetwork({ clock, limits: { handshakeTimeoutMs: 100 } });
  const { network } = watched;
  const asked = Promise.withResolvers<void>();
  await network.listen("memory://slow", {
    admit() {
      asked.resolve();
      return new Promise(() => {});
    },
    link: echo,
  });
  const dial = network.connect("memory://slow");
  await asked.promise;
  clock.advance(100);
  await expect(dial).rejects.toMatchObject({ code: "timed-out", message: expect.stringContaining("100 ms") });
});

test("too many pings on their way are refused, and all are answered", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const { link } = await network.connect("memory://echo");
  const answers: unknown[] = [];
  for (let count = 0; count < 64; count++) link.ping((roundTripMs) => void answers.push(roundTripMs));
  expect(() => link.ping(() => {})).toThrow(/64 pings wait/);
  expect(() => link.ping(undefined as unknown as () => void)).toThrow(/needs a function/);
  await turns();
  expect(answers).toHaveLength(64);
});

test.each([
  [{ kind: "pigeon" }, /kind is "pigeon": give one of message, stream, datagram/],
  [{ kind: "datagram", loss: 2 }, /loss is 2: give a share from 0 to 1/],
])("memory(%o) is refused", (options, says) => {
  expect(() => memory(options as object)).toThrow(says);
});

test("a datagram gets lost when chance says so", async () => {
  let chance = 0;
  const network = new Network({ protocols: [memory({ kind: "datagram", loss: 0.5 })], random: () => chance });
  await using _ = network;
  const server = new Notes();
  await network.listen("memory://lossy", (link) => link.open(server));
  const connection = await network.connect("memory://lossy");
  expect(() => connection.end()).toThrow(/no half-close/);
  expect(() => connection.link.ping(() => {})).toThrow(/no ping/);
  connection.send("lost");
  await turns();
  chance = 0.5;
  connection.send("kept");
  expect(await server.next()).toEqual(["kept"]);
});

test("an exchange that nobody answers in time is answered with 503", async () => {
  const clock = new ManualClock();
  await using watched = openNetwork({ clock });
  const { network } = watched;
  const arrived = Promise.withResolvers<Exchange>();
  await network.listen("memory://idle", { exchange: arrived.resolve });
  const exchanger = await network.open("memory://idle");
  const asked = exchanger.request({ method: "GET" }, { timeoutMs: 60_000 });
  const exchange = await arrived.promise;
  clock.advance(30_000);
  const response = await asked;
  expect(response.status).toBe(503);
  await response.body.bytes();
  expect(() => exchange.respond({ status: 200 })).toThrow(/answered already/);
  // The rounds of the vitals alone.
  expect(clock.pending).toBe(1);
});

test.each([
  [{ method: "" }, /needs a method/],
  [{ method: "GET", path: "no-slash" }, /must begin with a slash/],
  [{ method: "GET", body: 1 }, /type number/],
  [{ method: "GET", body: "x".repeat(101) }, /over maxMessageBytes \(100\)/],
])("the request %o is refused", async (request, says) => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://api", { exchange: (exchange) => exchange.respond({ status: 200 }) });
  const exchanger = await network.open("memory://api", { limits: { maxMessageBytes: 100 } });
  await expect(exchanger.request(request as { method: string })).rejects.toThrow(says);
  await exchanger.close();
});

test("a body whose source fails or gives no bytes breaks off with a typed error", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const sources = {
    async *"/fails"() {
      yield new Uint8Array(1);
      throw new Error("disk gone");
    },
    async *"/text"() {
      yield "text" as unknown as Uint8Array;
    },
  };
  await network.listen("memory://api", {
    exchange: (exchange) => exchange.respond({ status: 200 }, sources[exchange.path as keyof typeof sources]()),
  });
  const exchanger = await network.open("memory://api");
  const fails = await exchanger.request({ method: "GET", path: "/fails" });
  await expect(fails.body.bytes()).rejects.toMatchObject({
    code: "internal",
    message: "the body broke off: disk gone",
  });
  const text = await exchanger.request({ method: "GET", path: "/text" });
  await expect(text.body.bytes()).rejects.toMatchObject({ code: "invalid-argument" });
});

test("an endless response streams until its reader leaves", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const notes = new Notes();
  await network.listen("memory://ticks", {
    exchange(exchange) {
      const link = exchange.stream({ status: 200 });
      link.open(notes);
      for (let tick = 0; tick < 3; tick++) link.send(`tick ${tick}\n`);
    },
  });
  const exchanger = await network.open("memory://ticks");
  const { body } = await exchanger.request({ method: "GET" });
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk);
    if (text.includes("tick 2")) break;
  }
  expect(text).toBe("tick 0\ntick 1\ntick 2\n");
  expect(await notes.closing()).toMatchObject({ by: "network", clean: false });
});
