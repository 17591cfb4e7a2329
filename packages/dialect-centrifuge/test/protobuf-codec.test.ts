import { readFileSync } from "node:fs";
import { PolywireError, type Publication } from "@polywire/core";
import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { API_SCHEMA, CLIENT_SCHEMA, renderSchema } from "../scripts/protobuf-schema.ts";
import type { Command } from "../src/message.ts";
import { ProtobufCodec } from "../src/protobuf-codec.ts";
import { commandVectors, compactPush, hex, replyVectors } from "./protobuf-vectors.ts";

const codec = new ProtobufCodec();
const schema = protobuf.parse(readFileSync(CLIENT_SCHEMA.proto, "utf8"), { keepCase: true }).root;
const CommandType = schema.lookupType("centrifugal.centrifuge.protocol.Command");
const ReplyType = schema.lookupType("centrifugal.centrifuge.protocol.Reply");

function readAll(frame: Uint8Array): Command[] {
  const reader = codec.read(frame);
  const commands: Command[] = [];
  for (let command = reader.next(); command !== undefined; command = reader.next()) commands.push(command);
  return commands;
}

function refusal(frame: Uint8Array): string {
  try {
    return JSON.stringify(readAll(frame));
  } catch (error) {
    if (PolywireError.is(error)) return error.code;
    throw error;
  }
}

