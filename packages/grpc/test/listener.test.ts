import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { type Exchange, type Link, Network } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { grpc } from "../src/index.ts";
import { message, RawClient, RawConnection } from "./raw-call.ts";
import { echo, OpenLink, Serving } from "./serving.ts";

const TIMEOUT_MS = 30_000;
const hello = message(Buffer.from("hello"));

function ignore(link: Link): void {
  link.open({ message() {}, closed() {} });
}

const answer =
  (text: string) =>
  (exchange: Exchange): void =>
    exchange.respond({ status: 200 }, text);

test("listeners of one host and port share it by path, the longest first", { timeout: TIMEOUT_MS }, async () => {
  await using network = new Network({ protocols: [grpc()] });
  const first = await network.listen("grpc://127.0.0.1:0/a.One/", { exchange: answer("below a.One") });
  const { port } = first.endpoint;
  const base = `grpc://127.0.0.1:${port}`;
  await network.listen(`${base}/a.One/Method`, { exchange: answer("the method") });
  const all = await network.listen(`${base}/`, { exchange: answer("everything") });
  await network.listen(`${base}/a.Two/Talk`, ignore);
  const exchanger = await network.open(base);
  const ask = async (method: string): Promise<string> => {
    const response = await exchanger.request({ method });
    const said = Buffer.from(await response.body.bytes()).toString();
    return `${response.status} ${said}`;
  };
  expect(await ask("/a.One/Method")).toBe("200 the method");
  expect(await ask("/a.One/Other")).toBe("200 below a.One");
  expect(await ask("/a.OneMore/Other")).toBe("200 everything");
  await all.close();
  expect(await ask("/a.OneMore/Other")).toBe("404 ");
  expect(await ask("/a.One/Other")).toBe("200 below a.One");
  await expect(network.listen(`${base}/a.One/Method`, { exchange: echo })).rejects.toMatchObject({
    code: "address-in-use",
  });
  await expect(network.listen(`grpcs://127.0.0.1:${port}/a.B/C`, ignore)).rejects.toThrow(/speaks grpc already/);
  await exchanger.close();
});

test("a handler of links and exchanges says which of them its path carries", { timeout: TIMEOUT_MS }, async () => {
  await using network = new Network({ protocols: [grpc()] });
  const both = { link: ignore, exchange: answer("an exchange") };
  await expect(network.listen("grpc://127.0.0.1:0/a.B/C", both)).rejects.toMatchObject({
    code: "address-in-use",
    message: expect.stringContaining("option carries"),
  });
  const links = await network.listen("grpc://127.0.0.1:0/a.B/Talk", both, { carries: "links" });
  const base = `grpc://127.0.0.1:${links.endpoint.port}`;
  const exchanges = await network.listen(`${base}/a.B/Ask`, both, { carries: "exchanges" });
  await (await network.connect(`${base}/a.B/Talk`)).close();
  const exchanger = await network.open(base);
  const response = await exchanger.request({ method: "/a.B/Ask" });
  expect(Buffer.from(await response.body.bytes()).toString()).toBe("an exchange");
  await exchanger.close();
  await links.close();
  await exchanges.close();
  await expect(network.connect(`${base}/a.B/Talk`)).rejects.toMatchObject({ code: "connection-refused" });
});

test("admission sees metadata, path and query; binary metadata is base64", { timeout: TIMEOUT_MS }, async () => {
  const seen: unknown[] = [];
  await using serving = await Serving.start({
    handler: {
      admit: ({ headers, path, query, secure, address }) => {
        const names = ["x-own", "x-network", "x-bytes-bin", "origin"];
        seen.push({ path, query, secure, address, metadata: names.map((name) => headers?.get(name)) });
        return { accepted: true, keepHeaders: ["X-Own"] };
      },
    },
  });
  const link = await serving.dial("/test.Service/Talk?token=secret", {
    headers: { "X-Own": "one", "x-bytes-bin": "AP8=" },
    metadata: new Map([["x-network", "two"]]),
  });
  expect(seen).toEqual([
    {
      path: "/test.Service/Talk",
      query: "token=secret",
      secure: false,
      address: "127.0.0.1",
      metadata: ["one", "two", "AP8=", undefined],
    },
  ]);
  expect([...((await serving.next()).link.peer.headers ?? [])]).toEqual([["x-own", "one"]]);
  link.link.close();
  await link.closed;
});

test("a refused call whose client goes on is reset in time", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock } });
  await using client = new RawClient(serving.port);
  const stream = client.session.request({ ":method": "POST", ":path": "/no/Path", "content-type": "application/grpc" });
  stream.on("error", () => {});
  stream.resume();
  const head = new Promise((resolve) => void stream.on("response", resolve));
  const closed = new Promise((resolve) => void stream.on("close", resolve));
  stream.write(hello);
  expect(await head).toMatchObject({ "grpc-status": "12" });
  clock.advance(5_000);
  await closed;
  expect(stream.rstCode).toBe(0);
});

