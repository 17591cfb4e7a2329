import assert from "node:assert/strict";
import { json, protobufEncoding } from "../encodings.ts";
import type { WireLaw } from "../wire-law.ts";

export const publishingLaws: readonly WireLaw[] = [
  {
    name: "who publishes hears its own publication, as the others do, once",
    async run(world) {
      const server = await world.serve({ authenticate: () => ({ user: "42" }) });
      const client = await server.subscriber("news");
      const other = await server.subscriber("news", {}, server.otherEncoding);
      const { before, reply } = await client.askAmid({ publish: { channel: "news", data: { x: 1 } } });
      assert.deepEqual(reply.publish, {});
      const own = [...before, ...(await client.everything())];
      assert.equal(own.length, 1);
      assert.deepEqual(own[0]?.push?.pub, await other.publication("news"));
      assert.equal(own[0]?.push?.pub?.info?.client, client.id);
    },
  },
  {
    name: "bytes reach a JSON client as base64 with a tag that says so, and a Protobuf client as they are",
    async run(world) {
      const server = await world.serve();
      const bytes = new Uint8Array([0, 255, 128, 10, 13, 34]);
      const readers = [
        await server.subscriber("bytes", {}, json),
        await server.subscriber("bytes", {}, protobufEncoding),
      ];
      const publisher = await server.connect({}, protobufEncoding);
      assert.ok((await publisher.ask({ publish: { channel: "bytes", data: bytes } })).publish);
      await server.hub.publish("bytes", bytes, { tags: { of: "server" } });
      const [asJson, asProtobuf] = readers;
      const tags = { encoding: "base64" };
      assert.deepEqual(await asJson?.publication("bytes"), {
        data: "AP+ACg0i",
        info: { user: "", client: publisher.id },
        tags,
      });
      assert.deepEqual((await asJson?.publication("bytes"))?.tags, { of: "server", ...tags });
      const { data, tags: none } = (await asProtobuf?.publication("bytes")) ?? {};
      assert.deepEqual([data, none], [bytes, undefined]);
      assert.deepEqual((await asProtobuf?.publication("bytes"))?.data, bytes);
      // Nobody was sent away for it.
      for (const reader of readers) await reader.expectNothing();
    },
  },
  {
    name: "bytes that are no JSON are not published where JSON is expected",
    async run(world) {
      const server = await world.serve();
      const witness = await server.subscriber("plain");
      const publisher = await server.connect({}, protobufEncoding);
      const notJson = new Uint8Array([123, 255]);
      assert.equal(await publisher.errorOf({ publish: { channel: "plain", data: notJson } }), 107);
      const { publish, error } = await publisher.ask({ publish: { channel: "plain" } });
      assert.deepEqual([publish, error?.code], [undefined, 107]);
      await witness.expectNothing();
    },
  },
  {
    name: "data pass through as they were written: a thousand levels deep, and numbers that no double holds",
    async run(world) {
      const server = await world.serve();
      const deep = `${"[".repeat(1_000)}12345678901234567890${"]".repeat(1_000)}`;
      const frames: (string | Uint8Array)[] = [];
      const reader = await server.connect();
      await reader.subscribe("plain");
      const decode = reader.frame.bind(reader);
      reader.frame = (frame) => {
        frames.push(frame);
        decode(frame);
      };
      const publisher = await server.connect({}, json);
      publisher.link.send(`{"id":7,"publish":{"channel":"plain","data":${deep}}}`);
      assert.deepEqual(await publisher.next("the publish's reply"), { id: 7, publish: {} });
      await reader.publication("plain");
      assert.ok(frames.some((frame) => Buffer.from(frame).includes(deep)));
    },
  },
  {
    name: "a program's publication with a key that was used is not told again",
    async run(world) {
      const server = await world.serve();
      const client = await server.subscriber("news");
      const first = await server.hub.publish("news", 1, { idempotencyKey: "k" });
      const second = await server.hub.publish("news", 2, { idempotencyKey: "k" });
      assert.deepEqual(second.position, first.position);
      await server.publish("news", 3);
      assert.deepEqual(await client.publications("news", 2), [1, 3]);
      await client.expectNothing();
    },
  },
  {
    name: "publications that one client sends in one frame are told in their order",
    async run(world) {
      const server = await world.serve();
      const reader = await server.subscriber("plain");
      const publisher = await server.connect();
      const numbers = Array.from({ length: 256 }, (_, index) => index);
      publisher.say(...numbers.map((data) => ({ id: data + 10, publish: { channel: "plain", data } })));
      assert.deepEqual(await reader.publications("plain", 256), numbers);
      const replies = await publisher.everything();
      assert.deepEqual(
        replies.map(({ id }) => id),
        numbers.map((number) => number + 10),
      );
    },
  },
];
