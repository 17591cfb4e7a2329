import assert from "node:assert/strict";
import type { HistoryResult } from "../encodings.ts";
import type { WireLaw } from "../wire-law.ts";

const offsets = ({ publications = [] }: HistoryResult): (number | undefined)[] =>
  publications.map(({ offset }) => offset);

export const historyLaws: readonly WireLaw[] = [
  {
    name: "history gives as many as asked for, from where and in which direction it was asked for",
    async run(world) {
      const server = await world.serve();
      await server.publish("log", 1, 2, 3, 4, 5);
      const client = await server.connect();
      const { epoch } = await client.history({ channel: "log" });
      const rows: readonly [object, readonly number[]][] = [
        [{}, []],
        [{ limit: 0, since: { offset: 2, epoch } }, []],
        [{ limit: 2 }, [1, 2]],
        [{ limit: -1 }, [1, 2, 3, 4, 5]],
        [{ limit: 1_000_000_000 }, [1, 2, 3, 4, 5]],
        [{ limit: 2, reverse: true }, [5, 4]],
        [{ limit: 2, since: { offset: 2, epoch } }, [3, 4]],
        [{ limit: 2, since: { offset: 2 } }, [3, 4]],
        [{ limit: 9, since: { offset: 4, epoch }, reverse: true }, [3, 2, 1]],
        [{ limit: 9, since: { offset: 5, epoch } }, []],
        [{ limit: 9, since: { offset: 50, epoch } }, []],
      ];
      for (const [request, expected] of rows) {
        const page = await client.history({ channel: "log", ...request });
        assert.deepEqual(offsets(page), expected, JSON.stringify(request));
        assert.deepEqual([page.offset, page.epoch], [5, epoch], JSON.stringify(request));
      }
      const since = { offset: 1, epoch: "another" };
      assert.equal(await client.errorOf({ history: { channel: "log", limit: 1, since } }), 112);
      assert.equal(await client.errorOf({ history: { channel: "log", limit: 1, since: {}, reverse: true } }), 107);
    },
  },
  {
    name: "paging through history visits each publication once, forward and backward",
    async run(world) {
      const server = await world.serve();
      for (let count = 1; count <= 10; count++) await server.publish("log", count);
      const client = await server.connect();
      const { epoch } = await client.history({ channel: "log" });
      for (const reverse of [false, true]) {
        const seen: (number | undefined)[] = [];
        for (;;) {
          const last = seen.at(-1);
          const since = last === undefined ? {} : { since: { offset: last, epoch } };
          const page = offsets(await client.history({ channel: "log", limit: 3, reverse, ...since }));
          if (page.length === 0) break;
          seen.push(...page);
        }
        const forward = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert.deepEqual(seen, reverse ? forward.toReversed() : forward);
      }
    },
  },
  {
    name: "a page holds no more than the server gives, whatever the limit asked for",
    async run(world) {
      const server = await world.serve({ limits: { historyPageSize: 3 } });
      await server.publish("log", 1, 2, 3, 4, 5);
      const client = await server.connect();
      for (const limit of [-1, 4, 1_000_000_000]) {
        assert.deepEqual(offsets(await client.history({ channel: "log", limit })), [1, 2, 3]);
      }
    },
  },
  {
    name: "history that was trimmed begins with the oldest there is, and what expired is gone; the top stays",
    async run(world) {
      const server = await world.serve();
      for (let count = 1; count <= 15; count++) await server.publish("log", count);
      const client = await server.connect();
      const { epoch } = await client.history({ channel: "log" });
      const page = await client.history({ channel: "log", limit: 2, since: { offset: 1, epoch } });
      assert.deepEqual(offsets(page), [6, 7]);
      await server.clock.pass(61_000);
      assert.deepEqual(await client.history({ channel: "log", limit: 9 }), { publications: [], offset: 15, epoch });
      await server.publish("log", 16);
      assert.deepEqual(offsets(await client.history({ channel: "log", limit: 9 })), [16]);
    },
  },
  {
    name: "a result that has nothing to tell says so with empty fields, not with none",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("room");
      await client.everything();
      const { history } = await client.ask({ history: { channel: "log" } });
      if (world.encoding.name === "json") {
        assert.deepEqual(Object.keys(history ?? {}).sort(), ["epoch", "offset", "publications"]);
      }
      assert.deepEqual((await client.ask({ publish: { channel: "plain", data: 1 } })).publish, {});
      assert.deepEqual((await client.ask({ unsubscribe: { channel: "room" } })).unsubscribe, {});
      assert.deepEqual(await client.subscribe("plain"), {});
    },
  },
];
