import { connect as connectTls } from "node:tls";
import { makeCertificate } from "@polywire/conformance/testing";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { Program } from "./program.ts";
import { RawPeer } from "./raw-peer.ts";
import { KeptLog, Serving, type ServingOptions } from "./serving.ts";

const { cert, key } = makeCertificate({ name: "server", hosts: ["127.0.0.1"] });

/** What the served link is told when a raw peer sends these bytes and then its end, or nothing more. */
async function endOf(bytes: string | Uint8Array, { isEnd = false, ...options }: ServingOptions & { isEnd?: boolean }) {
  await using serving = await Serving.start(options);
  await using peer = await RawPeer.connect(serving.port);
  peer.socket.write(bytes);
  if (isEnd) peer.socket.end();
  const served = await serving.next();
  const info = await served.closed;
  await peer.over();
  // Whatever one peer did, the listener lives.
  await using other = await RawPeer.connect(serving.port);
  expect(other.hasEnded).toBe(false);
  await serving.next();
  return { info, messages: served.messages };
}

const clientHello = Buffer.concat([Buffer.from("16030100f8010000f40303", "hex"), Buffer.alloc(242, 0x5a)]);
const small = { maxMessageBytes: 1_000 };

test.each<[string, ServingOptions["tcp"], string | Uint8Array, boolean, object]>([
  ["T03: limit + 1", { framing: "u32" }, "\0\0\x03\xe9", false, { by: "local", error: { code: "too-large" } }],
  ["T04: 0xffffffff", { framing: "u32" }, Buffer.alloc(4, 255), false, { by: "local", error: { code: "too-large" } }],
  ["T05: end in the header", { framing: "u32" }, "\0\0", true, { by: "remote", error: { code: "protocol-violation" } }],
  [
    "T05: end in a varint",
    { framing: "varint" },
    Buffer.of(0x80),
    true,
    { by: "remote", error: { code: "protocol-violation" } },
  ],
  [
    "T06: end in the payload",
    { framing: "u32" },
    "\0\0\0\x05abc",
    true,
    { by: "remote", error: { code: "protocol-violation" } },
  ],
  [
    "T06: end in a line",
    { framing: "lines" },
    "no line feed",
    true,
    { by: "remote", error: { code: "protocol-violation" } },
  ],
  [
    "T11: nothing but CR, over the limit",
    { framing: "lines" },
    "\r".repeat(1_002),
    false,
    { error: { code: "too-large" } },
  ],
  [
    "T11: lines that CR alone ends, over the limit",
    { framing: "lines" },
    "a line\r".repeat(144),
    false,
    { by: "local", error: { code: "too-large" } },
  ],
  [
    "T11: lines that CR alone ends, and then the end",
    { framing: "lines" },
    "only\rcarriage\rreturns\r",
    true,
    { by: "remote", error: { code: "protocol-violation" } },
  ],
  ["T08: a line over the limit", { framing: "lines" }, "x".repeat(1_002), false, { error: { code: "too-large" } }],
  [
    "T10: a line of bad UTF-8",
    { framing: "lines" },
    Buffer.of(0xc3, 0x28, 0x0a),
    false,
    { error: { code: "protocol-violation" } },
  ],
])("%s", async (_name, tcp, bytes, isEnd, expected) => {
  const wire = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  const { info, messages } = await endOf(wire, { tcp: tcp ?? {}, limits: small, isEnd });
  expect(info).toMatchObject({ clean: false, bytesLost: 0, ...expected });
  expect(messages).toEqual([]);
});

test.each(["u32", "varint", "lines"] as const)(
  "T12, %s: a TLS ClientHello is told apart from messages",
  async (framing) => {
    const { info, messages } = await endOf(clientHello, { tcp: { framing } });
    expect(info.error).toMatchObject({
      code: "protocol-violation",
      message: expect.stringContaining("this looks like TLS"),
    });
    expect(messages).toEqual([]);
  },
);

test.each(["u32", "varint", "lines"] as const)(
  "T13, %s: an HTTP request is no message, nor is any line of it",
  async (framing) => {
    const request = 'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{"id":1}\n';
    const { info, messages } = await endOf(request, { tcp: { framing } });
    expect(info.error).toMatchObject({
      code: "protocol-violation",
      message: expect.stringContaining("this looks like HTTP"),
    });
    expect(messages).toEqual([]);
  },
);

test("bytes without a framing may be anything, HTTP too", async () => {
  await using serving = await Serving.start();
  await using peer = await RawPeer.connect(serving.port);
  peer.socket.write("GET / HTTP/1.1\r\n\r\n");
  const served = await serving.next();
  await served.until(() => served.messages.length === 1);
  expect(served.closeInfo).toBe(undefined);
});

test("T14: plain text on a TLS port ends, and the log says why", async () => {
  const logger = new KeptLog();
  await using serving = await Serving.start({
    url: "tcps://127.0.0.1:0",
    listen: { tls: { cert, key } },
    network: { logger },
  });
  await using peer = await RawPeer.connect(serving.port);
  peer.socket.write("hello, this is no TLS at all\n");
  await peer.over();
  expect(await logger.line(/TLS handshake failed/)).toContain(`tcps://127.0.0.1:${serving.port}`);
  expect(serving.links).toEqual([]);
});

