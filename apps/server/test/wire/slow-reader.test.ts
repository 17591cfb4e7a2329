import { expect, test } from "vitest";
import { encodings } from "./encodings.ts";
import { transports } from "./transports.ts";
import { WireServer } from "./wire-server.ts";

const OTHERS = 1_000;
const QUEUE_BYTES = 1_048_576;
const CHUNK_BYTES = 131_072;
/** The kernel takes some 4 MiB for a reader that does not read. */
const MOST_CHUNKS = 200;
/** What the process may grow by, besides the one queue: room for the collector's habits. */
const MOST_GROWTH_BYTES = 96 * 1_048_576;

/** Of those who do not read, each in a channel of its own. */
const SLOW = 24;
const BUDGET_BYTES = 8 * 1_048_576;

const [websocket] = transports;
const [json] = encodings;

test("a reader that stalls is cut with 3008 while 1,000 others miss nothing, and memory stays bounded", {
  timeout: 60_000,
}, async () => {
  if (websocket === undefined || json === undefined) throw new Error("no transport");
  await using server = await WireServer.start(
    { transport: websocket, encoding: json, patienceMs: 20_000 },
    { limits: { outboundBytesPerSession: QUEUE_BYTES, subscribersPerChannel: OTHERS + 1 } },
  );
  const others = [];
  for (let made = 0; made < OTHERS; made += 50) {
    others.push(...(await Promise.all(Array.from({ length: 50 }, () => server.subscriber("news")))));
  }
  const slow = await server.subscriber("news");
  await slow.subscribe("plain");
  slow.link.stall();
  const before = process.memoryUsage().rss;
  const text = "x".repeat(CHUNK_BYTES);
  let published = 0;
  let largestBytes = 0;
  while (server.hub.stats().slowConsumers === 0 && published < MOST_CHUNKS) {
    // What the slow one alone is sent fills its queue; everybody is told that the stream goes on.
    await server.publish("plain", text);
    await server.publish("news", ++published);
    largestBytes = Math.max(largestBytes, server.hub.stats().largestBufferedBytes);
    for (const other of others) expect((await other.publication("news")).offset).toBe(published);
  }
  expect(published).toBeLessThan(MOST_CHUNKS);
  expect(largestBytes).toBeLessThanOrEqual(QUEUE_BYTES);
  expect(process.memoryUsage().rss - before).toBeLessThan(MOST_GROWTH_BYTES);
  expect(server.hub.stats()).toMatchObject({ sessions: OTHERS, slowConsumers: 1, insufficientStates: 0 });
  slow.link.resume();
  expect(await slow.ended()).toEqual({ code: 3008, reason: "slow" });
  await server.publish("news", "after");
  for (const other of others) expect((await other.publication("news")).data).toBe("after");
});

test("many readers that stall share a budget: the largest queues are cut, memory stays bounded, and the others miss nothing", {
  timeout: 60_000,
}, async () => {
  if (websocket === undefined || json === undefined) throw new Error("no transport");
  await using server = await WireServer.start(
    { transport: websocket, encoding: json, patienceMs: 20_000 },
    { limits: { outboundBytesPerSession: 8 * QUEUE_BYTES, outboundBytes: BUDGET_BYTES } },
  );
  const fast = await server.subscriber("plain");
  const slow = [];
  for (let index = 0; index < SLOW; index++) {
    const client = await server.subscriber(`plain:${index}`);
    client.link.stall();
    slow.push(client);
  }
  const before = process.memoryUsage().rss;
  const text = "x".repeat(CHUNK_BYTES);
  let mostBytes = 0;
  let published = 0;
  // Were there no budget, each of the queues could grow to 8 MiB, all of them to 192 MiB.
  while (server.hub.stats().budgetCuts < SLOW / 2 && published < MOST_CHUNKS) {
    published++;
    for (let index = 0; index < SLOW; index++) await server.publish(`plain:${index}`, text);
    await server.publish("plain", published);
    expect((await fast.publication("plain")).data).toBe(published);
    mostBytes = Math.max(mostBytes, server.hub.stats().retainedBytes);
  }
  const { budgetCuts, slowConsumers, sessions } = server.hub.stats();
  expect(budgetCuts).toBeGreaterThanOrEqual(SLOW / 2);
  expect([slowConsumers, sessions]).toEqual([budgetCuts, SLOW + 1 - budgetCuts]);
  // Between two looks half of what was free may be said.
  expect(mostBytes).toBeLessThan(1.5 * BUDGET_BYTES);
  expect(process.memoryUsage().rss - before).toBeLessThan(MOST_GROWTH_BYTES + 1.5 * BUDGET_BYTES);
});