test("an error has the message that its header gives, and then no body that could be taken for an answer", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using serving = await Serving.start({
    url: "grpc://127.0.0.1:0/test.Service/",
    handler: {
      exchange: (exchange) => {
        const headers = new Map([["grpc-message", "nothing là"]]);
        if (exchange.path.endsWith("/Bare")) exchange.respond({ status: 404, headers });
        else exchange.respond({ status: 404 }, "nothing there");
      },
    },
  });
  const exchanger = await serving.network.open(`grpc://${serving.address}/`);
  const ask = async (method: string): Promise<unknown[]> => {
    const { status, headers, body } = await exchanger.request({ method });
    const text = Buffer.from(await body.bytes()).toString();
    return [status, text, headers.get("grpc-message")];
  };
  expect(await ask("/test.Service/Bare")).toEqual([404, "", "nothing l%C3%A0"]);
  expect(await ask("/test.Service/Text")).toEqual([404, "nothing there", "nothing there"]);
  await exchanger.close();
});

test("a page of another origin is refused", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start();
  await using client = new RawClient(serving.port);
  const foreign = await client.call("/test.Service/Talk", hello, { origin: "https://evil.example" });
  expect(foreign).toMatchObject({ status: "7", head: { "polywire-status": "403" } });
});

test("a server that ends its side first still hears a client of ours", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start();
  const there = await serving.dial();
  const here = await serving.next();
  here.link.send("last words");
  (here.link as unknown as { end(): void }).end();
  await there.until(() => there.ends === 1);
  expect(there.texts).toEqual(["last words"]);
  there.link.send("and mine");
  await here.until(() => here.messages.length === 1);
  there.link.close();
  expect(await there.closed).toMatchObject({ by: "local", clean: true });
  expect(await here.closed).toMatchObject({ by: "remote", clean: true });
});

test("a handler may say when to ask again, and nothing else of gRPC's own", { timeout: TIMEOUT_MS }, async () => {
  const headers = new Map([
    ["grpc-retry-pushback-ms", "1500"],
    ["grpc-status", "0"],
  ]);
  const exchange = (arrived: Exchange): void => arrived.respond({ status: 503, headers });
  await using serving = await Serving.start({ url: "grpc://127.0.0.1:0/test.Service/Echo", handler: { exchange } });
  await using client = new RawClient(serving.port);
  const { head, trailers, status } = await client.call("/test.Service/Echo", hello);
  expect(status).toBe("14");
  expect({ ...head, ...trailers }["grpc-retry-pushback-ms"]).toBe("1500");
});

test("a request that nobody answers is answered for, and logged", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  let arrived = (): void => {};
  const isThere = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const url = "grpc://127.0.0.1:0/test.Service/Echo";
  await using serving = await Serving.start({ url, network: { clock }, handler: { exchange: () => arrived() } });
  await using client = new RawClient(serving.port);
  const asked = client.call("/test.Service/Echo", hello);
  await isThere;
  clock.advance(30_000);
  expect(await asked).toMatchObject({ status: "14" });
});

test("no more requests at once than maxLinks", { timeout: TIMEOUT_MS }, async () => {
  const seen: Exchange[] = [];
  const url = "grpc://127.0.0.1:0/test.Service/Echo";
  let woken = (): void => {};
  const exchange = (arrived: Exchange): void => {
    seen.push(arrived);
    woken();
  };
  await using serving = await Serving.start({ url, limits: { maxLinks: 1 }, handler: { exchange } });
  await using client = new RawClient(serving.port);
  const arrived = new Promise<void>((resolve) => {
    woken = resolve;
  });
  const first = client.call("/test.Service/Echo", hello);
  await arrived;
  expect(await client.call("/test.Service/Echo", hello)).toMatchObject({ status: "14" });
  seen[0]?.respond({ status: 200 }, "one");
  expect(await first).toMatchObject({ status: "0" });
  const third = client.call("/test.Service/Echo", hello);
  woken = () => seen[1]?.respond({ status: 200 }, "two");
  expect(await third).toMatchObject({ status: "0" });
});

test("a request that never ends is cut off in time", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  const url = "grpc://127.0.0.1:0/test.Service/Echo";
  let judged = (): void => {};
  const isJudged = new Promise<void>((resolve) => {
    judged = resolve;
  });
  const admit = () => {
    judged();
    return { accepted: true } as const;
  };
  await using serving = await Serving.start({ url, network: { clock }, handler: { exchange: echo, admit } });
  await using client = new RawClient(serving.port);
  const stream = client.session.request({
    ":method": "POST",
    ":path": "/test.Service/Echo",
    "content-type": "application/grpc",
  });
  const head = new Promise((resolve) => void stream.on("response", resolve));
  stream.write(hello.subarray(0, 3));
  await isJudged;
  clock.advance(30_000);
  expect(await head).toMatchObject({ "grpc-status": "4", "polywire-status": "408" });
});

