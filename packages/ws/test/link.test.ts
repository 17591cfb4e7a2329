import { type CloseInfo, type Link, Network, type Payload, type Pingable } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { ws } from "../src/index.ts";
import { clientFrame, RawClient } from "./raw-client.ts";
import { KeptLog, ServedLink, Serving, type ServingOptions } from "./serving.ts";

/** A served link and the connection that dialled it. */
async function pair(options: ServingOptions = {}) {
  const serving = await Serving.start(options);
  const connection = await serving.network.connect(`ws://127.0.0.1:${serving.port}/`, {
    limits: options.limits ?? {},
    reconnect: false,
  });
  const client = new Dialled(connection);
  const served = await serving.next();
  return { serving, connection, client, served, [Symbol.asyncDispose]: () => serving[Symbol.asyncDispose]() };
}

type Conversation = Awaited<ReturnType<Serving["network"]["connect"]>>;

class Dialled {
  readonly messages: Payload[] = [];
  readonly closed: Promise<CloseInfo>;
  #wake: () => void = () => {};

  constructor(connection: Conversation) {
    this.closed = new Promise((resolve) => connection.on("close", resolve));
    connection.on("data", (payload) => {
      this.messages.push(typeof payload === "string" ? payload : new Uint8Array(payload));
      this.#wake();
    });
    connection.on("drain", () => this.#wake());
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

test("text stays text and bytes stay bytes, both ways", async () => {
  await using ends = await pair();
  const { connection, client, served } = ends;
  served.onMessage = (payload) => void served.link.send(payload);
  const sent: Payload[] = ["", "hello", "þorn 🎉", new Uint8Array(), new Uint8Array([0, 255]), "x".repeat(70_000)];
  for (const payload of sent) expect(connection.send(payload)).toBe("sent");
  await client.until(() => client.messages.length === sent.length);
  expect(served.messages).toEqual(sent);
  expect(client.messages).toEqual(sent);
});

test("what one turn sends arrives in order, whatever way it was sent", async () => {
  await using ends = await pair();
  const { client, served } = ends;
  const { link } = served;
  const prepared = link.framing?.prepare(["p1", "p2"]);
  if (prepared === undefined) throw new Error("accepted links frame alike");
  link.send("a");
  link.send(prepared);
  link.send("b");
  link.send(prepared);
  expect(link.bufferedBytes).toBeGreaterThan(0);
  await client.until(() => client.messages.length === 6);
  expect(client.messages).toEqual(["a", "p1", "p2", "b", "p1", "p2"]);
  expect(link.bufferedBytes).toBe(0);
});

test("accepted links of one protocol and of several share one framing, dialled ones have none", async () => {
  await using one = await pair();
  await using other = await pair();
  expect(one.served.link.framing).toBe(other.served.link.framing);
  expect(one.connection.link.framing).toBe(undefined);
  const prepared = one.served.link.framing?.prepare(["shared"]);
  if (prepared === undefined) throw new Error("accepted links frame alike");
  expect(other.served.link.send(prepared)).toBe("sent");
  await other.client.until(() => other.client.messages.length === 1);
  expect(() => one.connection.send(prepared)).toThrow("framing");
});

test("the sender may reuse its bytes at once", async () => {
  await using ends = await pair();
  const bytes = new Uint8Array([1, 2, 3]);
  ends.connection.send(bytes);
  bytes.fill(9);
  await ends.served.until(() => ends.served.messages.length === 1);
  expect(ends.served.messages).toEqual([new Uint8Array([1, 2, 3])]);
  const back = new Uint8Array([4, 5, 6]);
  ends.served.link.send(back);
  back.fill(9);
  await ends.client.until(() => ends.client.messages.length === 1);
  expect(ends.client.messages).toEqual([new Uint8Array([4, 5, 6])]);
});

test.each([
  undefined,
  null,
  Number.NaN,
  7,
  Symbol("s"),
  () => {},
  {},
  [],
  new ArrayBuffer(1),
  new DataView(new ArrayBuffer(1)),
])("sending %s throws at the call", async (value) => {
  await using ends = await pair();
  expect(() => ends.served.link.send(value as string)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  expect(() => ends.connection.send(value as string)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
});

test("sending bytes whose memory was transferred away throws", async () => {
  await using ends = await pair();
  const bytes = new Uint8Array(8);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  expect(() => ends.served.link.send(bytes)).toThrow("transferred");
});

test("a message over the limit is refused with the cause, the next one passes", async () => {
  await using ends = await pair({ limits: { maxMessageBytes: 10 } });
  const { connection, client, served } = ends;
  expect(served.link.traits.maxMessageBytes).toBe(10);
  for (const link of [served.link, connection.link]) {
    expect(link.send("12345678901")).toBe("refused");
    expect(link.refusal).toBe("too-large");
    expect(link.send("ääääää")).toBe("refused");
    expect(link.send(new Uint8Array(11))).toBe("refused");
  }
  expect(served.link.send(served.link.framing?.prepare(["ok", "12345678901"]) ?? "")).toBe("refused");
  expect(connection.send("1234567890")).toBe("sent");
  expect(served.link.send("ääääa")).toBe("sent");
  await client.until(() => client.messages.length === 1);
  await served.until(() => served.messages.length === 1);
  expect([client.messages, served.messages]).toEqual([["ääääa"], ["1234567890"]]);
});

test("the peer's close tells both sides its code and reason, once", async () => {
  await using ends = await pair();
  ends.served.link.close({ code: 3001, reason: "shutdown" });
  ends.served.link.close({ code: 3002 });
  expect(await ends.client.closed).toEqual({
    by: "remote",
    clean: true,
    code: 3001,
    reason: "shutdown",
    retryable: true,
    bytesLost: 0,
  });
  expect(await ends.served.closed).toEqual({
    by: "local",
    clean: true,
    code: 3001,
    reason: "shutdown",
    retryable: false,
    bytesLost: 0,
  });
  expect(ends.served.link.send("late")).toBe("refused");
  expect(ends.served.link.refusal).toBe("closed");
});

test("what was sent before the close arrives before it", async () => {
  await using ends = await pair();
  for (let index = 0; index < 100; index++) ends.served.link.send(`${index}`);
  ends.served.link.close();
  const info = await ends.client.closed;
  expect(ends.client.messages.length).toBe(100);
  expect(info).toMatchObject({ by: "remote", clean: true, code: 1000, retryable: false });
});

test("a close without a code is 1005", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  client.write(clientFrame(8));
  expect(await client.closeCode()).toBe(1005);
  expect(await served.closed).toMatchObject({ by: "remote", clean: true, code: 1005, reason: "" });
});

test.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, Number.NaN])("close code %d throws", async (code) => {
  await using ends = await pair();
  expect(() => ends.served.link.close({ code })).toThrow("may not be sent");
  expect(ends.served.link.send("still open")).toBe("sent");
});

test.each([
  ["a", 200, "a".repeat(123)],
  ["é", 62, "é".repeat(61)],
  ["🎉", 40, "🎉".repeat(30)],
])("a reason of many %s is cut to 123 bytes between characters", async (unit, times, expected) => {
  await using ends = await pair();
  ends.served.link.close({ code: 3000, reason: unit.repeat(times) });
  expect((await ends.client.closed).reason).toBe(expected);
  expect((await ends.served.closed).reason).toBe(expected);
});

test("closing inside a message stops the messages behind it", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  served.onMessage = () => served.link.close({ code: 3000 });
  client.write(Buffer.concat(["one", "two", "three"].map((text) => clientFrame(1, text))));
  expect(await client.closeCode()).toBe(3000);
  client.write(clientFrame(8, Buffer.from([0x0b, 0xb8])));
  await served.closed;
  expect(served.messages).toEqual(["one"]);
});

test("a sink that throws closes its link with 1011 and harms nobody else", async () => {
  const logger = new KeptLog();
  await using ends = await pair({ network: { logger } });
  ends.served.onMessage = () => {
    throw new Error("bug in the program");
  };
  ends.connection.send("trigger");
  expect(await ends.client.closed).toMatchObject({ by: "remote", code: 1011, reason: "internal error" });
  const info = await ends.served.closed;
  expect(info).toMatchObject({ by: "local", code: 1011 });
  expect(info.error?.message).toContain("bug in the program");
  expect(logger.lines).toContain("error ws: program code threw");
});

test("no message after pause, all of them after resume", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  served.onMessage = (payload) => {
    if (payload === "two") served.link.pause();
  };
  const texts = ["one", "two", "three", "four"];
  client.write(Buffer.concat(texts.map((text) => clientFrame(1, text))));
  await served.until(() => served.messages.length === 2);
  client.write(clientFrame(1, "five"));
  expect(served.messages).toEqual(["one", "two"]);
  served.link.resume();
  await served.until(() => served.messages.length === 5);
  expect(served.messages).toEqual([...texts, "five"]);
});

