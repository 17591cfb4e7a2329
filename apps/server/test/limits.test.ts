import { once } from "node:events";
import fs from "node:fs";
import { connect as connectHttp2, type Settings } from "node:http2";
import { connect, type Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import { makeCertificate } from "@polywire/conformance/testing";
import { type Clock, Network, silentLogger, systemClock } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { udp } from "@polywire/udp";
import { afterAll, describe, expect, test } from "vitest";
import { type ListenScheme, listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import { SETTINGS } from "../src/config/schema.ts";
import { type RunningServer, startServer } from "../src/server.ts";

/* Each limit of the configuration, set low, with all others at their defaults: it must hold by itself. */

interface Message {
  readonly id?: number;
  readonly error?: { readonly code: number };
  readonly push?: { readonly channel?: string; readonly disconnect?: { readonly code: number } };
  readonly [result: string]: unknown;
}

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-limits-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const CHANNELS = `
channels:
  - { match: "kept*", publish: clients, history: { size: 100, ttl: 60s }, recovery: true, read: clients }
  - { match: "room*", presence: true, joinLeave: true }
  - { match: small, maxSubscribers: 1 }
  - { match: "*", publish: clients }
`;

/** A client that says JSON in lines over TCP, and may stop reading. */
class Client {
  readonly #socket: Socket;
  readonly #received: Message[] = [];
  #rest = "";
  #waiting: (() => void)[] = [];
  #isClosed = false;
  #lastId = 0;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk: Buffer) => {
      const lines = `${this.#rest}${chunk.toString()}`.split("\n");
      this.#rest = lines.pop() ?? "";
      this.#received.push(...lines.map((line) => JSON.parse(line) as Message));
      this.#wake();
    });
    this.#socket.on("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  stall(): void {
    this.#socket.pause();
  }

  say(...commands: readonly object[]): void {
    this.#socket.write(`${commands.map((command) => JSON.stringify(command)).join("\n")}\n`);
  }

  /** The first thing that is so, of everything that came. */
  async first(isSo: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.#received.find(isSo);
      if (found !== undefined) return found;
      if (this.#isClosed) throw new Error(`closed after ${JSON.stringify(this.#received)}`);
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async ask(command: object): Promise<Message> {
    const id = ++this.#lastId;
    this.say({ id, ...command });
    return await this.first((message) => message.id === id);
  }

  async errorOf(command: object): Promise<number | undefined> {
    return (await this.ask(command)).error?.code;
  }

  async connected(): Promise<this> {
    expect(await this.ask({ connect: {} })).toHaveProperty("connect");
    return this;
  }

  async subscribed(channel: string): Promise<this> {
    expect(await this.ask({ subscribe: { channel } })).toHaveProperty("subscribe");
    return this;
  }

  async publish(channel: string, bytes: number): Promise<void> {
    expect(await this.ask({ publish: { channel, data: "x".repeat(bytes) } })).toHaveProperty("publish");
  }

  /** The code of its end. */
  async end(): Promise<number | undefined> {
    return (await this.first(({ push }) => push?.disconnect !== undefined)).push?.disconnect?.code;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The system's clock, but that the time it tells stands still: nobody is allowed more for having waited. */
function standingClock(): Clock {
  const nowMs = systemClock.now();
  return {
    now: () => nowMs,
    wallTime: () => systemClock.wallTime(),
    setTimer: (callback, delayMs, options) => systemClock.setTimer(callback, delayMs, options),
    endOfTurn: (callback) => systemClock.endOfTurn(callback),
  };
}

class LimitedServer implements AsyncDisposable {
  readonly #running: RunningServer;
  readonly #clients: Client[] = [];

  private constructor(running: RunningServer) {
    this.#running = running;
  }

  /** The server with one key set and no other: `limits.clients: 1`. */
  static async with(
    key: string,
    value: string | number,
    { more = "", clock = systemClock }: { readonly more?: string; readonly clock?: Clock } = {},
  ): Promise<LimitedServer> {
    const [section, name] = key.split(".");
    const file = path.join(directory, `${name}.yaml`);
    fs.writeFileSync(file, `${section}: { ${name}: ${value}${more} }\n${CHANNELS}`);
    const listen = (["http", "tcp", "udp", "grpc"] as const).map((scheme) => ({
      ...listenAddress("127.0.0.1", 0, scheme),
      pong: true,
    }));
    const config = { ...loadConfig(file, {}).config, listen, internal: [listenAddress("127.0.0.1", 0)] };
    return new LimitedServer(await startServer(config, { logger: silentLogger, clock }));
  }

  get webPort(): number {
    return this.#running.listen[0]?.port ?? 0;
  }

  /** Where the server is for those who do not come over the web. */
  lowerPort(scheme: ListenScheme): number {
    return this.#running.listen.find((one) => one.scheme === scheme)?.port ?? 0;
  }

  client(): Client {
    const client = new Client(this.lowerPort("tcp"));
    this.#clients.push(client);
    return client;
  }

  connected(): Promise<Client> {
    return this.client().connected();
  }

  async subscriber(channel: string): Promise<Client> {
    return await (await this.connected()).subscribed(channel);
  }

  /** A client's request for a stream, as browsers ask for one. */
  async stream(): Promise<Response> {
    const connecting = encodeURIComponent('{"id":1,"connect":{}}');
    const response = await fetch(`http://127.0.0.1:${this.webPort}/connection/sse?cf_connect=${connecting}`);
    await response.body?.cancel();
    return response;
  }

  async stats(): Promise<Record<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.#running.internal[0]?.port}/health`);
    return ((await response.json()) as { readonly hub: Record<string, number> }).hub;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#running.stop();
  }
}

/** A peer that says something to the server's web address and nothing more, until it is closed; what it was told. */
async function silentPeer(port: number, said: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let told = "";
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    told += chunk.toString("latin1");
  });
  socket.write(said, "latin1");
  await once(socket, "close");
  return told;
}

