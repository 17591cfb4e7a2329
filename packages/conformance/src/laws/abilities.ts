import assert from "node:assert/strict";
import type { LawDefinition } from "../law.ts";
import { expectArrival } from "./arrival.ts";

/** What only some wires can do; whoever promises it is held to it. */
export const abilityLaws: readonly LawDefinition[] = [
  {
    name: "one side may end while the other goes on",
    about: "links",
    appliesTo: ({ halfClose }) => halfClose,
    async run(world) {
      const goesOn = { ended() {} };
      const { client, server } = await world.pair({
        client: { reactions: goesOn },
        server: { reactions: () => goesOn },
      });
      client.send("question");
      client.halfClosable.end();
      assert.equal(client.link.send("more"), "refused", "send after end");
      assert.equal(client.link.refusal, "closed", "why it was refused");
      await server.ended();
      await expectArrival(server, ["question"]);
      assert.equal(client.recorder.closeInfos.length + server.recorder.closeInfos.length, 0, "closes so far");
      server.send("answer");
      server.halfClosable.end();
      await client.ended();
      await expectArrival(client, ["answer"]);
      for (const probe of [client, server]) {
        const info = await probe.closed();
        assert.equal(info.clean, true, `${probe.name}: clean`);
        assert.equal(info.bytesLost, 0, `${probe.name}: bytesLost`);
      }
    },
  },
  {
    name: "a sink that has no use for half a link has it closed when the other side ends",
    about: "links",
    appliesTo: ({ halfClose }) => halfClose,
    async run(world) {
      const { client, server } = await world.pair();
      client.send("all there is");
      client.halfClosable.end();
      const info = await server.closed();
      assert.notEqual(info.by, "local", "by, of the side that did nothing");
      assert.equal(info.clean, true, "clean");
      await expectArrival(server, ["all there is"]);
      assert.equal((await client.closed()).clean, true, "clean, of the side that ended");
    },
  },
  {
    name: "the end may be answered with a close inside ended",
    about: "links",
    appliesTo: ({ halfClose }) => halfClose,
    async run(world) {
      const { client, server } = await world.pair({
        server: { reactions: () => ({ ended: () => server.link.close() }) },
      });
      client.halfClosable.end();
      assert.equal((await server.closed()).by, "local", "by, of the side that closed");
      await client.closed();
    },
  },
  {
    name: "a ping tells its round trip once, after ping has returned",
    about: "links",
    appliesTo: ({ ping }) => ping !== "none",
    async run(world) {
      const { client, server } = await world.pair();
      for (const { pingable, name } of [client, server]) {
        const answers: (number | undefined)[] = [];
        for (let count = 0; count < 3; count++) {
          const before = answers.length;
          pingable.ping((roundTripMs) => void answers.push(roundTripMs));
          assert.equal(answers.length, before, `${name}: answers before ping has returned`);
        }
        await world.patience.until(() => answers.length >= 3, `${name}: three answers`);
        await world.patience.settle();
        assert.equal(answers.length, 3, `${name}: answers to three pings`);
        for (const answer of answers)
          assert.ok(answer !== undefined && answer >= 0 && answer < 5_000, `${name}: a round trip of ${answer} ms`);
      }
    },
  },
  {
    name: "a ping on a link that closes is answered with undefined, once",
    about: "links",
    appliesTo: ({ ping }) => ping !== "none",
    async run(world) {
      const { client } = await world.pair();
      const answers: (number | undefined)[] = [];
      client.link.close({ discard: true });
      client.pingable.ping((roundTripMs) => void answers.push(roundTripMs));
      assert.equal(answers.length, 0, "answers before ping has returned");
      await client.closed();
      client.pingable.ping((roundTripMs) => void answers.push(roundTripMs));
      await world.patience.until(() => answers.length >= 2, "an answer for each ping");
      await world.patience.settle();
      assert.deepEqual(answers, [undefined, undefined], "answers");
    },
  },
];
