import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cableTo } from "@polywire/conformance/testing";
import { type Connection, Network } from "@polywire/core";
import { FastClock } from "@polywire/core/testing";
import { tcp } from "@polywire/tcp";
import { ws } from "@polywire/ws";
import { afterEach, beforeEach, expect, test } from "vitest";

/** A window of five seconds is one second here, and a millisecond of the machine's own five of the connection's. */
const TIMES = 5;

let server: ChildProcess;
let ports: readonly number[] = [];

beforeEach(async () => {
  const program = join(import.meta.dirname, "echo-process.ts");
  server = spawn(process.execPath, ["--conditions", "@polywire/source", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (server.stdout === null) throw new Error("no output");
  const [line] = await once(createInterface(server.stdout), "line");
  ports = JSON.parse(String(line)) as number[];
});

afterEach(() => void server.kill("SIGKILL"));

/** The next change of the quality. */
function nextQuality(connection: Connection): Promise<{ from: string; to: string; worst: string | undefined }> {
  return new Promise((resolve) => void connection.on("quality", resolve, { once: true }));
}

test("WebSocket through a proxy: excellent, and worse for its round trips once they take eight tenths of a second", {
  timeout: 30_000,
}, async () => {
  await using cable = await cableTo(() => ports[2]);
  await using network = new Network({ protocols: [ws()], clock: new FastClock(TIMES) });
  const connection = (await network.connect(`ws://127.0.0.1:${cable.port}/`, {
    timeoutMs: 60_000,
    quality: { sampleIntervalMs: 500 },
  })) as unknown as Connection;
  connection.on("data", () => {});
  expect(await nextQuality(connection)).toMatchObject({ from: "unknown", to: "excellent" });
  const changedAtMs = performance.now();
  cable.delayMs = 800 / 2 / TIMES;
  let change = await nextQuality(connection);
  while (change.worst !== "rtt" && change.worst !== "jitter") change = await nextQuality(connection);
  expect(change.to).not.toBe("excellent");
  // Three windows of a second, and what the machine takes besides.
  expect(performance.now() - changedAtMs).toBeLessThan((3 * 5_000) / TIMES + 3_000);
  const { roundTripMs = 0 } = connection.quality;
  expect(roundTripMs).toBeGreaterThan(200);
  expect(roundTripMs).toBeLessThan(1_500);
  expect(connection.state).toBe("ready");
});

test("F19: a process that stands still for five seconds, again and again, blames nobody: neither health, quality nor a link changes", {
  timeout: 60_000,
}, async () => {
  const [tcpPort, , wsPort] = ports;
  await using network = new Network({ protocols: [ws(), tcp({ framing: "u32" })], clock: new FastClock(TIMES) });
  const health = { intervalMs: 2_000, failingIntervalMs: 1_000, unhealthyAfter: 1 };
  const quality = { sampleIntervalMs: 500 };
  const payload = { send: "are you well?", expect: "are you well?" };
  const timeoutMs = 60_000;
  const all = [
    await network.connect(`ws://127.0.0.1:${wsPort}/`, { timeoutMs, health, quality }),
    await network.connect(`ws://127.0.0.1:${wsPort}/`, { timeoutMs, health: { ...health, check: "dial" }, quality }),
    await network.connect(`tcp://127.0.0.1:${tcpPort}`, { timeoutMs, health: { ...health, check: payload } }),
  ] as unknown as Connection[];
  const known = Promise.all(all.map(nextQuality));
  const told: string[] = [];
  for (const connection of all) connection.on("data", () => {});
  for (const { to } of await known) expect(to).toBe("excellent");
  network.on("health", ({ endpoint, to, cause }) => void told.push(`${endpoint} ${to}: ${cause}`));
  network.on("quality", ({ endpoint, to, worst }) => void told.push(`${endpoint} ${to} for ${worst}`));
  network.on("disconnect", ({ endpoint }) => void told.push(`${endpoint} lost`));
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (let stall = 0; stall < 6; stall++) {
    // One second of ours, five of the connection's.
    Atomics.wait(nothing, 0, 0, 5_000 / TIMES);
    await Promise.all(all.slice(0, 2).map((connection) => connection.ping()));
  }
  expect(told).toEqual([]);
  for (const connection of all) {
    expect(connection.health).toMatchObject({ status: "healthy", failures: 0 });
    expect(connection.quality).toMatchObject({ level: "excellent", loss: 0 });
  }
});
