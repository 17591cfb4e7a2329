import { execFile, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { promisify } from "node:util";
import { hasIpv6 } from "@polywire/conformance/testing";
import { completeLimits, Network, silentLogger, systemClock, Turn } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { describe, expect, test } from "vitest";
import { udp } from "../src/index.ts";
import type { LinkPlace } from "../src/link.ts";
import { completeOptions } from "../src/options.ts";
import { packet, TYPE } from "../src/packet.ts";
import { PlainLink } from "../src/plain-link.ts";
import { traitsFor } from "../src/settings.ts";
import type { Way } from "../src/way.ts";
import { lossyProxy } from "./lossy-proxy.ts";
import { RawPeer } from "./raw-peer.ts";
import { HeldLink, Serving } from "./serving.ts";

const RELIABLE = { udp: { mode: "reliable" } } as const;

describe("over real sockets", () => {
  test("U30: 10,000 messages through a proxy that loses a fifth and reorders", { timeout: 60_000 }, async () => {
    await using serving = await Serving.start(RELIABLE);
    await using proxy = await lossyProxy(serving.port, { seed: 1, loss: 0.2, reorder: 0.2 });
    const connection = await serving.network.connect(`udp://127.0.0.1:${proxy.port}`, { timeoutMs: 30_000 });
    const server = await serving.next();
    const sent = Array.from({ length: 10_000 }, (_, index) => `message ${index} ${"x".repeat(index % 20)}`);
    for (const text of sent) connection.send(text);
    expect(await server.texts(sent.length)).toEqual(sent);
  });

  test("U31: a sequenced link loses some, and never goes back", { timeout: 30_000 }, async () => {
    await using serving = await Serving.start({ udp: { mode: "sequenced" } });
    await using proxy = await lossyProxy(serving.port, { seed: 2, loss: 0, reorder: 0 });
    const connection = await serving.network.connect(`udp://127.0.0.1:${proxy.port}`);
    const server = await serving.next();
    Object.assign(proxy.weather, { loss: 0.2, reorder: 0.1 });
    for (let batch = 0; batch < 40; batch++) {
      for (let index = 0; index < 25; index++) connection.send(String(batch * 25 + index));
      const { forwarded } = proxy;
      while (proxy.forwarded < forwarded + 25) await new Promise((resolve) => void setImmediate(resolve));
    }
    Object.assign(proxy.weather, { loss: 0, reorder: 0 });
    connection.send("last");
    while (server.messages.at(-1) !== "last") await server.texts(server.messages.length + 1);
    const numbers = server.messages.slice(0, -1).map(Number);
    expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.length).toBeGreaterThanOrEqual(600);
    expect(serving.drops.late).toBeGreaterThan(0);
  });

  test.each(["plain", "sequenced"] as const)(
    "U31: of 1,000 datagrams three quarters arrive where a fifth is lost: %s",
    async (mode) => {
      await using serving = await Serving.start({ udp: { mode } });
      await using proxy = await lossyProxy(serving.port, { seed: 3, loss: 0, reorder: 0 });
      const connection = await serving.network.connect(`udp://127.0.0.1:${proxy.port}`);
      connection.send("first");
      const server = await serving.next();
      await server.texts(1);
      proxy.weather.loss = 0.2;
      for (let batch = 0; batch < 40; batch++) {
        const { forwarded } = proxy;
        for (let index = 0; index < 25; index++) connection.send(String(batch * 25 + index));
        while (proxy.forwarded < forwarded + 25) await new Promise((resolve) => void setImmediate(resolve));
      }
      proxy.weather.loss = 0;
      connection.send("last");
      let arrived = await server.texts(1);
      while (arrived.at(-1) !== "last") arrived = await server.texts(arrived.length + 1);
      expect(arrived.length - 2).toBeGreaterThanOrEqual(750);
      expect(new Set(arrived).size).toBe(arrived.length);
    },
  );

  test("a plain listener hears a Python program, and answers it", async () => {
    await using serving = await Serving.start();
    const script = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto("grüße".encode(), ("127.0.0.1", int(sys.argv[1])))
print(s.recvfrom(2048)[0].decode())
`;
    const python = new Promise<string>((resolve, reject) => {
      execFile("/usr/bin/python3", ["-c", script, String(serving.port)], (error, out) =>
        error === null ? resolve(out) : reject(error),
      );
    });
    const server = await serving.next();
    expect(await server.texts(1)).toEqual(["grüße"]);
    server.link.send("danke");
    expect(await python).toBe("danke\n");
  });

  test("a plain link talks to a socket that is not ours", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.on("message", (datagram, from) => socket.send(`echo ${datagram}`, from.port, from.address));
    const network = new Network({ protocols: [udp()] });
    const connection = await network.connect(`udp://127.0.0.1:${socket.address().port}`);
    const answered = new Promise((resolve) => void connection.on("data", (payload) => resolve(String(payload))));
    connection.send("hi");
    expect(await answered).toBe("echo hi");
    await network.close();
    socket.close();
  });
});

