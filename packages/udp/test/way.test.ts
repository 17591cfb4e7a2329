import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { completeLimits, type HostContext, Network, silentLogger, systemClock, Turn } from "@polywire/core";
import { describe, expect, test } from "vitest";
import { udp } from "../src/index.ts";
import { OwnWay } from "../src/way.ts";
import { HeldLink, Serving } from "./serving.ts";

type Receipt = (error: Error | null) => void;

/** A socket whose queue is what the test says: a real one on loopback never has any. */
class Queue {
  byteLength = 0;
  readonly receipts: (Receipt | undefined)[] = [];

  send(_datagram: Buffer, receipt?: Receipt): void {
    this.receipts.push(receipt);
  }

  getSendQueueSize(): number {
    return this.byteLength;
  }

  /** How many datagrams have left since this was last asked, and for how many of them a receipt was wanted. */
  counts(): { sent: number; receipts: number } {
    const all = this.receipts.splice(0);
    return { sent: all.length, receipts: all.filter((receipt) => receipt !== undefined).length };
  }
}

function wayThrough(queue: Queue, limits: Partial<HostContext["limits"]> = {}): OwnWay {
  const host = {
    clock: systemClock,
    turn: new Turn(systemClock),
    random: Math.random,
    logger: silentLogger,
    limits: completeLimits(limits),
  };
  return new OwnWay(queue as unknown as Socket, host);
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe("receipts for datagrams", () => {
  const datagram = Buffer.alloc(100);
  const burst = (way: OwnWay, count: number): void => {
    for (let sent = 0; sent < count; sent++) way.transmit(datagram);
  };

  test("the first two of a turn have one", async () => {
    const queue = new Queue();
    const way = wayThrough(queue);
    burst(way, 32);
    expect(queue.counts()).toEqual({ sent: 32, receipts: 2 });
    await endOfTurn();
    burst(way, 1);
    await endOfTurn();
    burst(way, 32);
    expect(queue.counts()).toEqual({ sent: 33, receipts: 3 });
  });

  test("those have one that not every network carries", () => {
    const queue = new Queue();
    const way = wayThrough(queue);
    burst(way, 2);
    for (let sent = 0; sent < 5; sent++) way.transmit(Buffer.alloc(1_233));
    expect(queue.counts()).toEqual({ sent: 7, receipts: 7 });
  });

  test("those have one that are behind others: the end of the queue is told", () => {
    const queue = new Queue();
    const way = wayThrough(queue);
    let told = 0;
    way.owner = { sent: () => void told++, failed() {} };
    burst(way, 10);
    queue.byteLength = 300;
    expect(way.queuedBytes).toBe(300);
    burst(way, 10);
    const receipts = queue.receipts.slice(10);
    expect(receipts.every((receipt) => receipt !== undefined)).toBe(true);
    queue.byteLength = 0;
    for (const receipt of receipts) receipt?.(null);
    expect(told).toBe(10);
    expect(way.queuedBytes).toBe(0);
    burst(way, 3);
    expect(queue.counts()).toEqual({ sent: 23, receipts: 12 });
  });
});

test("U38: a peer that is not there is noticed, however many datagrams a turn sends it", async () => {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => void socket.close(resolve));
  for (const burst of [1, 2, 3, 32]) {
    const network = new Network({ protocols: [udp()] });
    const connection = await network.connect(`udp://127.0.0.1:${port}`, { reconnect: false });
    const closed = new Promise<unknown>((resolve) => void connection.on("close", ({ error }) => resolve(error?.code)));
    let isOpen = true;
    void closed.then(() => {
      isOpen = false;
    });
    while (isOpen) {
      for (let sent = 0; sent < burst; sent++) connection.send("anybody?");
      await endOfTurn();
    }
    expect(await closed, `${burst} at once`).toBe("connection-refused");
    await network.close();
  }
});

test("a link whose last datagram had no receipt closes cleanly", async () => {
  await using serving = await Serving.start();
  const connection = await serving.network.connect(`udp://127.0.0.1:${serving.port}`);
  for (let sent = 0; sent < 10; sent++) connection.send(String(sent));
  const server: HeldLink = await serving.next();
  expect((await server.texts(10)).at(-1)).toBe("9");
  expect(await connection.close()).toMatchObject({ by: "local", clean: true, bytesLost: 0 });
});
