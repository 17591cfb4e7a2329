import { once } from "node:events";
import fs from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { Centrifuge, type Subscription } from "centrifuge";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { freePorts, isOpen, type RunningCommand, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-shutdown-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

interface Server extends AsyncDisposable {
  readonly command: RunningCommand;
  readonly http: number;
  readonly tcp: number;
  readonly grpc: number;
  readonly internal: number;
}

async function serve(more: object, ports?: readonly number[]): Promise<Server> {
  const [http = 0, tcp = 0, grpc = 0, internal = 0] = ports ?? (await freePorts(4));
  const file = path.join(fs.mkdtempSync(path.join(directory, "c-")), "polywire.json");
  const config = {
    listen: [`http://127.0.0.1:${http}`, `tcp://127.0.0.1:${tcp}`, `grpc://127.0.0.1:${grpc}`],
    internal: [`http://127.0.0.1:${internal}`],
    channels: [{ match: "*", publish: "clients" }],
    ...more,
  };
  fs.writeFileSync(file, JSON.stringify(config));
  const command = runPolywire(["serve", "--config", file]);
  await command.printed(new RegExp(`listening[^]*:${internal}`));
  return { command, http, tcp, grpc, internal, [Symbol.asyncDispose]: () => command[Symbol.asyncDispose]() };
}

/** A client that is connected, with the moment and code of its end. */
async function connected({ http }: Server): Promise<{ readonly end: Promise<{ code: number; atMs: number }> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${http}/connection/websocket`);
  socket.on("open", () => socket.send('{"id":1,"connect":{}}'));
  await once(socket, "message");
  const end = once(socket, "close").then(([code]) => ({ code: Number(code), atMs: performance.now() }));
  return { end };
}

describe("SIGTERM", TIMEOUT, () => {
  test("spreads the ends of sessions over time; the internal address says not ready meanwhile, the public ones are closed", async () => {
    await using server = await serve({ shutdown: { clientsPerSecond: 20, spread: "10s", timeout: "20s" } });
    const clients = await Promise.all(Array.from({ length: 60 }, () => connected(server)));
    const stopped = performance.now();
    server.command.process.kill("SIGTERM");
    await Promise.race(clients.map(({ end }) => end));
    for (const port of [server.http, server.tcp, server.grpc]) expect(await isOpen(port)).toBe(false);
    const health = await fetch(`http://127.0.0.1:${server.internal}/health`);
    expect([health.status, await health.json()]).toMatchObject([503, { live: true, ready: false }]);
    expect((await fetch(`http://127.0.0.1:${server.internal}/metrics`)).status).toBe(200);

    const ends = await Promise.all(clients.map(({ end }) => end));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([3001]));
    // Two in each tenth of a second, so the last leaves 2.9 s after the first at the earliest.
    expect(Math.max(...ends.map(({ atMs }) => atMs)) - stopped).toBeGreaterThan(2_800);
    expect(await server.command.ended()).toBe(0);
    expect(server.command.errors).toBe("");
  });

  test("F05: a second signal ends a spread stop at once", async () => {
    await using server = await serve({ shutdown: { clientsPerSecond: 1, spread: "3600s", timeout: "7200s" } });
    const clients = await Promise.all(Array.from({ length: 30 }, () => connected(server)));
    server.command.process.kill("SIGTERM");
    await Promise.race(clients.map(({ end }) => end));
    const second = performance.now();
    server.command.process.kill("SIGTERM");
    expect(await server.command.ended()).toBe(143);
    expect(performance.now() - second).toBeLessThan(1_000);
  });

  test("everything is over when the time is up, whoever does not let go", async () => {
    await using server = await serve({ shutdown: { clientsPerSecond: 1, spread: "1s", timeout: "1s" } });
    // It never answers the close.
    const mute = net.connect(server.http, "127.0.0.1").on("error", () => {});
    const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    mute.write(`GET /connection/websocket HTTP/1.1\r\nHost: x\r\n${upgrade}${key}\r\n`);
    await once(mute, "data");
    mute.pause();
    const stopped = performance.now();
    server.command.process.kill("SIGTERM");
    expect(await server.command.ended()).toBe(0);
    expect(performance.now() - stopped).toBeLessThan(5_000);
    mute.destroy();
  });

  test("gRPC is told: the health service says NOT_SERVING, and the connection gets GOAWAY", async () => {
    await using server = await serve({});
    const session = http2.connect(`http://127.0.0.1:${server.grpc}`);
    const watch = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Watch",
      "content-type": "application/grpc",
      te: "trailers",
    });
    watch.end(Buffer.alloc(5));
    const told: number[] = [];
    const away = once(session, "goaway");
    const ended = once(watch, "end");
    // Each answer is a frame of five bytes, then field 1 with the status.
    watch.on("data", (chunk: Buffer) => void told.push(...[...chunk].filter((_byte, index) => index % 7 === 6)));
    await once(watch, "data");
    server.command.process.kill("SIGTERM");
    await Promise.all([away, ended]);
    expect(told).toEqual([1, 2]);
    expect(await server.command.ended()).toBe(0);
  });

  test("F04: what was acknowledged has been told to everybody who was subscribed, on every wire", async () => {
    await using server = await serve({ shutdown: { clientsPerSecond: 10, spread: "10s", timeout: "20s" } });
    const subscribers = [
      ...(await Promise.all(Array.from({ length: 3 }, () => webSocketSubscriber(server)))),
      await lineSubscriber(server),
    ];
    const acked = new Set<string>();
    const refusals: number[] = [];
    let asked = 0;
    const enough = Promise.withResolvers<void>();
    const publish = async (client: Centrifuge, name: string): Promise<void> => {
      for (;;) {
        const id = `${name}-${asked++}`;
        try {
          await client.publish("room", id);
        } catch (thrown) {
          refusals.push((thrown as { code: number }).code);
          return;
        }
        acked.add(id);
        if (acked.size === 2_000) enough.resolve();
      }
    };
    const publishers = Array.from({ length: 20 }, (_, index) => ({ client: centrifuge(server), name: `p${index}` }));
    await Promise.all(publishers.map(({ client }) => client.ready()));
    const began = performance.now();
    const published = publishers.flatMap(({ client, name }) => [publish(client, name), publish(client, name)]);
    await enough.promise;
    const perSecond = (2_000 * 1_000) / (performance.now() - began);
    server.command.process.kill("SIGTERM");
    await Promise.all(published);
    expect(await server.command.ended()).toBe(0);
    for (const { client } of publishers) client.disconnect();

    expect(perSecond).toBeGreaterThan(1_000);
    expect(refusals).toHaveLength(published.length);
    for (const { received, end } of subscribers) {
      expect(await end).toBe(3001);
      expect([...acked].filter((id) => !received.has(id))).toEqual([]);
    }
  });
});

