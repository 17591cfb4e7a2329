import assert from "node:assert/strict";
import type { WireClient } from "../wire-client.ts";
import type { WireLaw, WireWorld } from "../wire-law.ts";
import type { WireServer } from "../wire-server.ts";

const KIBIBYTE = 1_024;
const QUEUE_BYTES = 512 * KIBIBYTE;
const TEXT = "x".repeat(32 * KIBIBYTE);
/** The kernel takes some 4 MiB for a reader that does not read; this is far more than that and the queue together. */
const MOST_PUBLICATIONS = 768;
/** Turns of the event loop for a client to read what waits for it. */
const MOST_TURNS = 20_000;

interface Numbered {
  readonly number: number;
}

/** One client that stops reading and one that goes on, in a channel that drops something. */
class Falling {
  readonly server: WireServer;
  readonly channel: string;
  readonly slow: WireClient;
  readonly other: WireClient;
  published = 0;

  private constructor(server: WireServer, channel: string, [slow, other]: readonly [WireClient, WireClient]) {
    this.server = server;
    this.channel = channel;
    this.slow = slow;
    this.other = other;
  }

  static async behind(world: WireWorld, channel: string): Promise<Falling> {
    const server = await world.serve({ limits: { outboundBytesPerSession: QUEUE_BYTES } });
    const slow = await server.subscriber(channel);
    const other = await server.subscriber(channel);
    await slow.everything();
    slow.link.stall();
    return new Falling(server, channel, [slow, other]);
  }

  /** Publishes; the other client is told at once. The key goes round. */
  async publish(text: string): Promise<void> {
    const number = this.published++;
    await this.server.hub.publish(this.channel, { number, text }, { tags: { symbol: String(number % 3) } });
    assert.equal(((await this.other.publication(this.channel)).data as Numbered).number, number);
  }

  /** Publishes until so many publications were dropped for the one that does not read. */
  async publishUntilDropped(count: number): Promise<void> {
    while (this.dropped < count) {
      assert.ok(this.published < MOST_PUBLICATIONS, `only ${this.dropped} dropped`);
      await this.publish(TEXT);
      const { largestBufferedBytes, sessions } = this.server.hub.stats();
      assert.ok(largestBufferedBytes <= QUEUE_BYTES, `${largestBufferedBytes} bytes wait`);
      assert.equal(sessions, 2, "nobody is cut");
    }
  }

  get dropped(): number {
    const { overflowDropOldest, overflowDropNewest, overflowKeepLatest } = this.server.hub.stats();
    return overflowDropOldest + overflowDropNewest + overflowKeepLatest;
  }

  /** It reads again; what it has been told by the time it has caught up. */
  async catchUp(): Promise<number[]> {
    this.slow.link.resume();
    for (let turn = 0; turn < MOST_TURNS && this.server.hub.stats().bufferedBytes > 0; turn++) {
      await this.server.clock.pass(1);
    }
    assert.equal(this.server.hub.stats().bufferedBytes, 0);
    const told = await this.slow.everything();
    return told.map(({ push }) => {
      assert.equal(push?.channel, this.channel);
      return (push.pub?.data as Numbered | undefined)?.number ?? Number.NaN;
    });
  }
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] as number));
}

export const overflowLaws: readonly WireLaw[] = [
  {
    name: "where the oldest are dropped, a client that stops reading stays, and is told the newest when it reads on",
    timeoutMs: 30_000,
    async run(world) {
      const falling = await Falling.behind(world, "ticker");
      await falling.publishUntilDropped(4);
      const { dropped } = falling;
      const told = await falling.catchUp();
      assert.ok(isRising(told));
      assert.equal(told.at(-1), falling.published - 1);
      assert.equal(told.length, falling.published - dropped);
      await falling.publish("after");
      assert.equal(((await falling.slow.publication("ticker")).data as Numbered).number, falling.published - 1);
    },
  },
  {
    name: "where the newest are dropped, a client that stops reading stays, and is told the oldest and what comes later",
    timeoutMs: 30_000,
    async run(world) {
      const falling = await Falling.behind(world, "sample");
      await falling.publishUntilDropped(4);
      const { dropped } = falling;
      const told = await falling.catchUp();
      assert.deepEqual(
        told,
        Array.from({ length: falling.published - dropped }, (_, index) => index),
      );
      await falling.publish("after");
      assert.equal(((await falling.slow.publication("sample")).data as Numbered).number, falling.published - 1);
    },
  },
  {
    name: "where the latest are kept, a client that stops reading stays, and is told the latest of each key when it reads on",
    timeoutMs: 30_000,
    async run(world) {
      const falling = await Falling.behind(world, "quote");
      await falling.publishUntilDropped(4);
      const { dropped, published } = falling;
      const told = await falling.catchUp();
      assert.ok(isRising(told));
      assert.deepEqual(told.slice(-3), [published - 3, published - 2, published - 1]);
      assert.equal(told.length, published - dropped);
    },
  },
];
