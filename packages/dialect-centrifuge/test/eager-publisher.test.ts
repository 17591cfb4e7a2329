import { connect as connectSocket, type Socket } from "node:net";
import { type AnyProtocol, Network, type Payload } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { Hub } from "@polywire/realtime";
import { ws } from "@polywire/ws";
import { describe, expect, it } from "vitest";
import { centrifuge } from "../src/index.ts";
import { clientFrame, upgraded } from "./raw-websocket.ts";
import { ENCODINGS, type Encoding, frame, type Message, replies } from "./wire-client.ts";

const PUBLISHES = 120_000;
const QUEUE_BYTES = 1_048_576;
/** Past this a client that does not take its replies is not read any more; what one turn took may still be answered. */
const WAIT_ABOVE_BYTES = 262_144;
const ONE_TURN_BYTES = 1_000 * 64;

/** A client that could write nothing for so many turns of the event loop is stuck. */
const STUCK_TURNS = 50;

const publish = (id: number): Message => ({ id, publish: { channel: "plain", data: 1 } });

interface Heard {
  published: number;
  readonly others: Message[];
}

/** Counts replies to publishes; keeps everything else. */
function hear(heard: Heard, frames: readonly Message[]): void {
  for (const reply of frames) {
    if ("publish" in reply) heard.published++;
    else heard.others.push(reply);
  }
}

function servingHub(): Hub {
  return new Hub({
    channels: [{ match: "*", publish: "clients" }],
    limits: { outboundBytesPerSession: QUEUE_BYTES },
    pings: { intervalMs: 0 },
  });
}

describe.each(ENCODINGS)("a client that publishes as fast as the wire takes it, in %s", (encoding) => {
  it("is answered to its last publish, and never has more than the queue holds, though it reads only when it is stuck", {
    timeout: 60_000,
  }, async () => {
    const hub = servingHub();
    const protocols: readonly AnyProtocol[] = [memory()];
    await using network = new Network({ protocols, services: [hub] });
    await using clients = new Network({ protocols });
    const listener = await network.listen("memory://hub:0/", centrifuge(hub));
    const query = encoding === "protobuf" ? "?format=protobuf" : "";
    const connection = await clients.connect(`${listener.endpoint}${query}`, { reconnect: false });
    const heard: Heard = { published: 0, others: [] };
    let largestBytes = 0;
    const done = Promise.withResolvers<void>();
    connection.on("data", (payload) => {
      hear(heard, replies(payload));
      if (heard.published === PUBLISHES) done.resolve();
    });
    connection.on("close", ({ code, reason }) => done.reject(new Error(`cut off: ${code} ${reason}`)));
    connection.send(frame(encoding, { id: 1, connect: {} }));

    connection.pause();
    for (let id = 2; id < PUBLISHES + 2; id++) {
      largestBytes = Math.max(largestBytes, hub.stats().largestBufferedBytes);
      if (connection.send(frame(encoding, publish(id))) === "sent") continue;
      const drained = new Promise<void>((resolve) => void connection.on("drain", resolve, { once: true }));
      if (await comesWithin(STUCK_TURNS, drained)) continue;
      // Nobody reads what this client writes before it reads what it is told.
      connection.resume();
      await drained;
      connection.pause();
    }
    connection.resume();
    await done.promise;
    expect(heard.others).toEqual([expect.objectContaining({ id: 1 })]);
    expect(largestBytes).toBeGreaterThan(0);
    expect(largestBytes).toBeLessThanOrEqual(WAIT_ABOVE_BYTES + ONE_TURN_BYTES);
    expect(hub.stats()).toMatchObject({ sessions: 1, slowConsumers: 0, errorsAnswered: 0 });
  });

  it("is answered to its last publish over a WebSocket", { timeout: 60_000 }, async () => {
    const hub = servingHub();
    await using network = new Network({ protocols: [ws()], services: [hub] });
    const listener = await network.listen("ws://127.0.0.1:0/connection/websocket", centrifuge(hub));
    const url = new URL(`${listener.endpoint}${encoding === "protobuf" ? "?format=protobuf" : ""}`);
    const socket = connectSocket(Number(url.port), url.hostname);
    const heard = await upgraded(socket, url);
    socket.write(clientFrame(frame(encoding, { id: 1, connect: {} })));
    const all: Heard = { published: 0, others: [] };
    const done = Promise.withResolvers<void>();
    heard((payload) => {
      hear(all, replies(payload));
      if (all.published === PUBLISHES) done.resolve();
    });
    socket.on("close", () => done.reject(new Error(`cut off after ${all.published} replies`)));
    await writeAll(socket, encoding);
    await done.promise;
    expect(all.others).toEqual([expect.objectContaining({ id: 1 })]);
    expect(hub.stats()).toMatchObject({ sessions: 1, slowConsumers: 0, errorsAnswered: 0 });
    socket.destroy();
  });
});

/** Writes and reads nothing until what was written stays in the socket; then reads, until there is room again. */
async function writeAll(socket: Socket, encoding: Encoding): Promise<void> {
  const chunk = 100;
  socket.pause();
  for (let next = 2; next < PUBLISHES + 2; next += chunk) {
    const frames: Payload[] = Array.from({ length: chunk }, (_, index) => frame(encoding, publish(next + index)));
    if (socket.write(Buffer.concat(frames.map((one) => clientFrame(one))))) continue;
    const drained = new Promise<void>((resolve) => void socket.once("drain", resolve));
    if (await comesWithin(STUCK_TURNS, drained)) continue;
    socket.resume();
    await drained;
    socket.pause();
  }
  socket.resume();
}

/** Whether it comes while the event loop turns so often. */
async function comesWithin(turns: number, event: Promise<void>): Promise<boolean> {
  let hasCome = false;
  void event.then(() => {
    hasCome = true;
  });
  for (let turn = 0; turn < turns && !hasCome; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  return hasCome;
}