describe("Protobuf", () => {
  it.each([CLIENT_SCHEMA, API_SCHEMA])("has a module generated from its schema: $constant", (file) => {
    expect(readFileSync(file.module, "utf8")).toBe(renderSchema(file));
  });

  it.each(commandVectors)("reads %s", (vector, command) => {
    expect(readAll(hex(vector))).toEqual([command]);
    expect(readAll(Buffer.from(hex(vector)))).toEqual([command]);
  });

  it.each(replyVectors)("writes %s", (vector, write) => {
    expect(Buffer.from(write(codec) as Uint8Array).toString("hex")).toBe(vector.replaceAll(" ", ""));
  });

  const replies = [...replyVectors.map(([vector]) => vector), compactPush];
  const commands = commandVectors.map(([vector]) => vector);
  it.each([
    ...commands.map((vector) => [vector, CommandType] as const),
    ...replies.map((vector) => [vector, ReplyType] as const),
  ])("has a schema in which %s is whole, in either direction", (vector, type) => {
    const { id: _, ...message } = type.toObject(type.decodeDelimited(hex(vector)));
    expect(Object.keys(message).length > 0 || vector === "00").toBe(true);
    const again = type.encodeDelimited(type.decodeDelimited(hex(vector))).finish();
    expect(Buffer.from(again).toString("hex")).toBe(vector.replaceAll(" ", ""));
  });

  it("has a schema for frames that travel apart from their stream", () => {
    const type = schema.lookupType("centrifugal.centrifuge.protocol.EmulationRequest");
    const request = type.toObject(type.decode(hex("0a 01 6e 12 01 73 1a 0d 0c 08 02 2a 08 0a 04 6e 65 77 73 70 01")));
    expect(request).toMatchObject({ node: "n", session: "s" });
    expect(readAll(request["data"] as Uint8Array)).toMatchObject([{ kind: "subscribe", request: { channel: "news" } }]);
  });

  it("reads all vectors as one frame, in order", () => {
    const frame = Buffer.concat(commandVectors.map(([vector]) => hex(vector)));
    expect(readAll(frame)).toEqual(commandVectors.map(([, command]) => command));
  });

  it("refuses every vector that is cut short, at every position", () => {
    for (const [vector] of commandVectors) {
      const whole = hex(vector);
      for (let length = 0; length < whole.length; length++) {
        expect(refusal(whole.subarray(0, length)), `${vector} cut to ${length}`).toBe("protocol-violation");
      }
    }
  });

  it.each([
    ["an empty frame", ""],
    ["a length of 2⁵³", "80 80 80 80 80 80 80 10"],
    ["a length of 0xffffffff", "ff ff ff ff 0f 08 01"],
    ["a length in ten bytes", "ff ff ff ff ff ff ff ff ff 01 08"],
    ["no length in six bytes", "80 80 80 80 80 00"],
    ["a length without an end", "80"],
    ["a length one too large", "03 08 01"],
    ["a field that runs over the command", "04 08 01 2a 08"],
    ["a group without an end", "01 0b"],
    ["a varint of eleven bytes", "0c 08 80 80 80 80 80 80 80 80 80 80 01"],
    ["a field number 0", "02 02 00"],
    ["a wire type 7", "02 0f 00"],
  ])("refuses %s", (_, frame) => {
    expect(refusal(hex(frame))).toBe("protocol-violation");
  });

  it("gives nothing of a command whose end is missing", () => {
    expect(() => codec.read(hex("03 08 01")).next()).toThrow("a command of 3 bytes is announced, 2 are there");
  });

  it("refuses filters nested beyond reason without exhausting the stack", () => {
    let node = Buffer.alloc(0);
    for (let depth = 0; depth < 20_000; depth++) node = Buffer.concat([Buffer.from([0x32]), varint(node.length), node]);
    const request = Buffer.concat([Buffer.from([0x6a]), varint(node.length), node]);
    const command = Buffer.concat([Buffer.from([0x08, 1, 0x2a]), varint(request.length), request]);
    expect(refusal(Buffer.concat([varint(command.length), command]))).toBe("protocol-violation");
  });

  it("takes a command without a known request as unknown, and one without an id too", () => {
    expect(readAll(hex("02 08 63"))).toEqual([{ kind: "unknown", id: 99 }]);
    expect(readAll(hex("04 32 02 0a 00"))).toEqual([{ kind: "unknown", id: 0 }]);
  });

  it("takes the first of several requests, in the order of the protocol", () => {
    const frame = CommandType.encodeDelimited({
      id: 1,
      publish: { channel: "p" },
      presence: { channel: "q" },
    }).finish();
    expect(readAll(frame)).toEqual([{ kind: "publish", id: 1, request: { channel: "p", data: undefined, type: 0 } }]);
  });

  it("keeps a hostile key a key", () => {
    const headers: Record<string, string> = Object.create(null) as Record<string, string>;
    headers["__proto__"] = "polluted";
    const [command] = readAll(CommandType.encodeDelimited({ id: 1, connect: { headers } }).finish());
    expect(command?.kind === "connect" && [...command.request.headers]).toEqual([["__proto__", "polluted"]]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("clamps an offset that is no safe integer", () => {
    const [command] = readAll(hex("12 08 01 2a 0e 0a 01 6e 38 ff ff ff ff ff ff ff ff ff 01"));
    expect(command).toMatchObject({ request: { channel: "n", offset: Number.MAX_SAFE_INTEGER } });
  });

  it("owns what it read: the frame may be overwritten", () => {
    const frame = hex("13 08 04 3a 0f 0a 04 6e 65 77 73 12 07 7b 22 78 22 3a 31 7d");
    const [command] = readAll(frame);
    frame.fill(0xff);
    expect(command).toMatchObject({ request: { channel: "news", data: new Uint8Array(Buffer.from('{"x":1}')) } });
  });

  it("reads what the library writes, and writes what the library reads", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 20 });
    const data = fc.uint8Array({ minLength: 1, maxLength: 300 });
    const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff_ffff }),
        text,
        data,
        offset,
        text,
        (id, channel, payload, at, epoch) => {
          const frame = CommandType.encodeDelimited({ id, publish: { channel, data: payload } }).finish();
          expect(readAll(frame)).toEqual([{ kind: "publish", id, request: { channel, data: payload, type: 0 } }]);
          const subscribe = { channel, recover: true, epoch, offset: at };
          const [read] = readAll(CommandType.encodeDelimited({ id, subscribe }).finish());
          expect(read).toMatchObject({ id, request: { channel, recover: true, epoch, offset: at } });

          const publication: Publication = {
            data: payload,
            format: "binary",
            offset: at,
            info: { user: epoch, client: channel, connectionInfo: payload },
            tags: new Map([["__proto__", epoch]]),
          };
          const push = codec.pushPublication(channel, publication, { epoch: epoch });
          const pub = ReplyType.toObject(ReplyType.decodeDelimited(push), { longs: Number, defaults: true }) as {
            push: {
              channel: string;
              pub: { data: Uint8Array; offset: number; epoch: string; info: object; tags: object };
            };
          };
          expect(pub.push.channel).toBe(channel);
          expect(new Uint8Array(pub.push.pub.data)).toEqual(payload);
          expect(pub.push.pub).toMatchObject({ offset: at, epoch, info: { user: epoch, client: channel } });
          expect(Object.entries(pub.push.pub.tags)).toEqual([["__proto__", epoch]]);
        },
      ),
    );
  });

  it("answers any bytes with commands or a protocol violation", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => {
        refusal(frame);
        refusal(Buffer.concat([varint(frame.length), frame]));
      }),
      { numRuns: 3_000 },
    );
  });

  it("answers any damaged vector with commands or a protocol violation", () => {
    fc.assert(
      fc.property(fc.constantFrom(...commandVectors), fc.nat(), fc.nat({ max: 255 }), ([vector], position, value) => {
        const frame = hex(vector);
        frame[position % frame.length] = value;
        refusal(frame);
      }),
      { numRuns: 3_000 },
    );
  });
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
