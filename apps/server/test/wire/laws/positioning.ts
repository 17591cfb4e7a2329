import assert from "node:assert/strict";
import type { WireLaw } from "../wire-law.ts";

const WATCHED = "watched";

export const positioningLaws: readonly WireLaw[] = [
  {
    name: "a channel with positioning keeps no history, and ends with 2500 the subscription of who missed something",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const { positioned, recoverable, epoch, offset } = await client.subscribe(WATCHED);
      assert.deepEqual([positioned, recoverable ?? false, offset ?? 0], [true, false, 0]);
      assert.match(epoch ?? "", /^[a-zA-Z]+$/);
      await server.publish(WATCHED, 1);
      assert.equal((await client.publication(WATCHED)).offset, 1);
      assert.equal(await client.errorOf({ history: { channel: WATCHED, limit: 10 } }), 108);
      server.broker.losing = () => true;
      await server.publish(WATCHED, 2);
      server.broker.losing = undefined;
      await server.publish(WATCHED, 3);
      assert.deepEqual(await client.next("an unsubscribe push"), {
        push: { channel: WATCHED, unsubscribe: { code: 2500, reason: "insufficient state" } },
      });
      const again = await client.subscribe(WATCHED, { recover: true, offset: 1, epoch });
      assert.deepEqual([again.positioned, again.recovered ?? false, again.offset], [true, false, 3]);
      await server.publish(WATCHED, 4);
      assert.equal((await client.publication(WATCHED)).offset, 4);
    },
  },
];
