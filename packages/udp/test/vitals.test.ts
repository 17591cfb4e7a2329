import { type Connection, type ConnectionEvents, type Link, Network } from "@polywire/core";
import { FastClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { udp } from "../src/index.ts";
import { lossyProxy } from "./lossy-proxy.ts";

/** A window of five seconds is half a second here. */
const TIMES = 10;

const echo = (link: Link): void => link.open({ message: (payload) => void link.send(payload), closed() {} });

function next<Name extends keyof ConnectionEvents>(
  connection: Connection,
  name: Name,
): Promise<ConnectionEvents[Name]> {
  return new Promise((resolve) => void connection.on(name, resolve, { once: true }));
}

test("40 % of the datagrams lost each way is critical within three windows, for loss; clear weather is excellent again", {
  timeout: 60_000,
}, async () => {
  await using server = new Network({ protocols: [udp({ mode: "sequenced" })] });
  const listener = await server.listen("udp://127.0.0.1:0", echo);
  await using proxy = await lossyProxy(listener.endpoint.port ?? 0, { loss: 0, reorder: 0, seed: 11 });
  await using network = new Network({ protocols: [udp({ mode: "sequenced" })], clock: new FastClock(TIMES) });
  const connection = (await network.connect(`udp://127.0.0.1:${proxy.port}`, {
    quality: { sampleIntervalMs: 500 },
    health: false,
  })) as unknown as Connection;
  connection.on("data", () => {});
  expect(await next(connection, "quality")).toMatchObject({ to: "excellent" });
  proxy.weather.loss = 0.4;
  const changedAtMs = performance.now();
  let change = await next(connection, "quality");
  while (change.to !== "critical") change = await next(connection, "quality");
  expect(change.worst).toBe("loss");
  expect(performance.now() - changedAtMs).toBeLessThan((3 * 5_000) / TIMES + 3_000);
  expect(connection.quality.loss).toBeGreaterThan(0.1);
  expect(connection.state).toBe("ready");
  proxy.weather.loss = 0;
  while (change.to !== "excellent") change = await next(connection, "quality");
  expect(connection.generation).toBe(1);
});

test("a peer behind a proxy that swallows every datagram is noticed within an interval and its timeout, and is back afterwards", {
  timeout: 60_000,
}, async () => {
  await using server = new Network({ protocols: [udp({ mode: "reliable" })] });
  const listener = await server.listen("udp://127.0.0.1:0", echo);
  await using proxy = await lossyProxy(listener.endpoint.port ?? 0, { loss: 0, reorder: 0, seed: 12 });
  await using network = new Network({ protocols: [udp({ mode: "reliable" })] });
  const [intervalMs, timeoutMs] = [500, 1_000];
  const connection = (await network.connect(`udp://127.0.0.1:${proxy.port}`, {
    timeoutMs: 500,
    reconnect: { baseMs: 50, capMs: 200 },
    health: { intervalMs, failingIntervalMs: intervalMs, timeoutMs, unhealthyAfter: 1 },
  })) as unknown as Connection;
  const heard = next(connection, "data");
  connection.send("there?");
  await heard;
  const told: string[] = [];
  for (const name of ["disconnect", "reconnected", "close"] as const) connection.on(name, () => void told.push(name));

  const lost = next(connection, "disconnect");
  const swallowedAtMs = performance.now();
  proxy.weather.loss = 1;
  const { closeInfo } = await lost;
  // 15 % of jitter and two rounds of half a second; what the machine needs besides is not the connection's.
  expect(performance.now() - swallowedAtMs).toBeLessThan(intervalMs * 1.15 + timeoutMs + 2 * 500 + 2_000);
  expect(closeInfo).toMatchObject({ by: "network", error: { code: "timed-out" } });

  // A dial meets the hole too.
  await next(connection, "reconnecting");
  proxy.weather.loss = 0;
  await next(connection, "reconnected");
  const heardAgain = next(connection, "data");
  connection.send("still there?");
  await heardAgain;
  expect(told).toEqual(["disconnect", "reconnected"]);
});