test("a paused reader stops the sender, and drain comes when it reads again", async () => {
  await using ends = await pair();
  const { connection, served } = ends;
  connection.pause();
  const { link } = served;
  const chunk = new Uint8Array(65_536);
  let accepted = 0;
  let result = link.send(chunk);
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  while (result !== "refused") {
    accepted++;
    await turn();
    result = link.send(chunk);
  }
  expect(link.refusal).toBe("overflow");
  expect(link.bufferedBytes).toBeGreaterThan(262_144);
  expect(link.bufferedBytes).toBeLessThanOrEqual(4_194_304);
  expect(served.drains).toBe(0);
  connection.resume();
  await served.until(() => served.drains > 0);
  await ends.client.until(() => ends.client.messages.length === accepted);
  expect(link.bufferedBytes).toBe(0);
  expect(served.drains).toBe(1);
});

test("a slow reader that is cut off reads the code it was cut off with, when it reads again", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  client.socket.pause();
  const served = await serving.next();
  const { link } = served;
  const chunk = new Uint8Array(65_536);
  while (link.send(chunk) !== "refused") await new Promise<void>((resolve) => void setImmediate(resolve));
  const buffered = link.bufferedBytes;
  link.close({ code: 3008, reason: "slow", discard: true });
  const info = await served.closed;
  expect(info).toMatchObject({ by: "local", clean: false, code: 3008, reason: "slow", bytesLost: buffered });
  expect(link.bufferedBytes).toBe(0);
  client.socket.resume();
  expect(await client.closeCode()).toBe(3008);
});