const NOBODY = { high: 9, low: 9 };

test.each([
  ["U01: nothing", Buffer.alloc(0)],
  ["U02: one byte", Buffer.from([0xf5])],
  ["U03: another magic byte", Buffer.alloc(40, 0x7b)],
  ["U04: an unknown version", Buffer.concat([Buffer.from([0xf5, 0x25]), Buffer.alloc(40)])],
  ["an unknown type", Buffer.concat([Buffer.from([0xf5, 0x1f]), Buffer.alloc(40)])],
  ["U06: 1,201 bytes", Buffer.alloc(1_201, 0xf5)],
  ["U11: a length beyond the datagram", packet(TYPE.data, NOBODY, 40).subarray(0, 50)],
  ["a reset of another link", packet(TYPE.reset, NOBODY, 0)],
  ["a close of another link", packet(TYPE.fin, NOBODY, 6)],
  ["a cookie for nobody", packet(TYPE.cookie, NOBODY, 36)],
])("a dialled link drops %s, and goes on", async (_what, datagram) => {
  for (const mode of ["sequenced", "reliable"] as const) {
    await using serving = await Serving.start({ udp: { mode } });
    await using proxy = await lossyProxy(serving.port, { seed: 1, loss: 0, reorder: 0 });
    const connection = await serving.network.connect(`udp://127.0.0.1:${proxy.port}`, { reconnect: false });
    const server = await serving.next();
    const echoed = new Promise((resolve) => void connection.on("data", (payload) => resolve(String(payload))));
    proxy.inject(datagram);
    server.link.send("still here");
    expect(await echoed).toBe("still here");
    await connection.close();
  }
});

describe("one port for two modes", () => {
  test("datagrams with our header go to the reliable listener, all others to the plain one", async () => {
    await using serving = await Serving.start();
    const reliable: HeldLink[] = [];
    const url = `udp://127.0.0.1:${serving.port}` as const;
    await serving.network.listen(url, (link) => void reliable.push(new HeldLink(link)), { mode: "reliable" });
    const client = await serving.network.connect(url, { mode: "reliable" });
    await using sensor = await RawPeer.to(serving.port);
    await sensor.send(Buffer.from('{"temperature":21}'));
    const plain = await serving.next();
    expect(await plain.texts(1)).toEqual(['{"temperature":21}']);
    client.send("reliably");
    expect(await reliable[0]?.texts(1)).toEqual(["reliably"]);
  });

  test("datagrams without a header are counted where no plain listener is", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using sensor = await RawPeer.to(serving.port);
    await sensor.send(Buffer.from('{"temperature":21}'));
    await sensor.cookie();
    expect(serving.drops.badMagic).toBe(1);
  });

  test("U41: a second listener of the same mode is refused, and so is another program's port", async () => {
    await using serving = await Serving.start();
    const url = `udp://127.0.0.1:${serving.port}` as const;
    await expect(serving.network.listen(url, () => {})).rejects.toMatchObject({ code: "address-in-use" });
    const other = new Network({ protocols: [udp()] });
    await expect(other.listen(url, () => {})).rejects.toMatchObject({ code: "address-in-use" });
    await other.close();
  });

  test("a listener's port is free for its network at once, and for others when its links have gone", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ ...RELIABLE, network: { clock } });
    const url = `udp://127.0.0.1:${serving.port}` as const;
    const client = await serving.network.connect(url);
    const server = await serving.next();
    await serving.closeListener();
    await expect(serving.network.connect(url)).rejects.toMatchObject({ code: "connection-refused" });
    await client.close();
    await server.closed;
    const other = new Network({ protocols: [udp()] });
    await expect(other.listen(url, () => {})).rejects.toMatchObject({ code: "address-in-use" });
    clock.advance(1_000);
    await serving.server.closed;
    await other.listen(url, () => {});
    await other.close();
  });
});

