import assert from "node:assert/strict";
import type { Publication } from "../encodings.ts";
import { applyPatch } from "../patch.ts";
import type { WireLaw } from "../wire-law.ts";

/** What a client that was granted deltas makes of its publications, one after the other. */
class Document {
  #text = "";

  take({ data, delta }: Publication): unknown {
    const told = typeof data === "string" ? data : asText(data);
    this.#text = delta === true ? applyPatch(this.#text, told) : told;
    return JSON.parse(this.#text) as unknown;
  }
}

/** Protobuf clients are told bytes, which the reader has made values of where they are JSON. */
function asText(data: unknown): string {
  return data instanceof Uint8Array ? new TextDecoder("utf-8", { fatal: true }).decode(data) : JSON.stringify(data);
}

const version = (number: number): object => ({ text: "как и прежде, ".repeat(40), number });

export const deltaLaws: readonly WireLaw[] = [
  {
    name: "who asks for deltas is told what changed, never from what it was not told; the others are told everything",
    async run(world) {
      const server = await world.serve();
      const plain = await server.subscriber("document");
      await server.publish("document", version(1));
      const client = await server.connect();
      const { delta, epoch } = await client.subscribe("document", { delta: "fossil", flag: 1 });
      assert.equal(delta, true);
      const document = new Document();
      const deltas: boolean[] = [];
      for (const number of [2, 3, 4]) {
        await server.publish("document", version(number));
        const publication = await client.publication("document");
        deltas.push(publication.delta ?? false);
        assert.deepEqual(document.take(publication), version(number));
      }
      assert.deepEqual(deltas, [false, true, true]);
      for (const number of [1, 2, 3, 4]) assert.deepEqual((await plain.publication("document")).data, version(number));
      const back = await server.connect();
      const recovery = { recover: true, offset: 2, epoch };
      const { publications = [], recovered } = await back.subscribe("document", { delta: "fossil", ...recovery });
      assert.equal(recovered, true);
      const regained = new Document();
      assert.deepEqual(
        publications.map((each) => regained.take(each)),
        [version(3), version(4)],
      );
      await server.publish("document", version(5));
      assert.deepEqual(regained.take(await back.publication("document")), version(5));
    },
  },
  {
    name: "deltas are granted where the channel has them, and no others are known",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const { delta } = await client.subscribe("plain", { delta: "fossil" });
      assert.equal(delta, undefined);
      await server.publish("plain", { whole: true });
      assert.deepEqual((await client.publication("plain")).data, { whole: true });
      client.say({ id: 9, subscribe: { channel: "document", delta: "xdelta" } });
      await client.expectEnd(3501);
    },
  },
  {
    name: "who knows numbers is told the channel's number in its events, and who does not its name",
    async run(world) {
      const server = await world.serve();
      const named = await server.subscriber("a-long-name");
      await named.everything();
      const client = await server.connect();
      const { before, reply } = await client.askAmid({ subscribe: { channel: "a-long-name", flag: 1 } });
      assert.deepEqual(before, []);
      const id = reply.subscribe?.id;
      assert.ok(id !== undefined && id > 0);
      await server.publish("a-long-name", 1);
      const events = (await client.everything()).map(({ push }) => [push?.id, push?.channel]);
      assert.deepEqual(events, [
        [id, undefined],
        [id, undefined],
      ]);
      const names = (await named.everything()).map(({ push }) => [push?.id, push?.channel]);
      assert.deepEqual(names, [
        [undefined, "a-long-name"],
        [undefined, "a-long-name"],
      ]);
      const other = await server.connect();
      assert.notEqual((await other.subscribe("a-long-name-too", { flag: 1 })).id, id);
      const last = await server.connect();
      assert.equal((await last.subscribe("plain", { flag: 1 })).id, undefined);
    },
  },
];
