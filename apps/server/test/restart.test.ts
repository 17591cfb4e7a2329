import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Connection, Network, type PolywireError, type StateChange } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { afterEach, expect, test } from "vitest";

const CONNECTIONS = 25;
const RESTARTS = 5;
const DIALS_PER_SECOND = 400;

let server: ChildProcess | undefined;

afterEach(() => void server?.kill("SIGKILL"));

/** Starts the echo process at these ports, or at free ones; which, once it serves. */
async function start(ports: readonly number[] = []): Promise<number[]> {
  const program = join(import.meta.dirname, "echo-process.ts");
  server = spawn(process.execPath, ["--conditions", "@polywire/source", program, ...ports.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { stdout } = server;
  if (stdout === null) throw new Error("no output");
  const [line] = await once(createInterface(stdout), "line");
  return JSON.parse(String(line)) as number[];
}

async function kill(): Promise<void> {
  const gone = server && once(server, "exit");
  server?.kill("SIGKILL");
  await gone;
}

/** What one connection has told. */
interface Watched {
  readonly connection: Connection;
  readonly told: string[];
  readonly states: StateChange[];
}

function watch(connection: Connection): Watched {
  const told: string[] = [];
  const states: StateChange[] = [];
  connection.on("disconnect", () => void told.push("disconnect"));
  connection.on("reconnected", () => void told.push("reconnected"));
  connection.on("close", ({ error }) => void told.push(`close ${error?.message}`));
  connection.on("state", (change) => void states.push(change));
  return { connection, told, states };
}

/** A round trip of a message, over whatever link there is. */
async function echoes({ connection }: Watched): Promise<void> {
  await connection.ready({ timeoutMs: 30_000 });
  const heard = new Promise((resolve) => void connection.on("data", resolve, { once: true }));
  connection.send("still there?");
  await heard;
}

test("a server that is killed and restarted has all its connections back, on every wire, each loss told once", {
  timeout: 120_000,
}, async () => {
  const ports = await start();
  const [tcpPort, udpPort, wsPort, grpcPort] = ports;
  const dials: number[] = [];
  await using network = new Network({
    protocols: [tcp({ framing: "u32" }), udp({ mode: "reliable" }), ws(), grpc()],
    reconnectBudget: { perSecond: DIALS_PER_SECOND, share: 0 },
    interceptors: [
      {
        dial: (next) => (call) => {
          dials.push(performance.now());
          return next(call);
        },
      },
    ],
  });
  const errors: PolywireError[] = [];
  network.on("error", (error) => void errors.push(error));
  const reconnect = { baseMs: 50, capMs: 500 };
  const all: Watched[] = [];
  for (let count = 0; count < CONNECTIONS; count++) {
    all.push(
      watch((await network.connect(`tcp://127.0.0.1:${tcpPort}`, { reconnect })) as unknown as Connection),
      watch((await network.connect(`udp://127.0.0.1:${udpPort}`, { reconnect })) as unknown as Connection),
      watch((await network.connect(`ws://127.0.0.1:${wsPort}/`, { reconnect })) as unknown as Connection),
      watch(
        (await network.connect(`grpc://127.0.0.1:${grpcPort}/echo.Echo/Talk`, { reconnect })) as unknown as Connection,
      ),
    );
  }
  await Promise.all(all.map(echoes));
  dials.length = 0;

  for (let restart = 0; restart < RESTARTS; restart++) {
    const lost = Promise.all(
      all.map(({ connection }) => new Promise((resolve) => void connection.on("disconnect", resolve, { once: true }))),
    );
    await kill();
    // A datagram to nobody is what tells of a peer that is gone.
    for (const { connection } of all) connection.send("anybody?");
    await lost;
    await start(ports);
    await Promise.all(all.map(echoes));
  }

  const once = Array.from({ length: RESTARTS }, () => ["disconnect", "reconnected"]).flat();
  for (const { told, states } of all) {
    expect(told).toEqual(once);
    for (const [index, { from }] of states.entries()) if (index > 0) expect(from).toBe(states[index - 1]?.to);
  }
  for (const atMs of dials) {
    const inTheSecond = dials.filter((otherMs) => otherMs > atMs - 1_000 && otherMs <= atMs).length;
    expect(inTheSecond).toBeLessThanOrEqual(DIALS_PER_SECOND * 1.05 + 1);
  }
  expect(errors).toEqual([]);
});
