/** The server of a crowd: a hub over WebSocket, in a process of its own, asked over IPC how it is. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Network } from "@polywire/core";
import { centrifuge } from "@polywire/dialect-centrifuge";
import { Hub } from "@polywire/realtime";
import { ws } from "@polywire/ws";
import type { ServerFigures, ServerOrder, ServerReady } from "./orders.ts";

const nanosecondsPerMillisecond = 1e6;
const microsecondsPerSecond = 1e6;

const hub = new Hub({
  channels: [{ match: "*", publish: "clients", history: { size: 100, ttlMs: 600_000 }, recovery: true }],
  limits: { sessions: 20_000, subscribersPerChannel: 20_000 },
});
const network = new Network({ protocols: [ws()], services: [hub], limits: { maxLinks: 20_000 } });
const wanted = Number(process.argv[2] ?? 0);
const url = `ws://127.0.0.1:${wanted}/connection/websocket`;
const listener = await network.listen(url as "ws://host/", centrifuge(hub));
const delays = monitorEventLoopDelay({ resolution: 10 });
delays.enable();

function figures(): ServerFigures {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const longestStallMs = delays.max / nanosecondsPerMillisecond;
  delays.reset();
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    longestStallMs,
    sessions: hub.stats().sessions,
    cpuSeconds: (user + system) / microsecondsPerSecond,
  };
}

process.on("message", (order: ServerOrder) => {
  if (order === "stop") process.exit(0);
  if (order === "collect") {
    globalThis.gc?.();
    globalThis.gc?.();
    // The collection is the bench's doing, and no stall of the server's.
    setImmediate(() => {
      const now = figures();
      process.send?.(now);
    });
    return;
  }
  process.send?.(figures());
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port: listener.endpoint.port as number } satisfies ServerReady);