const UPGRADE = [
  "GET /connection/websocket HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n",
].join("\r\n");

/** A text message with no more in it than a mask of zeros needs: `nonsense`. */
const NONSENSE = "\x81\x88\0\0\0\0nonsense";

async function http2Settings(server: LimitedServer): Promise<Settings> {
  const connection = connectHttp2(`http://127.0.0.1:${server.lowerPort("grpc")}`);
  const [settings] = (await once(connection, "remoteSettings")) as [Settings];
  connection.destroy();
  return settings;
}

/** Fills the queues of clients that read nothing until the server has cut some. */
async function fillUntil(server: LimitedServer, channels: readonly string[], counter: string): Promise<number> {
  const publisher = await server.connected();
  for (let round = 0; round < 60; round++) {
    for (const channel of channels) await publisher.publish(channel, 250_000);
    const count = (await server.stats())[counter] ?? 0;
    if (count > 0) return count;
  }
  return 0;
}

const TRIALS: ReadonlyMap<string, () => Promise<void>> = new Map([
  [
    "limits.clients",
    async () => {
      await using server = await LimitedServer.with("limits.clients", 1);
      expect((await server.stream()).status).toBe(200);
      await using other = await LimitedServer.with("limits.clients", 1);
      await other.connected();
      expect(await streamEnd(other)).toContain('"code":3013');
    },
  ],
  [
    "limits.clientsPerAddress",
    async () => {
      await using server = await LimitedServer.with("limits.clientsPerAddress", 1);
      const first = await server.connected();
      expect(await server.client().end()).toBe(3013);
      first.close();
      while (((await server.stats())["sessions"] ?? 0) > 0);
      await server.connected();
    },
  ],
  [
    "limits.connectsPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.connectsPerSecond", 1, { clock: standingClock() });
      expect((await server.stream()).status).toBe(200);
      const refused = await server.stream();
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
      // A page is no client.
      expect((await fetch(`http://127.0.0.1:${server.webPort}/`)).status).toBe(200);
    },
  ],
  [
    "limits.connectsPerSecondPerAddress",
    async () => {
      await using server = await LimitedServer.with("limits.connectsPerSecondPerAddress", 1, {
        clock: standingClock(),
      });
      expect((await server.stream()).status).toBe(200);
      expect((await server.stream()).status).toBe(503);
    },
  ],
  [
    "limits.handshakes",
    async () => {
      const { cert, key } = makeCertificate({ name: "test", hosts: ["127.0.0.1"] });
      const tls = { certFile: path.join(directory, "cert.pem"), keyFile: path.join(directory, "key.pem") };
      fs.writeFileSync(tls.certFile, cert);
      fs.writeFileSync(tls.keyFile, key);
      const { config } = loadConfig(undefined, { POLYWIRE_LIMITS_HANDSHAKES: "1" });
      const listen = [{ ...listenAddress("127.0.0.1", 0, "tcps"), pong: true, tls }];
      const server = await startServer({ ...config, listen, internal: [] }, { logger: silentLogger });
      const silent = connect(server.listen[0]?.port ?? 0, "127.0.0.1");
      await once(silent, "connect");
      expect(await silentPeer(server.listen[0]?.port ?? 0, "")).toBe("");
      expect(silent.destroyed || silent.readableEnded).toBe(false);
      silent.destroy();
      await server.stop();
    },
  ],
  [
    "limits.handshakeTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.handshakeTimeout", "200ms");
      expect(await silentPeer(server.webPort, "GET / HTTP/1.1\r\nHost:")).toContain("408");
    },
  ],
  [
    "limits.closeTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.closeTimeout", "200ms");
      // A close of the server's, to which nothing is said; without the limit that takes 5 s.
      const begun = performance.now();
      expect(await silentPeer(server.webPort, `${UPGRADE}${NONSENSE}`)).toContain("bad request");
      expect(performance.now() - begun).toBeLessThan(4_500);
    },
  ],
  [
    "limits.requestTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.requestTimeout", "100ms");
      // No less than the time for a handshake, which is 10 s; without the limit it takes 30 s.
      const begun = performance.now();
      const request = "POST /connection/http_stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n";
      expect(await silentPeer(server.webPort, request)).toContain("408");
      expect(performance.now() - begun).toBeLessThan(28_000);
    },
  ],
  [
    "limits.keepAliveTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.keepAliveTimeout", "2s");
      expect(await silentPeer(server.webPort, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).toContain(
        "timeout=2",
      );
    },
  ],
  [
    "limits.frameTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.frameTimeout", "200ms");
      // Half a command. Not connected in time it would be told 3502.
      expect(await silentPeer(server.lowerPort("tcp"), '{"id":1,"conn')).not.toContain("3502");
    },
  ],
  [
    "limits.streamsPerConnection",
    async () => {
      await using server = await LimitedServer.with("limits.streamsPerConnection", 3);
      expect((await http2Settings(server)).maxConcurrentStreams).toBe(3);
    },
  ],
  [
    "limits.metadataBytes",
    async () => {
      await using server = await LimitedServer.with("limits.metadataBytes", "2KiB");
      expect((await http2Settings(server)).maxHeaderListSize).toBe(2_048);
    },
  ],
  [
    "limits.connectionAge",
    async () => {
      await using server = await LimitedServer.with("limits.connectionAge", "100ms");
      const connection = connectHttp2(`http://127.0.0.1:${server.lowerPort("grpc")}`);
      const [code] = (await once(connection, "goaway")) as [number];
      expect(code).toBe(0);
      connection.destroy();
    },
  ],
  [
    "limits.datagramPeers",
    async () => {
      await using server = await LimitedServer.with("limits.datagramPeers", 1);
      await using network = new Network({ protocols: [udp()] });
      const url = `udp://127.0.0.1:${server.lowerPort("udp")}` as const;
      await network.connect(url, { mode: "reliable", reconnect: false });
      await expect(network.connect(url, { mode: "reliable", reconnect: false, timeoutMs: 2_000 })).rejects.toThrow(
        /too many|503/,
      );
    },
  ],
  [
    "limits.datagramsPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.datagramsPerSecond", 1);
      await using network = new Network({ protocols: [udp()] });
      const url = `udp://127.0.0.1:${server.lowerPort("udp")}` as const;
      // A handshake takes two.
      await expect(network.connect(url, { mode: "reliable", reconnect: false, timeoutMs: 400 })).rejects.toThrow(
        /in time|timed out|within/,
      );
    },
  ],
  [
    "limits.messageBytes",
    async () => {
      await using server = await LimitedServer.with("limits.messageBytes", "1KiB");
      const client = await server.connected();
      await client.publish("a", 1_000);
      expect(await client.errorOf({ publish: { channel: "a", data: "x".repeat(1_100) } })).toBe(107);
    },
  ],
  [
    "limits.queueBytes",
    async () => {
      await using server = await LimitedServer.with("limits.queueBytes", "1MiB");
      (await server.subscriber("a")).stall();
      expect(await fillUntil(server, ["a"], "slowConsumers")).toBe(1);
      expect((await server.stats())["budgetCuts"]).toBe(0);
    },
  ],
  [
    "limits.totalQueueBytes",
    async () => {
      await using server = await LimitedServer.with("limits.totalQueueBytes", "4MiB");
      const channels = ["a", "b", "c", "d"];
      for (const channel of channels) (await server.subscriber(channel)).stall();
      expect(await fillUntil(server, channels, "budgetCuts")).toBeGreaterThan(0);
    },
  ],
  [
    "limits.commandsPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.commandsPerSecond", 5, { clock: standingClock() });
      const client = await server.connected();
      const errors = [];
      for (let count = 0; count < 11; count++) errors.push(client.errorOf({ presence: { channel: "a" } }));
      expect(await Promise.all(errors)).toEqual([...Array<number>(10).fill(108), 111]);
    },
  ],
  [
    "limits.publishesPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.publishesPerSecond", 1, { clock: standingClock() });
      const client = await server.connected();
      const errors = [];
      for (let count = 0; count < 3; count++) errors.push(client.errorOf({ publish: { channel: "a", data: 1 } }));
      expect(await Promise.all(errors)).toEqual([undefined, undefined, 111]);
      expect(await client.errorOf({ presence: { channel: "a" } })).toBe(108);
    },
  ],
  [
    "limits.commandsPerFrame",
    async () => {
      await using server = await LimitedServer.with("limits.commandsPerFrame", 2);
      const socket = new WebSocket(`ws://127.0.0.1:${server.webPort}/connection/websocket`);
      await once(socket, "open");
      const commands = [1, 2, 3].map((id) =>
        JSON.stringify(id === 1 ? { id, connect: {} } : { id, presence: { channel: "a" } }),
      );
      socket.send(commands.join("\n"));
      const [close] = (await once(socket, "close")) as [CloseEvent];
      expect(close.code).toBe(3501);
    },
  ],
  [
    "limits.badCommands",
    async () => {
      await using server = await LimitedServer.with("limits.badCommands", 2);
      const client = await server.connected();
      const tooLong = { subscribe: { channel: "x".repeat(300) } };
      expect(await client.errorOf(tooLong)).toBe(107);
      client.say({ id: 99, ...tooLong });
      expect(await client.end()).toBe(3509);
    },
  ],
  [
    "limits.channelsPerClient",
    async () => {
      await using server = await LimitedServer.with("limits.channelsPerClient", 1);
      expect(await (await server.subscriber("a")).errorOf({ subscribe: { channel: "b" } })).toBe(106);
    },
  ],
  [
    "limits.channelNameBytes",
    async () => {
      await using server = await LimitedServer.with("limits.channelNameBytes", 5);
      expect(await (await server.subscriber("12345")).errorOf({ subscribe: { channel: "123456" } })).toBe(107);
    },
  ],
  [
    "limits.subscribersPerChannel",
    async () => {
      await using server = await LimitedServer.with("limits.subscribersPerChannel", 1);
      await server.subscriber("a");
      expect(await (await server.subscriber("b")).errorOf({ subscribe: { channel: "a" } })).toBe(106);
    },
  ],
  [
    "limits.historyBytesPerChannel",
    async () => {
      await using server = await LimitedServer.with("limits.historyBytesPerChannel", "2KiB");
      const client = await server.connected();
      for (let count = 0; count < 3; count++) await client.publish("kept:a", 1_000);
      await client.publish("kept:b", 1_000);
      expect([await keptIn(client, "kept:a"), await keptIn(client, "kept:b")]).toEqual([1, 1]);
    },
  ],
  [
    "limits.totalHistoryBytes",
    async () => {
      await using server = await LimitedServer.with("limits.totalHistoryBytes", "2KiB");
      const client = await server.connected();
      for (const channel of ["kept:a", "kept:b"]) await client.publish(channel, 1_000);
      expect([await keptIn(client, "kept:a"), await keptIn(client, "kept:b")]).toEqual([0, 1]);
    },
  ],
  [
    "limits.historyPageSize",
    async () => {
      await using server = await LimitedServer.with("limits.historyPageSize", 2);
      const client = await server.connected();
      for (let count = 0; count < 3; count++) await client.publish("kept:a", 1);
      expect(await keptIn(client, "kept:a")).toBe(2);
    },
  ],
  [
    "limits.recoverySize",
    async () => {
      await using server = await LimitedServer.with("limits.recoverySize", 2);
      const client = await server.connected();
      for (let count = 0; count < 3; count++) await client.publish("kept:a", 1);
      const { history } = await client.ask({ history: { channel: "kept:a", limit: 0 } });
      const { epoch } = history as { readonly epoch: string };
      const recovered = async (offset: number): Promise<unknown> => {
        const reply = await (await server.connected()).ask({
          subscribe: { channel: "kept:a", recover: true, offset, epoch },
        });
        return (reply["subscribe"] as { readonly recovered?: boolean }).recovered;
      };
      expect([await recovered(0), await recovered(1)]).toEqual([undefined, true]);
    },
  ],
  [
    "limits.presenceMembers",
    async () => {
      await using server = await LimitedServer.with("limits.presenceMembers", 1);
      await server.subscriber("room");
      const { presence } = await (await server.subscriber("room")).ask({ presence: { channel: "room" } });
      expect(Object.keys((presence as { readonly presence: object }).presence)).toHaveLength(1);
    },
  ],
  [
    "limits.joinLeaveMembers",
    async () => {
      await using server = await LimitedServer.with("limits.joinLeaveMembers", 2);
      const first = await server.subscriber("room");
      const isJoin = ({ push }: Message): boolean => push !== undefined && "join" in push;
      let joins = 0;
      for (let count = 0; count < 3; count++) await server.subscriber("room");
      expect(await first.errorOf({ presence: { channel: "none" } })).toBe(108);
      await first.first((message) => {
        if (isJoin(message)) joins++;
        return message.error?.code === 108;
      });
      // Its own, and that of the second.
      expect(joins).toBe(2);
    },
  ],
  [
    "channels[].maxSubscribers",
    async () => {
      await using server = await LimitedServer.with("limits.clients", 10_000);
      await server.subscriber("small");
      await server.subscriber("large");
      await server.subscriber("large");
      expect(await (await server.connected()).errorOf({ subscribe: { channel: "small" } })).toBe(106);
    },
  ],
  [
    "client.connectTimeout",
    async () => {
      await using server = await LimitedServer.with("client.connectTimeout", "100ms");
      expect(await server.client().end()).toBe(3502);
    },
  ],
  [
    "client.pingInterval",
    async () => {
      await using server = await LimitedServer.with("client.pingInterval", "1s", { more: ", pongTimeout: 100ms" });
      expect(await (await server.connected()).end()).toBe(3012);
    },
  ],
]);

