import assert from "node:assert/strict";
import type { WireLaw } from "../wire-law.ts";

/** Nobody is in it, and it keeps no presence: to ask is answered 108. */
const ASK = { presence: { channel: "plain" } };

export const rateLaws: readonly WireLaw[] = [
  {
    name: "commands over a client's rate are answered 111, later ones are taken again, and a flood ends with 3013",
    async run(world) {
      const server = await world.serve({ limits: { commandsPerSecond: 5 } });
      const client = await server.connect();
      const other = await server.connect();
      for (let count = 0; count < 10; count++) assert.equal(await client.errorOf(ASK), 108);
      for (let count = 0; count < 5; count++) assert.equal(await client.errorOf(ASK), 111);
      await server.clock.pass(2_000);
      for (let count = 0; count < 10; count++) assert.equal(await client.errorOf(ASK), 108);
      for (let count = 0; count < 10; count++) assert.equal(await client.errorOf(ASK), 111);
      client.say({ id: client.newId(), ...ASK });
      await client.expectEnd(3013, "too many requests");
      assert.equal(await other.errorOf(ASK), 108);
    },
  },
  {
    name: "publishes over a client's rate are answered 111 and told to nobody, and other commands are taken all the same",
    async run(world) {
      const server = await world.serve({ limits: { publishesPerSecond: 1 } });
      const client = await server.subscriber("plain");
      const publish = async (data: number): Promise<number | undefined> =>
        (await client.askAmid({ publish: { channel: "plain", data } })).reply.error?.code;
      assert.deepEqual([await publish(1), await publish(2), await publish(3)], [undefined, undefined, 111]);
      assert.equal(await client.errorOf(ASK), 108);
      await server.publish("plain", 4);
      assert.deepEqual((await client.publication("plain")).data, 4);
    },
  },
];