test.each(["u32", "lines", "none"] as const)(
  "T21, %s: a peer that has ended its half still gets its reply",
  async (framing) => {
    await using serving = await Serving.start({
      tcp: { framing },
      onEnded(link) {
        link.send("answer");
        link.close();
      },
    });
    await using peer = await RawPeer.connect(serving.port);
    peer.socket.end(framing === "u32" ? "\0\0\0\x08question" : "question\n");
    await peer.closed;
    expect(peer.heard.toString()).toContain("answer");
    const served = await serving.next();
    expect(served.messages).toHaveLength(1);
    expect(await served.closed).toMatchObject({ by: "local", clean: true, bytesLost: 0 });
  },
);

test("a peer that ends closes a link whose holder has no use for its other half", async () => {
  await using serving = await Serving.start();
  await using peer = await RawPeer.connect(serving.port);
  peer.socket.end("all there is");
  const served = await serving.next();
  expect(await served.closed).toEqual({ by: "remote", clean: true, reason: "", retryable: true, bytesLost: 0 });
  await peer.until(() => peer.hasEnded);
});

test("a peer that resets: by the network, as connection-reset, with what was lost", async () => {
  await using serving = await Serving.start({ limits: { maxBufferedBytes: 64_000_000 } });
  await using peer = await RawPeer.connect(serving.port);
  const served = await serving.next();
  peer.socket.pause();
  for (let count = 0; count < 32; count++) served.link.send(new Uint8Array(1_000_000));
  await new Promise((resolve) => void setImmediate(resolve));
  peer.socket.resetAndDestroy();
  const info = await served.closed;
  expect(info).toMatchObject({ by: "network", clean: false, retryable: true, error: { code: "connection-reset" } });
  expect(info.bytesLost).toBeGreaterThan(0);
});

/** Moves the clock in steps that let the event loop pass, until the link has closed. */
async function closesAfter(clock: ManualClock, options: ServingOptions, bytes: string) {
  await using serving = await Serving.start({ ...options, network: { clock } });
  await using peer = await RawPeer.connect(serving.port);
  const served = await serving.next();
  if (bytes !== "") {
    const before = clock.pending;
    peer.socket.write(bytes);
    const isSeen = (): boolean => served.messages.length > 0 || clock.pending > before;
    while (!isSeen()) await new Promise((resolve) => void setImmediate(resolve));
  }
  const begin = clock.now();
  while (served.closeInfo === undefined && clock.now() - begin < 300_000) {
    clock.advance(1_000);
    await new Promise((resolve) => void setImmediate(resolve));
  }
  return { seconds: (clock.now() - begin) / 1_000, info: await served.closed };
}

test("T25: nothing within firstByteTimeoutMs", async () => {
  const { seconds, info } = await closesAfter(new ManualClock(), { listen: { firstByteTimeoutMs: 10_000 } }, "");
  expect(seconds).toBe(10);
  expect(info).toMatchObject({
    by: "local",
    error: { code: "timed-out", message: expect.stringContaining("10000 ms") },
  });
});

test.each([
  ["T26, u32", "u32", "\0\0\0\x05ab"],
  ["T26, lines", "lines", "a line that nothing ends"],
  ["T11, CR alone", "lines", "only carriage returns\rend\rthese\r"],
] as const)("%s: a message that does not become whole within frameTimeoutMs", async (_name, framing, bytes) => {
  const { seconds, info } = await closesAfter(new ManualClock(), { tcp: { framing, frameTimeoutMs: 10_000 } }, bytes);
  expect(seconds).toBe(10);
  expect(info.error).toMatchObject({
    code: "timed-out",
    message: expect.stringContaining("not whole within 10000 ms"),
  });
});

test("T28: nothing for idleTimeoutMs", async () => {
  const { seconds, info } = await closesAfter(new ManualClock(), { tcp: { idleTimeoutMs: 120_000 } }, "hello");
  expect(seconds).toBe(120);
  expect(info.error?.code).toBe("timed-out");
});

test("a holder that takes a rest does not make its peer idle, and afterwards the peer has the full time again", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ tcp: { idleTimeoutMs: 10_000 }, network: { clock } });
  await using peer = await RawPeer.connect(serving.port);
  const served = await serving.next();
  served.link.pause();
  peer.socket.write("held back");
  const isStopped = async (): Promise<boolean> => {
    await new Promise((resolve) => void setImmediate(resolve));
    return served.messages.length === 0;
  };
  for (let turns = 0; turns < 50; turns++) expect(await isStopped()).toBe(true);
  for (let steps = 0; steps < 60; steps++) clock.advance(1_000);
  expect(clock.pending).toBe(1);
  served.link.resume();
  await served.until(() => served.messages.length === 1);
  clock.advance(1);
  expect(served.closeInfo).toBe(undefined);
});

