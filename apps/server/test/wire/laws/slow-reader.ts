import assert from "node:assert/strict";
import type { WireLaw } from "../wire-law.ts";

const KIBIBYTE = 1_024;
/** The kernel takes some 4 MiB for a reader that does not read; this is far more than that and the queue together. */
const MOST_BYTES = 24 * 1_024 * KIBIBYTE;

export const slowReaderLaws: readonly WireLaw[] = [
  {
    name: "a client that stops reading is cut with 3008 at the queue's limit, while the others miss nothing",
    timeoutMs: 30_000,
    async run(world) {
      const outboundBytesPerSession = 512 * KIBIBYTE;
      const server = await world.serve({ limits: { outboundBytesPerSession } });
      const slow = await server.subscriber("plain");
      const others = [await server.subscriber("plain"), await server.subscriber("plain", {}, server.otherEncoding)];
      await slow.everything();
      slow.link.stall();
      const text = "x".repeat(64 * KIBIBYTE);
      let published = 0;
      let sentBytes = 0;
      while (server.hub.stats().slowConsumers === 0) {
        assert.ok(sentBytes < MOST_BYTES, `not cut after ${sentBytes} bytes`);
        await server.publish("plain", { number: published, text });
        published++;
        sentBytes += text.length;
        assert.ok(server.hub.stats().largestBufferedBytes <= outboundBytesPerSession);
        for (const other of others) {
          const { data } = await other.publication("plain");
          assert.equal((data as { number: number }).number, published - 1);
        }
      }
      // The others have read all; on some wires that is noticed when they read on.
      for (let turn = 0; turn < 100 && server.hub.stats().bufferedBytes > 0; turn++) await server.clock.pass(1);
      assert.equal(server.hub.stats().bufferedBytes, 0);
      assert.equal(server.hub.stats().sessions, 2);
      slow.link.resume();
      assert.equal((await slow.ended()).code, world.transport.cutOffCode);
      await server.publish("plain", "after");
      for (const other of others) assert.equal((await other.publication("plain")).data, "after");
    },
  },
];
