import type { Socket } from "node:dgram";
import { ManualClock } from "@polywire/core/testing";
import { describe, expect, test } from "vitest";
import type { DropReason } from "../src/index.ts";
import { HEADER_BYTES, MAGIC, packet, pingPacket, TYPE, typeOf } from "../src/packet.ts";
import type { UdpServer } from "../src/server.ts";
import { dataPacket } from "./lossy-wire.ts";
import { RawPeer } from "./raw-peer.ts";
import { HeldLink, Serving } from "./serving.ts";

const RELIABLE = { udp: { mode: "reliable" } } as const;
const NOBODY = { high: 9, low: 9 };

describe("datagrams that are dropped without an answer, each counted for its reason", () => {
  const changed = (change: (hello: Buffer) => Buffer | undefined): ((peer: RawPeer) => Buffer) => {
    return (peer) => {
      const hello = peer.hello();
      return change(hello) ?? hello;
    };
  };
  // biome-ignore format: a table
  const rows: readonly (readonly [string, DropReason, (peer: RawPeer) => Buffer])[] = [
    ["U01: an empty datagram", "empty", () => Buffer.alloc(0)],
    ["U02: one byte", "short", () => Buffer.from([MAGIC])],
    ["U03: another magic byte", "badMagic", changed((hello) => void (hello[0] = 0x7b))],
    ["U04: an unknown version", "badVersion", changed((hello) => void (hello[1] = 0x21))],
    ["an unknown type", "badType", changed((hello) => void (hello[1] = 0x1f))],
    ["U06: 1,201 bytes", "tooLarge", changed((hello) => Buffer.concat([hello, Buffer.alloc(1)]))],
    ["U07: 65,507 bytes", "tooLarge", () => Buffer.alloc(65_507, MAGIC)],
    ["U11: a length beyond the datagram", "badLength", changed((hello) => hello.subarray(0, 1_100))],
    ["U12: a length short of the datagram", "badLength", changed((hello) => void hello.writeUInt16BE(600, 10))],
    ["U15: 65,535 as the length of the path", "badHello", changed((hello) => void hello.writeUInt16BE(65_535, HEADER_BYTES + 12))],
    ["255 header fields", "badHello", changed((hello) => void (hello[HEADER_BYTES + 12 + 2 + 4 + 2 + 1] = 255))],
    ["a mode that does not exist", "badHello", changed((hello) => void (hello[HEADER_BYTES + 8] = 7))],
    ["a cookie of another length", "badHello", changed((hello) => void (hello[HEADER_BYTES + 11] = 12))],
    ["U05, U18: a cookie that is wrong", "badCookie", (peer) => peer.hello("reliable", Buffer.alloc(36, 7))],
    ["a reset of a link that is not there", "unknownConnection", () => packet(TYPE.reset, NOBODY, 0)],
    ["a pong of a link that is not there", "unknownConnection", () => pingPacket(TYPE.pong, NOBODY, 1)],
  ];

  test.each(rows)("%s", async (_name, reason, datagram) => {
    await using serving = await Serving.start(RELIABLE);
    await using peer = await RawPeer.to(serving.port);
    await peer.send(datagram(peer));
    // What comes after it is answered: by then it has had its answer, if it got one.
    await peer.cookie();
    expect(peer.received).toEqual([]);
    expect(serving.drops[reason]).toBe(1);
    expect(Object.values(serving.drops).reduce((sum, count) => sum + count)).toBe(1);
  });

  test("U09: a datagram from the listener's own address", async () => {
    await using serving = await Serving.start({ url: "udp://0.0.0.0:0" });
    const { socket } = serving.server as unknown as { socket: Socket };
    socket.send("loop", serving.port, "127.0.0.1");
    await using peer = await RawPeer.to(serving.port);
    await peer.send(Buffer.from("real"));
    const link = await serving.next();
    expect(await link.texts(1)).toEqual(["real"]);
    expect(serving.drops.loop).toBe(1);
    expect(serving.links).toEqual([]);
  });

  test("U19: a cookie that was given to another address", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using one = await RawPeer.to(serving.port);
    await using other = await RawPeer.to(serving.port);
    await other.send(other.hello("reliable", await one.cookie()));
    await other.cookie();
    expect(other.received).toEqual([]);
    expect(serving.drops.badCookie).toBe(1);
  });

  test("U20: a cookie older than 30 s", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ ...RELIABLE, network: { clock } });
    await using peer = await RawPeer.to(serving.port);
    const cookie = await peer.cookie();
    clock.advance(31_000);
    await peer.send(peer.hello("reliable", cookie));
    await peer.cookie();
    expect(peer.received).toEqual([]);
    expect(serving.drops.expiredCookie).toBe(1);
  });

  test("U22: a segment far ahead, and U16: one that came before", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using peer = await RawPeer.to(serving.port);
    const id = await peer.connect();
    const send = async (number: number): Promise<void> => {
      const datagram = dataPacket({ packetNumber: number, number, payload: new Uint8Array([2, number & 0xff]) });
      datagram.writeUInt32BE(id.high, 2);
      datagram.writeUInt32BE(id.low, 6);
      await peer.send(datagram);
    };
    await send(0);
    await send(9_000);
    await send(0);
    await send(1);
    const link = await serving.next();
    await link.texts(2);
    expect(serving.drops).toMatchObject({ tooFarAhead: 1, duplicate: 1 });
  });

  test("a datagram of a link that comes from elsewhere", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using peer = await RawPeer.to(serving.port);
    await using thief = await RawPeer.to(serving.port);
    const id = await peer.connect();
    await thief.send(packet(TYPE.reset, id, 0));
    await thief.cookie();
    expect(serving.drops.wrongAddress).toBe(1);
    expect((await serving.next()).closeInfo).toBeUndefined();
  });

  test("U24: text that is none loses its link, with the reason", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using peer = await RawPeer.to(serving.port);
    const id = await peer.connect();
    const datagram = dataPacket({ packetNumber: 0, number: 0, payload: new Uint8Array([3, 0xff]) });
    datagram.writeUInt32BE(id.high, 2);
    datagram.writeUInt32BE(id.low, 6);
    await peer.send(datagram);
    await peer.next();
    await peer.send(packet(TYPE.unknown, { high: 0x01020304, low: 0x05060708 }, 0));
    const info = await (await serving.next()).closed;
    expect(info).toMatchObject({ by: "local", clean: false, error: { code: "protocol-violation" } });
  });
});

