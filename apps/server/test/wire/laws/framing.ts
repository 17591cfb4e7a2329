import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import type { Payload } from "@polywire/core";
import { cutDelimited, isUnfinished } from "../delimited.ts";
import { type Encoding, json, protobufEncoding } from "../encodings.ts";
import type { Transport } from "../transports.ts";
import type { WireLaw } from "../wire-law.ts";

const bytes = (...values: readonly number[]): Uint8Array => new Uint8Array(values);
/** No command is as long as this. */
const MOST_BYTES = 1_000_000;

const fence = { id: 77, rpc: { method: "fence" } };

function malformed({ name }: Encoding): readonly [string, Payload][] {
  const command = json.encode(fence) as string;
  const binary = protobufEncoding.encode(fence) as Uint8Array;
  if (name === "json") {
    return [
      ["nothing", ""],
      ["garbage", "garbage"],
      ["an array", "[]"],
      ["an array of commands", `[${command}]`],
      ["a number", "7"],
      ["null", "null"],
      ["half a command", command.slice(0, -1)],
      ["a command and half of another", `${command}\n${command.slice(0, -1)}`],
      ["an empty line between commands", `${command}\n\n${command}`],
      ["two commands in a line", command + command],
      ["a newline inside a command", command.replace(":", ":\n")],
      ["an id that is text", '{"id":"1","rpc":{"method":"fence"}}'],
      ["an id below zero", '{"id":-1,"rpc":{"method":"fence"}}'],
      ["an id past 32 bits", '{"id":4294967296,"rpc":{"method":"fence"}}'],
      ["a channel that is a number", '{"id":1,"subscribe":{"channel":1}}'],
      [
        "text that is no UTF-8",
        Buffer.concat([Buffer.from('{"id":1,"rpc":{"method":"'), bytes(255), Buffer.from('"}}')]),
      ],
      ["Protobuf", binary],
    ];
  }
  return [
    ["nothing", bytes()],
    ["a length and nothing", bytes(5)],
    ["a length that goes on for ever", bytes(255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255)],
    ["a length of 4 GiB", bytes(255, 255, 255, 255, 15, 8, 1)],
    ["half a command", binary.slice(0, -1)],
    ["a command and half of another", Buffer.concat([binary, binary.subarray(0, -1)])],
    ["a group without an end", bytes(2, 11, 8)],
    ["a wire type that there is none of", bytes(2, 15, 8)],
    ["a field without its value", bytes(1, 8)],
    ["a request longer than its command", bytes(3, 42, 100, 10)],
    ["JSON", Buffer.from(command)],
  ];
}

/**
 * What there is to it over this transport. On a stream blank lines are nothing and a command waits for its rest; where the
 * wire itself makes messages of it, what is none of its own never comes to the server.
 */
function malformedOver({ frames }: Transport, encoding: Encoding): readonly [string, Payload][] {
  const all = malformed(encoding);
  if (frames === "whole" || frames === "single") return all;
  if (encoding.name === "json") {
    return all.filter(([what, frame]) => {
      const isBlank = ["nothing", "an empty line between commands"].includes(what);
      return !isBlank && (frames === "stream" || isUtf8(Buffer.from(frame as string)));
    });
  }
  return all.filter(([, frame]) => {
    const { frames: whole, rest } = cutDelimited(frame as Uint8Array);
    return frames === "stream" ? !isUnfinished(rest, MOST_BYTES) : whole.length > 0 && rest.length === 0;
  });
}

export const framingLaws: readonly WireLaw[] = [
  {
    name: "a malformed frame ends the session with 3501, before and after connect, and harms nobody else",
    async run(world) {
      const server = await world.serve();
      const witness = await server.subscriber("news");
      for (const [what, frame] of malformedOver(world.transport, world.encoding)) {
        const stranger = await server.dial();
        stranger.link.send(frame);
        assert.equal((await stranger.ended(`the end after ${what}`)).code, 3501, what);
        const client = await server.connect();
        client.link.send(frame);
        assert.equal((await client.ended(`the end after ${what}`)).code, 3501, what);
      }
      await server.publish("news", "still here");
      assert.equal((await witness.publication("news")).data, "still here");
    },
  },
  {
    name: "a malformed command in a frame does not undo the commands before it",
    async run(world) {
      const server = await world.serve();
      const reader = await server.subscriber("plain");
      const client = await server.connect();
      const good = world.encoding.encode({ id: 5, publish: { channel: "plain", data: "before" } });
      const bad = world.encoding.name === "json" ? "\n{" : bytes(1, 8);
      client.link.send(typeof good === "string" ? good + String(bad) : Buffer.concat([good, bad as Uint8Array]));
      assert.equal((await client.ended()).code, 3501);
      assert.equal((await reader.publication("plain")).data, "before");
    },
  },
  {
    name: "256 commands in a frame are taken, and 257 end the session with 3501",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const many = (count: number): object[] =>
        Array.from({ length: count }, (_, index) => ({ id: 1_000 + index, unsubscribe: { channel: "plain" } }));
      client.say(...(many(256) as Record<string, unknown>[]));
      assert.equal((await client.everything()).length, 256);
      client.say(...(many(257) as Record<string, unknown>[]));
      // Where each command is a frame there may be any number of them.
      if (world.transport.frames === "whole") assert.equal((await client.ended()).code, 3501);
      else assert.equal((await client.everything()).length, 257);
    },
  },
  {
    name: "unknown fields are ignored, and the largest id is echoed",
    async run(world) {
      const server = await world.serve();
      const client = await server.connect();
      const id = 4_294_967_295;
      if (world.encoding.name === "json") {
        client.link.send(`{"id":${id},"later":{"x":[1]},"rpc":{"method":"fence","also":null}}\n`);
      } else {
        // Field 99, of each wire type.
        const unknown = bytes(152, 6, 1, 153, 6, 0, 0, 0, 0, 0, 0, 0, 0, 154, 6, 1, 120, 157, 6, 0, 0, 0, 0);
        const command = protobufEncoding.encode({ id, rpc: { method: "fence" } }) as Uint8Array;
        const body = Buffer.concat([command.subarray(1), unknown]);
        client.link.send(new Uint8Array(Buffer.concat([bytes(body.length), body])));
      }
      assert.deepEqual(await client.next("the answer"), { id, rpc: { data: {} } });
    },
  },
  {
    name: "a publication past the limit is answered 107, a frame past the link's limit harms that link alone",
    async run(world) {
      const server = await world.serve({ limits: { publicationBytes: 65_536 } });
      const witness = await server.subscriber("plain");
      const client = await server.connect();
      const sized = (length: number): Record<string, unknown> => ({
        publish: { channel: "plain", data: "x".repeat(length - 2) },
      });
      assert.ok((await client.ask(sized(65_536))).publish);
      assert.equal(((await witness.publication("plain")).data as string).length, 65_534);
      assert.equal(await client.errorOf(sized(65_537)), 107);
      client.say({ id: 99, ...sized(400_000) });
      const { tooLargeCode } = world.transport;
      if (tooLargeCode === undefined) await client.expectNothing();
      else assert.equal((await client.ended()).code, tooLargeCode);
      await witness.expectNothing();
    },
  },
];