describe("a handshake", () => {
  test("tells admission the path, the query, the subprotocols and the metadata", async () => {
    const judged: unknown[] = [];
    await using serving = await Serving.start({
      ...RELIABLE,
      handler: {
        admit(peer) {
          judged.push([peer.path, peer.query, peer.offeredSubprotocols, peer.headers?.get("x-token"), peer.address]);
          return { accepted: true, subprotocol: "b" };
        },
      },
    });
    const url = `udp://127.0.0.1:${serving.port}/room?seat=4` as const;
    const metadata = new Map([["X-Token", "secret"]]);
    await serving.network.connect(url, { subprotocols: ["a", "b"], metadata });
    expect(judged).toEqual([["/room", "seat=4", ["a", "b"], "secret", "127.0.0.1"]]);
    const { link } = await serving.next();
    expect(link.peer.subprotocol).toBe("b");
    expect(link.peer.headers?.size).toBe(0);
  });

  test("that says more than one datagram holds is refused at the call, with its size", async () => {
    await using serving = await Serving.start(RELIABLE);
    const url = `udp://127.0.0.1:${serving.port}/${"x".repeat(1_200)}` as const;
    await expect(serving.network.connect(url)).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringMatching(/take 12\d\d bytes: a handshake carries 1140/),
    });
  });

  test("is begun anew by who does not hear the answer, and judged once", { timeout: 30_000 }, async () => {
    let verdicts = 0;
    const admit = (): { accepted: true } => {
      verdicts++;
      return { accepted: true };
    };
    await using serving = await Serving.start({ ...RELIABLE, handler: { admit } });
    await using proxy = await lossyProxy(serving.port, { seed: 3, loss: 0.3, reorder: 0 });
    await serving.network.connect(`udp://127.0.0.1:${proxy.port}`, { timeoutMs: 25_000 });
    expect(verdicts).toBe(1);
  });

  test("for a mode that nobody serves there is a refused connection", async () => {
    await using serving = await Serving.start(RELIABLE);
    const dial = serving.network.connect(`udp://127.0.0.1:${serving.port}`, { mode: "sequenced" });
    await expect(dial).rejects.toMatchObject({
      code: "connection-refused",
      message: /nobody listens there in sequenced/,
    });
  });
});

describe("a link that is lost", () => {
  test("a restarted server is noticed with the first datagram", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using restarted = await Serving.start(RELIABLE);
    await using proxy = await lossyProxy(serving.port, { seed: 4, loss: 0, reorder: 0 });
    const connection = await serving.network.connect(`udp://127.0.0.1:${proxy.port}`, { reconnect: false });
    const closed = new Promise((resolve) => void connection.on("close", resolve));
    proxy.serverPort = restarted.port;
    connection.send("still there?");
    expect(await closed).toMatchObject({ by: "network", error: { code: "connection-reset" } });
    expect(restarted.drops.unknownConnection).toBe(1);
  });

  test("the listener hears from a client that knows nothing of the link", async () => {
    await using serving = await Serving.start(RELIABLE);
    await using peer = await RawPeer.to(serving.port);
    await peer.connect();
    const server = await serving.next();
    await peer.send(packet(TYPE.unknown, { high: 0x01020304, low: 0x05060708 }, 0));
    expect(await server.closed).toMatchObject({ by: "network", clean: false, error: { code: "connection-reset" } });
  });

  test("U38: a plain link to a port that nobody has closes, and the process lives", async () => {
    const nobody = createSocket("udp4");
    nobody.bind(0, "127.0.0.1");
    await once(nobody, "listening");
    const { port } = nobody.address();
    await new Promise<void>((resolve) => void nobody.close(resolve));
    const network = new Network({ protocols: [udp()] });
    const connection = await network.connect(`udp://127.0.0.1:${port}`, { reconnect: false });
    const closed = new Promise((resolve) => void connection.on("close", resolve));
    connection.send("anybody?");
    expect(await closed).toMatchObject({ by: "network", error: { code: "connection-refused" } });
    await network.close();
  });

  test("a silent peer is asked after 15 s and given up after 60 s", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ ...RELIABLE, network: { clock } });
    await using peer = await RawPeer.to(serving.port);
    await peer.connect();
    const server = await serving.next();
    clock.advance(15_000);
    expect((await peer.next())[1]).toBe(0x10 | TYPE.ping);
    clock.advance(45_000);
    expect(await server.closed).toMatchObject({ by: "network", error: { code: "timed-out" } });
    clock.advance(1_000);
    expect(clock.pending).toBe(0);
  });

  test("a peer that acknowledges nothing is given up after giveUpMs", async () => {
    const clock = new ManualClock();
    await using serving = await Serving.start({ ...RELIABLE, network: { clock } });
    await using peer = await RawPeer.to(serving.port);
    await peer.connect();
    const server = await serving.next();
    server.link.send("hello?");
    await peer.next();
    clock.advance(33_000);
    const info = await server.closed;
    expect(info).toMatchObject({ by: "network", clean: false, error: { code: "timed-out" } });
    expect(info.error?.message).toMatch(/acknowledged nothing for 30000 ms/);
    expect(info.bytesLost).toBeGreaterThan(0);
  });
});