describe("amplification", () => {
  test("U25: no answer to an address that is not proven is larger than its question", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using peer = await RawPeer.to(serving.port);
    for (const datagram of [peer.hello(), pingPacket(TYPE.ping, NOBODY, 1)]) {
      await peer.send(datagram);
      expect((await peer.next()).length).toBeLessThanOrEqual(datagram.length);
    }
    expect(peer.received).toEqual([]);
  });

  test("U25: a hello too short for its answer gets none", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using peer = await RawPeer.to(serving.port);
    const short = Buffer.from(peer.hello().subarray(0, 40));
    short.writeUInt16BE(40, 10);
    await peer.send(short);
    await peer.cookie();
    expect(peer.received).toEqual([]);
    expect(serving.drops.badHello).toBe(1);
  });

  test("U25: a plain listener sends three bytes for each that came, and refuses more", async () => {
    await using serving = await Serving.start();
    await using peer = await RawPeer.to(serving.port);
    await peer.send(Buffer.alloc(10, 0x61));
    const { link } = await serving.next();
    expect(link.send("x".repeat(30))).toBe("sent");
    expect(link.send("y")).toBe("refused");
    expect(link.refusal).toBe("overflow");
    await peer.send(Buffer.alloc(1, 0x61));
    const answers = [await peer.next()];
    expect(answers.map(String)).toEqual(["x".repeat(30)]);
  });

  // Other systems have no second loopback address to be another source.
  test.runIf(process.platform === "linux")("U27: one source is held to its rate, and others are not", async () => {
    const clock = new ManualClock();
    const warnings: unknown[] = [];
    const log = (level: string, _target: string, _message: string, fields?: object): void => {
      if (level === "warn") warnings.push(fields);
    };
    await using serving = await Serving.start({
      url: "udp://0.0.0.0:0",
      listen: { maxDatagramsPerSecond: 100 },
      network: { clock, logger: { log } },
    });
    await using flood = await RawPeer.to(serving.port);
    await using control = await RawPeer.to(serving.port, "127.0.0.2");
    for (let count = 0; count < 150; count++) await flood.send(Buffer.from("flood"));
    const link = await serving.next();
    while (serving.drops.rateLimited < 50) await new Promise((resolve) => void setImmediate(resolve));
    for (let count = 0; count < 20; count++) await control.send(Buffer.from(String(count)));
    expect(await (await serving.next()).texts(20)).toEqual(Array.from({ length: 20 }, (_, count) => String(count)));
    clock.advance(100);
    await flood.send(Buffer.from("more"));
    expect((await link.texts(101)).at(-1)).toBe("more");
    expect(serving.drops.rateLimited).toBe(50);
    expect(warnings).toEqual([{ address: "127.0.0.1", port: serving.port, maxDatagramsPerSecond: 100 }]);
  });
});