test("connections that ask for nothing are closed in time, and not too many wait", {
  timeout: TIMEOUT_MS,
}, async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock }, limits: { maxHandshakes: 2 } });
  await using first = await RawConnection.open(serving.port);
  await using second = await RawConnection.open(serving.port);
  while (first.frames.length === 0 || second.frames.length === 0)
    await new Promise((resolve) => void setImmediate(resolve));
  await using third = await RawConnection.open(serving.port);
  await third.closed;
  expect([first.socket.destroyed, second.socket.destroyed]).toEqual([false, false]);
  clock.advance(10_000);
  await Promise.all([first.closed, second.closed]);
  expect(first.goaway).toBe(0);
});

test("a client that does not take part in the end of its connection is cut off", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock }, grpc: { keepalive: false } });
  const socket = connectTcp({ host: "127.0.0.1", port: serving.port, allowHalfOpen: true });
  socket.on("error", () => {});
  socket.resume();
  const ended = new Promise((resolve) => void socket.once("end", resolve));
  await new Promise((resolve) => void socket.once("data", resolve));
  clock.advance(10_000);
  await ended;
  expect(clock.pending).toBe(1);
  clock.advance(5_000);
  // What it says after that reaches nobody.
  const closed = new Promise((resolve) => void socket.once("close", resolve));
  const chatter = setInterval(() => void socket.write("x"), 1);
  await closed;
  clearInterval(chatter);
  expect(clock.pending).toBe(0);
});

test("a connection without calls is closed after a while, one of age after its calls", {
  timeout: TIMEOUT_MS,
}, async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({
    network: { clock, random: () => 0.5 },
    grpc: { keepalive: false },
    listen: { maxConnectionIdleMs: 1_000, maxConnectionAgeMs: 60_000, maxConnectionAgeGraceMs: 500 },
  });
  await using idle = new RawClient(serving.port);
  const goaway = new Promise((resolve) => void idle.session.on("goaway", resolve));
  await idle.call("/no.Service/Method", hello);
  const closed = new Promise((resolve) => void idle.session.on("close", resolve));
  // The server hears of the end of the call a little later than we do.
  while (clock.pending > 1) {
    clock.advance(1_000);
    await new Promise((resolve) => void setImmediate(resolve));
    if (idle.session.destroyed) break;
  }
  await Promise.all([goaway, closed]);

  const link = await serving.dial();
  const here = await serving.next();
  clock.advance(60_000);
  link.link.send("still");
  await here.until(() => here.messages.length === 1);
  clock.advance(500);
  expect(await here.closed).toMatchObject({ by: "network", error: { message: expect.stringContaining("age") } });
  expect(await link.closed).toMatchObject({ clean: false });
});

test("G40 a client that is gone without a word is found by its silence", { timeout: TIMEOUT_MS }, async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock } });
  const session = connectHttp2(`http://${serving.address}`);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": "/test.Service/Talk",
    "content-type": "application/grpc",
  });
  stream.on("error", () => {});
  const link = await serving.next();
  clock.advance(30_000);
  clock.advance(30_000);
  clock.advance(10_000);
  expect(await link.closed).toMatchObject({ by: "network", error: { code: "timed-out" } });
  session.destroy();
  // What is known of a peer may be asked for after it has gone.
  expect(link.link.peer.secure).toBe(false);
  expect(() => link.link.peer.address).not.toThrow();
});

test("a closed listener's address is free, its links live on, its waiting peers hear of it", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using network = new Network({ protocols: [grpc()] });
  const links: OpenLink[] = [];
  const listener = await network.listen("grpc://127.0.0.1:0/a.B/C", (link) => void links.push(OpenLink.accepted(link)));
  const { port } = listener.endpoint;
  const client = OpenLink.dialled(await network.connect(`grpc://127.0.0.1:${port}/a.B/C`, { reconnect: false }));
  const silent = connectTcp({ host: "127.0.0.1", port: port as number });
  silent.on("error", () => {});
  silent.resume();
  await new Promise((resolve) => void silent.once("data", resolve));
  const gone = new Promise((resolve) => void silent.once("close", resolve));
  await listener.close();
  await gone;
  client.link.send("still here");
  const [here] = links;
  await here?.until(() => here.messages.length === 1);
  client.link.close();
  expect(await client.closed).toMatchObject({ by: "local", clean: true });
});