test("F01: after a kill all clients come back, and each is told that what was kept has gone", TIMEOUT, async () => {
  const history = { size: 100, ttl: "60s" };
  const channels = [{ match: "*", publish: "clients", history, recovery: true }];
  const first = await serve({ channels });
  const clients = Array.from({ length: 100 }, () => {
    const client = new Centrifuge(`ws://127.0.0.1:${first.http}/connection/websocket`, {
      minReconnectDelay: 50,
      maxReconnectDelay: 500,
    });
    return { client, room: client.newSubscription("room") };
  });
  /** Whether each got everything since it was last here, and what is published from then on. */
  const back = (): Promise<string[]> =>
    Promise.all(
      clients.map(
        ({ room }) =>
          new Promise<string>((resolve) =>
            room.once("subscribed", ({ wasRecovering, recovered }) => resolve(`${wasRecovering} ${recovered}`)),
          ),
      ),
    );
  const heard = (data: string): Promise<unknown> =>
    Promise.all(
      clients.map(
        ({ room }) =>
          new Promise((resolve) => room.on("publication", (publication) => publication.data === data && resolve(true))),
      ),
    );
  const subscribed = back();
  for (const { client, room } of clients) {
    room.subscribe();
    client.connect();
  }
  await subscribed;
  const before = heard("before");
  await clients[0]?.room.publish("before");
  await before;

  const returned = back();
  first.command.process.kill("SIGKILL");
  await first.command.ended();
  await using second = await serve({ channels }, [first.http, first.tcp, first.grpc, first.internal]);
  expect(new Set(await returned)).toEqual(new Set(["true false"]));
  const after = heard("after");
  await clients[0]?.room.publish("after");
  await after;
  for (const { client } of clients) client.disconnect();
  expect(second.command.errors).toBe("");
});

interface Subscriber {
  readonly received: Set<string>;
  /** The code that its session ended with. */
  readonly end: Promise<number>;
}

function centrifuge({ http }: Server): Centrifuge {
  const client = new Centrifuge(`ws://127.0.0.1:${http}/connection/websocket`, { minReconnectDelay: 60_000 });
  client.connect();
  return client;
}

async function webSocketSubscriber(server: Server): Promise<Subscriber> {
  const client = centrifuge(server);
  const received = new Set<string>();
  const room: Subscription = client.newSubscription("room");
  room.on("publication", ({ data }) => void received.add(data as string));
  const subscribed = new Promise((resolve) => room.once("subscribed", resolve));
  room.subscribe();
  await subscribed;
  const end = new Promise<number>((resolve) =>
    client.once("connecting", ({ code }) => {
      client.disconnect();
      resolve(code);
    }),
  );
  return { received, end };
}

/** A program that reads lines of JSON; over TCP the end's code is told as a push. */
async function lineSubscriber({ tcp }: Server): Promise<Subscriber> {
  const socket = net.connect(tcp, "127.0.0.1");
  const received = new Set<string>();
  const { promise: end, resolve: ended } = Promise.withResolvers<number>();
  const { promise: subscribed, resolve } = Promise.withResolvers<void>();
  createInterface(socket).on("line", (line) => {
    const { id, push } = JSON.parse(line) as {
      id?: number;
      push?: { pub?: { data: string }; disconnect?: { code: number } };
    };
    if (id === 2) resolve();
    if (push?.pub !== undefined) received.add(push.pub.data);
    if (push?.disconnect !== undefined) ended(push.disconnect.code);
  });
  socket.write('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"room"}}\n');
  await subscribed;
  return { received, end };
}