describe("what is remembered is bounded", () => {
  test("the plain peer that was silent the longest makes room", async () => {
    await using serving = await Serving.start({ listen: { maxPeers: 2 } });
    const peers = [await RawPeer.to(serving.port), await RawPeer.to(serving.port), await RawPeer.to(serving.port)];
    const [first, second, third] = peers as [RawPeer, RawPeer, RawPeer];
    await first.send(Buffer.from("1"));
    const one = await serving.next();
    await second.send(Buffer.from("2"));
    const two = await serving.next();
    await first.send(Buffer.from("again"));
    await one.texts(2);
    await third.send(Buffer.from("3"));
    await serving.next();
    expect((await two.closed).error?.code).toBe("limit-reached");
    expect(one.closeInfo).toBeUndefined();
    expect(serving.drops.full).toBe(1);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  test("a plain peer that falls silent is forgotten", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ network: { clock } });
    await using peer = await RawPeer.to(serving.port);
    await peer.send(Buffer.from("hello"));
    const link = await serving.next();
    await link.texts(1);
    clock.advance(80_000);
    expect(await link.closed).toMatchObject({ by: "network", error: { code: "timed-out" } });
    expect(clock.pending).toBe(0);
  });

  test("a refused peer that goes on sending is judged once, and keeps no silent one alive", async () => {
    const clock = new ManualClock();
    let verdicts = 0;
    await using serving = await Serving.start({
      network: { clock },
      handler: {
        link: (link) => void links.push(new HeldLink(link)),
        admit: () => (verdicts++ === 0 ? { accepted: false, status: 403, reason: "no" } : { accepted: true }),
      },
    });
    const links: HeldLink[] = [];
    await using refused = await RawPeer.to(serving.port);
    await using silent = await RawPeer.to(serving.port);
    const knock = async (count: number): Promise<void> => {
      await refused.send(Buffer.from("let me in"));
      while (serving.drops.refused < count) await new Promise((resolve) => void setImmediate(resolve));
    };
    await knock(1);
    await silent.send(Buffer.from("once"));
    while (links.length === 0) await new Promise((resolve) => void setImmediate(resolve));
    clock.advance(50_000);
    await knock(2);
    clock.advance(30_000);
    expect((await links[0]?.closed)?.error?.code).toBe("timed-out");
    expect(verdicts).toBe(2);
    expect(refused.received).toEqual([]);
  });

  test("established links are never evicted: further peers are refused", async () => {
    await using serving = await Serving.start({ ...RELIABLE, listen: { maxPeers: 1 } });
    await using peer = await RawPeer.to(serving.port);
    await peer.connect();
    await using late = await RawPeer.to(serving.port);
    await late.send(late.hello("reliable", await late.cookie()));
    const answer = await late.next();
    expect(typeOf(answer)).toBe(TYPE.refuse);
    expect(answer.readUInt16BE(HEADER_BYTES)).toBe(503);
    expect((await serving.next()).closeInfo).toBeUndefined();
  });

  test("U35: messages that are never completed are bounded together, and who stalls for 5 s makes room", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({
      ...RELIABLE,
      listen: { maxReassemblyBytes: 10_000 },
      network: { clock },
    });
    await using peer = await RawPeer.to(serving.port);
    const begin = async (low: number): Promise<HeldLink> => {
      const id = await peer.connect("reliable", { high: 0, low });
      // 1,000,000 bytes are announced, a thousand come.
      const payload = Buffer.concat([Buffer.from([0x80, 0x89, 0x7a]), Buffer.alloc(1_000)]);
      const datagram = dataPacket({ packetNumber: 0, number: 0, payload });
      datagram.writeUInt32BE(id.high, 2);
      datagram.writeUInt32BE(id.low, 6);
      await peer.send(datagram);
      return serving.next();
    };
    const { reassembly } = serving.server as unknown as { reassembly: { bytes: number } };
    const arrived = async (bytes: number): Promise<void> => {
      while (reassembly.bytes !== bytes) await new Promise((resolve) => void setImmediate(resolve));
    };
    const first = await begin(1);
    const others: HeldLink[] = [];
    for (let low = 2; low <= 10; low++) others.push(await begin(low));
    await arrived(10_000);
    const greedy = await begin(11);
    expect((await greedy.closed).error?.code).toBe("limit-reached");
    expect(first.closeInfo).toBeUndefined();
    clock.advance(5_000);
    const late = await begin(12);
    expect((await first.closed).error?.code).toBe("limit-reached");
    expect(late.closeInfo).toBeUndefined();
    expect(reassembly.bytes).toBe(10_000);
    // The clock stands still: nobody would wait for their peer in vain.
    for (const { link } of [late, ...others]) link.close({ discard: true });
  });

  test("U35: half a message without the rest loses its link after giveUpMs", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ ...RELIABLE, network: { clock } });
    await using peer = await RawPeer.to(serving.port);
    const id = await peer.connect();
    const datagram = dataPacket({ packetNumber: 0, number: 0, payload: new Uint8Array([200, 1, 1, 2, 3]) });
    datagram.writeUInt32BE(id.high, 2);
    datagram.writeUInt32BE(id.low, 6);
    await peer.send(datagram);
    const server = await serving.next();
    await peer.send(peer.hello());
    await peer.nextOf(TYPE.cookie);
    clock.advance(30_000);
    expect(await server.closed).toMatchObject({ by: "local", clean: false, error: { code: "timed-out" } });
  });

  test("U35: 2,000 peers that vanish amid a message are forgotten 5 s after they are given up", {
    timeout: 60_000,
  }, async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({
      ...RELIABLE,
      listen: { maxDatagramsPerSecond: 1_000_000 },
      network: { clock },
    });
    await using peer = await RawPeer.to(serving.port);
    const links: HeldLink[] = [];
    for (let low = 1; low <= 2_000; low++) {
      const id = await peer.connect("reliable", { high: 0, low });
      const half = Buffer.concat([Buffer.from([0x80, 0x89, 0x7a]), Buffer.alloc(100)]);
      // Every other peer leaves half a message; the others leave a piece beyond a gap.
      const datagram = dataPacket({ packetNumber: 0, number: low % 2, payload: half });
      datagram.writeUInt32BE(id.high, 2);
      datagram.writeUInt32BE(id.low, 6);
      await peer.send(datagram);
      links.push(await serving.next());
    }
    const server = serving.server as unknown as UdpServer;
    while (server.reassembly.bytes < 1_000 * (100 + 103)) await new Promise((resolve) => void setImmediate(resolve));
    clock.advance(30_000);
    expect(server.reassembly.bytes).toBe(0);
    const ends = await Promise.all(links.map(({ closed }) => closed));
    expect(ends.every(({ error }) => error?.code === "timed-out")).toBe(true);
    clock.advance(5_000);
    expect(server.connections.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("U35: a peer owes nothing while its holder rests, and then has the full time", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ ...RELIABLE, network: { clock } });
    await using peer = await RawPeer.to(serving.port);
    const id = await peer.connect();
    const server = await serving.next();
    const { reassembly } = serving.server as unknown as UdpServer;
    server.link.pause();
    const half = Buffer.concat([Buffer.from([200, 1]), Buffer.alloc(50)]);
    const datagram = dataPacket({ packetNumber: 0, number: 0, payload: half });
    datagram.writeUInt32BE(id.high, 2);
    datagram.writeUInt32BE(id.low, 6);
    await peer.send(datagram);
    while (reassembly.bytes < half.length) await new Promise((resolve) => void setImmediate(resolve));
    clock.advance(29_000);
    server.link.resume();
    clock.advance(29_000);
    expect(server.closeInfo).toBeUndefined();
    clock.advance(1_000);
    expect((await server.closed).error?.message).toMatch(/the rest of a message did not come within 30000 ms/);
  });

  test("a hello makes no state before its cookie has come back", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ ...RELIABLE, network: { clock } });
    await using peer = await RawPeer.to(serving.port);
    for (let low = 1; low <= 50; low++) await peer.cookie("reliable", { high: 0, low });
    expect(clock.pending).toBe(0);
    expect(serving.links).toEqual([]);
  });
});