test.skipIf(process.platform === "win32")(
  "T29: a peer frozen with SIGSTOP while it is sent to: 1 MiB may wait for it, and after 15 s it is cut",
  { timeout: 30_000 },
  async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({
      tcp: { stallTimeoutMs: 15_000 },
      network: { clock },
      limits: { maxBufferedBytes: 1_048_576 },
    });
    const script = `
      const socket = require("net").connect(${serving.port}, "127.0.0.1");
      socket.once("data", () => console.log("reading"));
      socket.on("error", ({ code }) => console.log("cut:", code)).on("close", () => console.log("gone"));
    `;
    await using peer = Program.start(process.execPath, ["-e", script]);
    const served = await serving.next();
    served.link.send("hello");
    await peer.prints(/reading\n/);
    peer.signal("SIGSTOP");
    let sentBytes = 0;
    while (served.link.send(new Uint8Array(65_536)) !== "refused") {
      sentBytes += 65_536;
      expect(served.link.bufferedBytes).toBeLessThanOrEqual(1_048_576);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    expect(served.link.refusal).toBe("overflow");
    expect(served.link.bufferedBytes).toBeGreaterThan(1_048_576 - 65_536);
    clock.advance(14_999);
    expect(served.closeInfo).toBe(undefined);
    clock.advance(1);
    const info = await served.closed;
    expect(info).toMatchObject({ by: "local", clean: false, error: { code: "timed-out" } });
    expect(info.bytesLost).toBeGreaterThan(0);
    expect(info.bytesLost).toBeLessThanOrEqual(sentBytes);
    peer.signal("SIGCONT");
    await peer.prints(/gone\n/);
  },
);

test("a peer that takes nothing is cut after stallTimeoutMs, and what waited for it is counted as lost", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({
    tcp: { stallTimeoutMs: 15_000 },
    network: { clock },
    limits: { maxBufferedBytes: 1_048_576 },
  });
  await using peer = await RawPeer.connect(serving.port);
  peer.socket.pause();
  const served = await serving.next();
  while (served.link.send(new Uint8Array(262_144)) !== "refused")
    await new Promise((resolve) => void setImmediate(resolve));
  expect(served.link.refusal).toBe("overflow");
  clock.advance(14_999);
  expect(served.closeInfo).toBe(undefined);
  clock.advance(1);
  const info = await served.closed;
  expect(info).toMatchObject({ by: "local", clean: false, error: { code: "timed-out" } });
  expect(info.bytesLost).toBeGreaterThan(0);
});

test("T31: one peer more than maxLinks is refused, and the listener lives", async () => {
  await using serving = await Serving.start({ limits: { maxLinks: 3 } });
  await using one = await RawPeer.connect(serving.port);
  const first = await serving.next();
  await using two = await RawPeer.connect(serving.port);
  await using three = await RawPeer.connect(serving.port);
  for (let count = 0; count < 2; count++) await serving.next();
  await using four = await RawPeer.connect(serving.port);
  await four.over();
  expect(serving.links).toEqual([]);
  for (const peer of [one, two, three]) expect(peer.hasEnded).toBe(false);
  one.socket.destroy();
  await first.closed;
  await using five = await RawPeer.connect(serving.port);
  await serving.next();
  expect(five.hasEnded).toBe(false);
});

test("handshakes are limited in number and time", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({
    url: "tcps://127.0.0.1:0",
    listen: { tls: { cert, key } },
    limits: { maxHandshakes: 1, handshakeTimeoutMs: 5_000 },
    network: { clock },
  });
  await using silent = await RawPeer.connect(serving.port);
  while (clock.pending === 0) await new Promise((resolve) => void setImmediate(resolve));
  await using tooMany = await RawPeer.connect(serving.port);
  tooMany.socket.end();
  await tooMany.closed;
  expect(silent.socket.destroyed || silent.hasEnded).toBe(false);
  clock.advance(5_000);
  await silent.until(() => silent.hasEnded);
  await using again = {
    socket: connectTls({ host: "127.0.0.1", port: serving.port, ca: cert }),
    async [Symbol.asyncDispose]() {
      this.socket.destroy();
    },
  };
  again.socket.on("error", () => {});
  await serving.next();
});

test("T40: a send after end or close is refused as closed", async () => {
  await using serving = await Serving.start();
  await using peer = await RawPeer.connect(serving.port);
  const { link } = await serving.next();
  (link as typeof link & { end(): void }).end();
  expect([link.send("late"), link.refusal]).toEqual(["refused", "closed"]);
  await peer.until(() => peer.hasEnded);
  peer.socket.end();
  await peer.closed;
});

test("messages that came whole before a violation are delivered, even if a pause holds them back", async () => {
  await using serving = await Serving.start({ tcp: { framing: "u32" } });
  await using peer = await RawPeer.connect(serving.port);
  const served = await serving.next();
  served.link.pause();
  peer.socket.write(Buffer.concat([Buffer.from("\0\0\0\x01a\0\0\0\x01b"), Buffer.alloc(4, 255)]));
  await peer.over();
  expect(served.messages).toEqual([]);
  served.link.resume();
  expect((await served.closed).error?.code).toBe("too-large");
  expect(served.messages.map((each) => Buffer.from(each as Uint8Array).toString())).toEqual(["a", "b"]);
});