test("a slow reader that never reads again is gone after the close timeout", async () => {
  await using serving = await Serving.start({ limits: { closeTimeoutMs: 100, maxLinks: 1 } });
  await using client = await RawClient.upgraded(serving.port);
  client.socket.pause();
  const served = await serving.next();
  const chunk = new Uint8Array(65_536);
  while (served.link.send(chunk) !== "refused") await new Promise<void>((resolve) => void setImmediate(resolve));
  served.link.close({ code: 3008, discard: true });
  await served.closed;
  // Its place is free again once its socket is gone.
  for (;;) {
    await using next = await RawClient.connect(serving.port);
    next.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
    next.write("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    if ((await next.head()).startsWith("HTTP/1.1 101")) break;
  }
  expect((await serving.next()).link.send("free")).toBe("sent");
});

test("a close that went well leaves no timer behind", async () => {
  const clock = new ManualClock();
  await using ends = await pair({ network: { clock } });
  ends.served.link.close();
  await Promise.all([ends.served.closed, ends.client.closed]);
  expect(clock.pending).toBe(0);
});

test("a peer that never answers the close is cut off after the close timeout", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock }, listen: { heartbeat: false } });
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  served.link.close({ code: 3000 });
  expect(await client.closeCode()).toBe(3000);
  expect(served.closeInfo).toBe(undefined);
  clock.advance(5_000);
  expect(await served.closed).toMatchObject({ by: "local", clean: false, code: 3000 });
  await client.closed();
  expect(clock.pending).toBe(0);
});

