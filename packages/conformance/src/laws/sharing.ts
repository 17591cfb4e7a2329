import assert from "node:assert/strict";
import type { LawDefinition } from "../law.ts";
import { expectArrival } from "./arrival.ts";

const LINKS = 3;

/** Wires whose links share a connection. */
export const sharingLaws: readonly LawDefinition[] = [
  {
    name: "links that share a connection end alone: one that is cut off leaves the others talking",
    about: "links",
    appliesTo: ({ multiplexed = false }) => multiplexed,
    async run(world) {
      const listening = await world.listen();
      const pairs = [];
      for (let index = 0; index < LINKS; index++) pairs.push(await world.pairAt(listening));
      const ports = new Set(pairs.map(({ server }) => server.link.peer.port));
      assert.equal(ports.size, 1, `connections of ${LINKS} links`);

      const [cut, ...others] = pairs;
      cut?.client.link.close({ discard: true });
      await cut?.client.closed();
      await cut?.server.closed();
      for (const { client, server } of others) {
        client.send("still here");
        await expectArrival(server, ["still here"]);
        server.send("so am I");
        await expectArrival(client, ["so am I"]);
      }
    },
  },
];