describe("options and addresses", () => {
  const network = new Network({ protocols: [udp()] });

  // biome-ignore format: a table
  test.each([
    [{ mod: "reliable" }, /unknown option "mod": did you mean "mode"/],
    [{ mode: "relyable" }, /mode is "relyable": did you mean "reliable"/],
    [{ maxDatagramBytes: 70_000 }, /maxDatagramBytes is 70000: give an integer from 1 to 65507/],
    [{ mode: "reliable", maxDatagramBytes: 100 }, /maxDatagramBytes is 100: the reliable mode needs 512/],
    [{ multicast: { ttl: 300 } }, /multicast\.ttl is 300: give an integer from 1 to 255/],
    [{ mode: "reliable", multicast: {} }, /mode is "reliable": multicast goes with the plain mode only/],
    [{ subprotocols: ["a"] }, /the plain mode has no handshake/],
  ])("connect refuses %o", async (options, message) => {
    const dial = network.connect("udp://127.0.0.1:9", options as object);
    await expect(dial).rejects.toMatchObject({ code: "invalid-argument", message });
  });

  test("U42: a group that is none cannot be joined", async () => {
    const listening = network.listen("udp://127.0.0.1:0", () => {}, { multicast: { group: "10.0.0.1" } });
    await expect(listening).rejects.toMatchObject({ message: /join the group 10\.0\.0\.1/ });
  });

  test("U43: a group of the other address family is named", async () => {
    const listening = network.listen("udp://127.0.0.1:0", () => {}, { multicast: { group: "ff02::1" } });
    await expect(listening).rejects.toMatchObject({
      code: "invalid-argument",
      message: /multicast\.group is "ff02::1": the listener at 127\.0\.0\.1 is of the other address family/,
    });
  });

  // A namespace of its own has no network at all. It takes the right to make one.
  const canUnshare = spawnSync("unshare", ["--net", "true"]).status === 0;
  test.runIf(canUnshare)("U39: without a network a dial says that there is no way", async () => {
    const program = `
      import { Network } from "@polywire/core";
      import { udp } from "@polywire/udp";
      const network = new Network({ protocols: [udp()] });
      const connection = await network.connect("udp://192.0.2.1:9", { reconnect: false }).catch((error) => {
        console.log(error.code);
      });
      if (connection !== undefined) {
        connection.on("close", ({ error }) => console.log(error.code));
        connection.send("anybody?");
      }
    `;
    const node = [process.execPath, "--conditions", "@polywire/source", "--input-type=module", "--eval", program];
    const { stdout } = await promisify(execFile)("unshare", ["--net", ...node], { cwd: import.meta.dirname });
    expect(stdout.trim()).toBe("host-unreachable");
  });

  test("U39: a link whose network went away closes and says so", async () => {
    const way: Way = { owner: undefined, transmit() {}, queuedBytes: 0, linger() {}, leave() {} };
    const host = {
      clock: systemClock,
      turn: new Turn(systemClock),
      random: Math.random,
      logger: silentLogger,
      limits: completeLimits(),
    };
    const place: LinkPlace = {
      traits: traitsFor("plain", 1_200),
      peer: { secure: false },
      host,
      options: completeOptions({}),
      way,
      dropped() {},
      gone() {},
      forgotten() {},
    };
    const held = new HeldLink(new PlainLink(place, true));
    way.owner?.failed(Object.assign(new Error("send ENETUNREACH"), { code: "ENETUNREACH" }));
    expect(await held.closed).toMatchObject({ by: "network", clean: false, error: { code: "host-unreachable" } });
  });

  // Linux refuses to send to everybody unless it is asked for.
  test.runIf(process.platform === "linux")("what the system says of an address rejects the dial", async () => {
    await expect(network.connect("udp://255.255.255.255:9")).rejects.toMatchObject({ code: "permission-denied" });
  });

  test("a URL without a port names nobody to dial", async () => {
    await expect(network.connect("udp://127.0.0.1")).rejects.toMatchObject({ message: /names no port/ });
  });

  test("a listener in a multicast group hears what is sent to the group", async () => {
    await using serving = await Serving.start({
      url: "udp://0.0.0.0:0",
      listen: { multicast: { group: "239.255.7.7", interface: "127.0.0.1" } },
    });
    const group = `udp://239.255.7.7:${serving.port}` as const;
    const connection = await serving.network.connect(group, {
      multicast: { interface: "127.0.0.1", ttl: 1, loopback: true },
    });
    connection.send("to all of you");
    expect(await (await serving.next()).texts(1)).toEqual(["to all of you"]);
  });

  test.runIf(hasIpv6)("IPv6 peers are known by their address", async () => {
    await using serving = await Serving.start({ url: "udp://[::1]:0" });
    await using peer = await RawPeer.to(serving.port, "::1");
    await peer.send(Buffer.from("six"));
    const { link } = await serving.next();
    expect(link.peer.address).toBe("::1");
  });
});
