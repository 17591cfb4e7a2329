import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Connection, Network, type PolywireError, type StateChange } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { afterEach, expect, test } from "vitest";

/** Of each wire. */
const CONNECTIONS = 100;
/** Twenty are what is promised; they take a minute, so they are run by hand: see CONTRIBUTING.md. */
const RESTARTS = Number(process.env["POLYWIRE_RESTARTS"] ?? 8);
const DIALS_PER_SECOND = 400;

const LEGAL: readonly string[] = [
  "idle > connecting",
  "connecting > ready",
  "connecting > backoff",
  "ready > backoff",
  "backoff > connecting",
];

let server: ChildProcess | undefined;
/** It was killed, and the system is still closing its sockets: one that listens may take a connection meanwhile, and drop it. */
let isDying = false;

afterEach(() => void server?.kill("SIGKILL"));

/**
 * Ports that nobody listens on, and that the system gives to no client: while the server is down one of those who dial it
 * would have its port before long.
 */
async function freePorts(count: number): Promise<number[]> {
  const free: number[] = [];
  for (let port = 15_000 + Math.floor(Math.random() * 10_000); free.length < count; port++) {
    const stream = createServer();
    const datagrams = createSocket("udp4");
    const bound = Promise.all([once(stream, "listening"), once(datagrams, "listening")]);
    stream.listen(port, "127.0.0.1");
    datagrams.bind(port, "127.0.0.1");
    await bound.then(
      () => void free.push(port),
      () => {},
    );
    stream.close();
    datagrams.close();
  }
  return free;
}

/** Starts the echo process at these ports. It serves then. */
async function start(ports: readonly number[]): Promise<void> {
  const program = join(import.meta.dirname, "echo-process.ts");
  server = spawn(process.execPath, ["--conditions", "@polywire/source", program, ...ports.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { stdout } = server;
  if (stdout === null) throw new Error("no output");
  const failed = once(server, "exit").then(([code]) => Promise.reject(new Error(`the server ended with code ${code}`)));
  failed.catch(() => {});
  await Promise.race([once(createInterface(stdout), "line"), failed]);
}

async function kill(): Promise<void> {
  const gone = server && once(server, "close");
  isDying = true;
  server?.kill("SIGKILL");
  await gone;
  isDying = false;
}

/** What one connection has told. */
interface Watched {
  readonly connection: Connection;
  readonly told: string[];
  readonly states: StateChange[];
  readonly downtimesMs: number[];
  /** Links to a server that was dying already. */
  stillborn: number;
}

function watch(connection: Connection): Watched {
  const watched: Watched = { connection, told: [], states: [], downtimesMs: [], stillborn: 0 };
  const { told, states } = watched;
  connection.on("disconnect", () => void told.push("disconnect"));
  connection.on("reconnected", ({ downtimeMs }) => {
    told.push("reconnected");
    watched.downtimesMs.push(downtimeMs);
    if (isDying) watched.stillborn++;
  });
  connection.on("close", ({ error }) => void told.push(`close ${error?.message}`));
  connection.on("state", (change) => void states.push(change));
  return watched;
}

/** A round trip of a message, over whatever link there is. */
async function echoes({ connection }: Watched): Promise<void> {
  await connection.ready({ timeoutMs: 30_000 });
  const heard = new Promise((resolve) => void connection.on("data", resolve, { once: true }));
  connection.send("still there?");
  await heard;
}

/** The most dials that any second saw. */
function busiestSecond(dialsMs: readonly number[]): number {
  let first = 0;
  let most = 0;
  for (const [index, atMs] of dialsMs.entries()) {
    while ((dialsMs[first] ?? atMs) <= atMs - 1_000) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

/** Sockets, servers and timers that keep this process busy. */
function handles(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe|Immediate|MessagePort)/.test(name));
}

test(`${CONNECTIONS} connections of every wire are back after each of ${RESTARTS} restarts of their server, each loss told once`, {
  timeout: 60_000 + RESTARTS * 15_000,
}, async () => {
  const rejections: unknown[] = [];
  const rejected = (reason: unknown): void => void rejections.push(reason);
  process.on("unhandledRejection", rejected);
  const handlesBefore = handles();
  const beganAtMs = performance.now();
  const ports = await freePorts(4);
  await start(ports);
  const [tcpPort, udpPort, wsPort, grpcPort] = ports;
  const network = new Network({
    protocols: [tcp({ framing: "u32" }), udp({ mode: "reliable" }), ws(), grpc()],
    reconnectBudget: { perSecond: DIALS_PER_SECOND, share: 0 },
  });
  const errors: PolywireError[] = [];
  network.on("error", (error) => void errors.push(error));
  const reconnect = { baseMs: 50, capMs: 500 };
  const all: Watched[] = [];
  for (let count = 0; count < CONNECTIONS; count++) {
    const four = [
      network.connection(`tcp://127.0.0.1:${tcpPort}`, { reconnect }),
      network.connection(`udp://127.0.0.1:${udpPort}`, { reconnect }),
      network.connection(`ws://127.0.0.1:${wsPort}/`, { reconnect }),
      network.connection(`grpc://127.0.0.1:${grpcPort}/echo.Echo/Talk`, { reconnect }),
    ] as unknown as Connection[];
    all.push(...four.map(watch));
    await Promise.all(four.map((connection) => connection.ready()));
  }
  await Promise.all(all.map(echoes));

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

  for (const { connection, told, states, stillborn } of all) {
    const onceEach = Array.from({ length: RESTARTS + stillborn }, () => ["disconnect", "reconnected"]).flat();
    expect(told).toEqual(onceEach);
    expect(connection.generation).toBe(1 + RESTARTS + stillborn);
    for (const [index, { from, to }] of states.entries()) {
      expect(LEGAL).toContain(`${from} > ${to}`);
      expect(from).toBe(index === 0 ? "idle" : states[index - 1]?.to);
    }
  }
  const redials = all.flatMap(({ states }) =>
    states.filter(({ from, to }) => from === "backoff" && to === "connecting"),
  );
  const dialsMs = redials.map(({ atMs }) => atMs).toSorted((one, other) => one - other);
  const mostDials = busiestSecond(dialsMs);
  // What is saved in quiet times is a twentieth of a second's; what is granted is noted up to a hundredth of a second later.
  expect(mostDials).toBeLessThanOrEqual(DIALS_PER_SECOND * 1.06 + 1);
  expect(errors).toEqual([]);
  await kill();
  await network.close();
  expect(network.inspect().connections).toEqual([]);
  process.off("unhandledRejection", rejected);
  expect(rejections).toEqual([]);
  const downtimesMs = all.flatMap((watched) => watched.downtimesMs).toSorted((one, other) => one - other);
  if (process.env["POLYWIRE_RESTARTS"] !== undefined) {
    const [median = 0, longest = 0] = [downtimesMs[Math.floor(downtimesMs.length / 2)], downtimesMs.at(-1)];
    console.log(
      [
        `${all.length} connections, ${RESTARTS} restarts in ${((performance.now() - beganAtMs) / 1_000).toFixed(1)} s`,
        `${downtimesMs.length} losses, ${dialsMs.length} dials, ${mostDials} in the busiest second of ${DIALS_PER_SECOND}`,
        `without a link for ${median.toFixed(0)} ms (median), ${longest.toFixed(0)} ms (longest)`,
      ].join("\n"),
    );
  }
  // Sockets close in a turn of their own.
  await expect.poll(handles, { timeout: 5_000 }).toEqual(handlesBefore);
});
