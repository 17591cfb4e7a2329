import assert from "node:assert/strict";
import type { Payload, Prepared } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { Pair, World } from "../world.ts";
import { expectArrival, isDependable } from "./arrival.ts";

const LINKS = 5;

/** Bytes framed once serve every link that frames alike. Links that share no framing promise nothing here. */
export const preparedLaws: readonly LawDefinition[] = [
  {
    name: "prepared bytes shared by many links arrive equal, in order with what each link sent itself",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const pairs = await pairsOf(world, LINKS);
      for (const group of sharing(pairs)) {
        const expected = group.map((): Payload[] => []);
        for (let round = 0; round < 20; round++) {
          const payloads: Payload[] = [`shared ${round}`, world.bytes(round, 50 + round), "", new Uint8Array()];
          const prepared = prepare(group, payloads);
          for (const [index, { server }] of group.entries()) {
            if ((round + index) % 3 === 0) {
              server.send(`own ${index} ${round}`);
              expected[index]?.push(`own ${index} ${round}`);
            }
            server.send(prepared);
            expected[index]?.push(...payloads);
            // One link misses a round: its run is no longer that of the others.
            if (round === index + 7) {
              server.send("extra");
              expected[index]?.push("extra");
            }
          }
          if (round % 5 === 4) await world.patience.settle(2);
        }
        for (const [index, { client }] of group.entries()) await expectArrival(client, expected[index] ?? []);
      }
    },
  },
  {
    name: "prepared bytes do not change when the payloads they were made from do",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      for (const group of sharing(await pairsOf(world, 2))) {
        const payload = world.bytes(1, 1_000);
        const prepared = prepare(group, [payload]);
        payload.fill(0xdb);
        for (const { server } of group) server.send(prepared);
        for (const { client } of group) await expectArrival(client, [world.bytes(1, 1_000)]);
      }
    },
  },
  {
    name: "a prepared says what it holds, and counts as much in the buffer",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      for (const group of sharing(await pairsOf(world, 1))) {
        const prepared = prepare(group, ["abc", world.bytes(1, 10)]);
        assert.equal(prepared.messages, 2, "messages");
        assert.equal(prepared.largestMessageBytes, 10, "largestMessageBytes");
        assert.ok(prepared.byteLength >= 13, "byteLength");
        const { link } = (group[0] as Pair).server;
        const before = link.bufferedBytes;
        assert.equal(link.send(prepared), "sent");
        assert.equal(link.bufferedBytes - before, prepared.byteLength, "bufferedBytes for it");
      }
    },
  },
];

async function pairsOf(world: World, count: number): Promise<Pair[]> {
  const listening = await world.listen();
  const pairs: Pair[] = [];
  for (let index = 0; index < count; index++) pairs.push(await world.pairAt(listening));
  return pairs;
}

/** The pairs whose accepted links share a framing, group by group. */
function sharing(pairs: readonly Pair[]): readonly (readonly Pair[])[] {
  const groups = Map.groupBy(pairs, ({ server }) => server.link.framing);
  groups.delete(undefined);
  return [...groups.values()];
}

function prepare(group: readonly Pair[], payloads: readonly Payload[]): Prepared {
  const framing = group[0]?.server.link.framing;
  assert.ok(framing !== undefined);
  const prepared = framing.prepare(payloads);
  assert.equal(prepared.framing, framing, "the framing of what it prepared");
  return prepared;
}
