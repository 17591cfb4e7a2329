import assert from "node:assert/strict";
import type { WireLaw } from "../wire-law.ts";

const tf = {
  op: "or",
  nodes: [
    { key: "team", cmp: "eq", val: "red" },
    {
      op: "and",
      nodes: [
        { key: "team", cmp: "in", vals: ["blue", "green"] },
        { key: "goals", cmp: "gt", val: "9" },
      ],
    },
  ],
};

const PUBLISHED: readonly Readonly<Record<string, string>>[] = [
  { team: "red" },
  { team: "blue", goals: "9" },
  { team: "green", goals: "10" },
  {},
  { team: "red", goals: "0" },
];

export const filterLaws: readonly WireLaw[] = [
  {
    name: "who filters by tags is told what it asked for, live and recovered, and what is left out is no gap",
    async run(world) {
      const server = await world.serve();
      const all = await server.subscriber("tagged");
      const client = await server.connect();
      const { epoch } = await client.subscribe("tagged", { tf });
      for (const [index, tags] of PUBLISHED.entries()) await server.hub.publish("tagged", index + 1, { tags });
      assert.deepEqual(await all.publications("tagged", 5), [1, 2, 3, 4, 5]);
      assert.deepEqual(await client.publications("tagged", 3), [1, 3, 5]);
      const back = await server.connect();
      const result = await back.subscribe("tagged", { tf, recover: true, offset: 1, epoch });
      assert.equal(result.recovered, true);
      assert.deepEqual(
        result.publications?.map(({ data }) => data),
        [3, 5],
      );
      await server.hub.publish("tagged", 6, { tags: { team: "blue" } });
      await server.hub.publish("tagged", 7, { tags: { team: "red" } });
      for (const each of [client, back]) assert.equal((await each.publication("tagged")).offset, 7);
      for (const each of [client, back]) await each.expectNothing();
    },
  },
  {
    name: "a filter that is malformed, too deep, or not allowed in the channel is answered 107",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const leaf = { key: "team", cmp: "eq", val: "red" };
      const nested = (depth: number): object => (depth === 1 ? leaf : { op: "not", nodes: [nested(depth - 1)] });
      for (const wrong of [{ key: "team" }, { op: "and" }, { ...leaf, cmp: "like" }, nested(9), nested(40)]) {
        assert.equal(await client.errorOf({ subscribe: { channel: "tagged", tf: wrong } }), 107, JSON.stringify(wrong));
      }
      assert.equal(await client.errorOf({ subscribe: { channel: "plain", tf: leaf } }), 107);
      await client.subscribe("tagged", { tf: nested(8) });
    },
  },
];