/** What a client over server-sent events is told. */
async function streamEnd(server: LimitedServer): Promise<string> {
  const connecting = encodeURIComponent('{"id":1,"connect":{}}');
  const response = await fetch(`http://127.0.0.1:${server.webPort}/connection/sse?cf_connect=${connecting}`);
  return await response.text();
}

async function keptIn(client: Client, channel: string): Promise<number> {
  const { history } = await client.ask({ history: { channel, limit: -1 } });
  return (history as { readonly publications?: readonly unknown[] }).publications?.length ?? 0;
}

describe("alone", () => {
  test.each([...TRIALS])("%s holds", { timeout: 60_000 }, async (_key, holds) => {
    await expect(holds()).resolves.toBe(undefined);
  });
});

describe("a client that comes too fast is refused politely", () => {
  /** A server that lets one client in a second in, at all its addresses together, and has let one in. */
  async function full(): Promise<{ readonly ports: (scheme: ListenScheme) => number } & AsyncDisposable> {
    const { config } = loadConfig(undefined, { POLYWIRE_LIMITS_CONNECTS_PER_SECOND: "1" });
    const schemes: readonly ListenScheme[] = ["http", "tcp", "udp", "grpc"];
    const listen = schemes.map((scheme) => ({ ...listenAddress("127.0.0.1", 0, scheme), pong: true }));
    const server = await startServer(
      { ...config, listen, internal: [] },
      { logger: silentLogger, clock: standingClock() },
    );
    const ports = (scheme: ListenScheme): number => server.listen.find((one) => one.scheme === scheme)?.port ?? 0;
    const first = new WebSocket(`ws://127.0.0.1:${ports("http")}/connection/websocket`);
    await once(first, "open");
    return {
      ports,
      async [Symbol.asyncDispose]() {
        first.close();
        await server.stop();
      },
    };
  }

  test("over a WebSocket: 503, with when to come back", async () => {
    await using server = await full();
    const told = await silentPeer(server.ports("http"), UPGRADE);
    expect(told).toMatch(/^HTTP\/1\.1 503 /);
    expect(told).toContain("Retry-After: 1\r\n");
    expect(told).toContain("too many clients come at once: try again later");
  });

  test("over HTTP: 503, with when to come back; pages are still to be had", async () => {
    await using server = await full();
    const base = `http://127.0.0.1:${server.ports("http")}`;
    const refused = await fetch(`${base}/connection/http_stream`, { method: "POST", body: '{"id":1,"connect":{}}' });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect((await fetch(base)).status).toBe(200);
    expect((await fetch(`${base}/health`)).status).toBe(200);
  });

  test("over TCP, UDP and gRPC: there is no link", async () => {
    await using server = await full();
    expect(await silentPeer(server.ports("tcp"), '{"id":1,"connect":{}}\n')).toBe("");
    await using network = new Network({ protocols: [udp(), grpc()] });
    await expect(
      network.connect(`udp://127.0.0.1:${server.ports("udp")}`, {
        mode: "reliable",
        timeoutMs: 2_000,
        reconnect: false,
      }),
    ).rejects.toThrow(/too many clients|503/);
    await expect(
      network.connect(`grpc://127.0.0.1:${server.ports("grpc")}/polywire.centrifuge.v1.Centrifuge/Connect`, {
        timeoutMs: 2_000,
        reconnect: false,
      }),
    ).rejects.toThrow(/too many clients|503/);
  });
});

test("every limit is tried", () => {
  const limits = SETTINGS.map(({ key }) => key).filter((key) => key.startsWith("limits."));
  expect([...TRIALS.keys()].filter((key) => key.startsWith("limits.")).toSorted()).toEqual(limits.toSorted());
});
