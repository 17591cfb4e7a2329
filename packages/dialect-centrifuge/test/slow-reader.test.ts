import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Network } from "@polywire/core";
import { Hub } from "@polywire/realtime";
import { ws } from "@polywire/ws";
import { describe, expect, it } from "vitest";
import { centrifuge } from "../src/index.ts";
import { clientFrame, upgradeRequest } from "./raw-websocket.ts";
import { ENCODINGS, frame, type Message, replies } from "./wire-client.ts";

/** How a close frame with four letters of reason begins: opcode and length. */
const CLOSE = Buffer.from([0x88, 6]);

/** Upgrades, sends the commands, and from then on reads nothing. */
async function slowClient(url: URL, payload: string | Uint8Array): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, "connect");
  socket.write(upgradeRequest(url));
  await once(socket, "readable");
  socket.read();
  socket.write(clientFrame(payload));
  return socket;
}

/** Reads again, up to a close frame. */
function closeFrame(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    let tail = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      tail = Buffer.concat([tail, chunk]).subarray(-64);
      const start = tail.lastIndexOf(CLOSE);
      if (start !== -1 && tail.length === start + 8) resolve(tail.subarray(start));
    });
  });
}

describe.each(ENCODINGS)("a client that stops reading, in %s", (encoding) => {
  it("is cut with 3008, while the others miss nothing", async () => {
    const hub = new Hub({ limits: { outboundBytesPerSession: 1_048_576 } });
    await using network = new Network({ protocols: [ws()], services: [hub] });
    const listener = await network.listen("ws://127.0.0.1:0/connection/websocket", centrifuge(hub));
    const url = new URL(`${listener.endpoint}${encoding === "protobuf" ? "?format=protobuf" : ""}`);
    const commands = frame(encoding, { id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });

    const slow = await slowClient(url, commands);
    const healthy = new WebSocket(url);
    healthy.binaryType = "arraybuffer";
    await once(healthy, "open");
    const heard: Message[] = [];
    let wake = (): void => {};
    healthy.addEventListener("message", ({ data }) => {
      heard.push(...replies(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer)));
      wake();
    });
    const hears = async (count: number): Promise<void> => {
      while (heard.length < count) await new Promise<void>((resolve) => (wake = resolve));
    };
    healthy.send(commands as string);
    await hears(2);

    let published = 0;
    for (let dropped = 0; dropped === 0 && published < 1_000; published++) {
      const { local } = await hub.publish("news", { number: published, text: "x".repeat(65_536) });
      dropped = local.dropped;
      await hears(2 + published + 1);
    }
    const numbers = heard.slice(2).map(({ push }) => (push as { pub: { data: { number: number } } }).pub.data.number);
    expect(numbers).toEqual(Array.from({ length: published }, (_, index) => index));
    expect(published).toBeLessThan(1_000);
    expect(hub.stats()).toMatchObject({ slowConsumers: 1 });

    // A close frame: opcode, length, code, reason.
    const close = await closeFrame(slow);
    expect([close.readUInt16BE(2), close.subarray(4).toString()]).toEqual([3008, "slow"]);
    slow.destroy();
    healthy.close();
  });
});