test("the round trip of a ping, from both sides", async () => {
  await using ends = await pair();
  for (const link of [ends.connection.link, ends.served.link as Link & Pingable]) {
    const roundTripMs = await new Promise<number | undefined>((resolve) => link.ping(resolve));
    expect(roundTripMs).toBeGreaterThan(0);
    expect(roundTripMs).toBeLessThan(1_000);
  }
});

test("pings end without an answer when time is up, when the link closes and when it is closed", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock }, listen: { heartbeat: false } });
  await using client = await RawClient.upgraded(serving.port);
  const link = (await serving.next()).link as Link & Pingable;
  const ping = (): Promise<number | undefined> => new Promise((resolve) => link.ping(resolve));
  const late = ping();
  expect((await client.frame()).opcode).toBe(9);
  clock.advance(8_000);
  expect(await late).toBe(undefined);
  const cutShort = ping();
  client.socket.destroy();
  expect(await cutShort).toBe(undefined);
  expect(await ping()).toBe(undefined);
});

test("a ping's callback that throws closes the link instead of ending the process", async () => {
  await using ends = await pair();
  ends.connection.link.ping(() => {
    throw new Error("bug in the program");
  });
  expect(await ends.client.closed).toMatchObject({ by: "local", code: 1011 });
});

test("more than 64 unanswered pings are refused", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.upgraded(serving.port);
  const link = (await serving.next()).link as Link & Pingable;
  for (let index = 0; index < 64; index++) link.ping(() => {});
  expect(() => link.ping(() => {})).toThrow(expect.objectContaining({ code: "limit-reached" }));
  await client.frame();
});

test("a link that is opened late has lost nothing", async () => {
  const network = new Network({ protocols: [ws()] });
  await using _ = network;
  const arrived = Promise.withResolvers<Link>();
  const listener = await network.listen("ws://127.0.0.1:0/", (link) => arrived.resolve(link));
  await using client = await RawClient.upgraded(listener.endpoint.port ?? 0);
  client.write(Buffer.concat([clientFrame(1, "early"), clientFrame(9, "ping")]));
  const link = await arrived.promise;
  await new Promise<void>((resolve) => void setImmediate(resolve));
  const served = new ServedLink(link);
  await served.until(() => served.messages.length === 1);
  expect(served.messages).toEqual(["early"]);
  expect(() => link.open({ message() {}, closed() {} })).toThrow("called twice");
});

test("a dialled link that nobody listens to answers pings and hears of the end", async () => {
  await using serving = await Serving.start();
  const connection = await serving.network.connect(`ws://127.0.0.1:${serving.port}/`, { reconnect: false });
  const link = (await serving.next()).link as Link & Pingable;
  expect(await new Promise((resolve) => link.ping(resolve))).toBeGreaterThan(0);
  const closed = new Promise<CloseInfo>((resolve) => connection.on("close", resolve));
  link.close({ code: 3000 });
  expect(await closed).toMatchObject({ by: "remote", code: 3000 });
});

test("a dialled link that is never read tells of its end once it is", async () => {
  await using serving = await Serving.start();
  const connection = await serving.network.connect(`ws://127.0.0.1:${serving.port}/`, { reconnect: false });
  const served = await serving.next();
  served.link.send("unread");
  served.link.close({ code: 3000 });
  const client = new Dialled(connection);
  expect(await client.closed).toMatchObject({ by: "remote", clean: true, code: 3000 });
  expect(client.messages).toEqual(["unread"]);
});
