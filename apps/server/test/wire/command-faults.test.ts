import { describe, expect, test } from "vitest";
import { ComposedServer, MESSAGE_BYTES } from "./composed-server.ts";
import { type Command, type Encoding, encodings } from "./encodings.ts";
import type { WireClient } from "./wire-client.ts";

interface Row {
  readonly name: string;
  /** Said by a client that has connected and is in `plain` and `room`. */
  readonly command: Command;
  /** The code of the error it is answered with, or of its end; 0: it is answered. */
  readonly code: number;
}

const ROWS: readonly Row[] = [
  { name: "R15 a name of 256 bytes", command: { subscribe: { channel: `plain${"x".repeat(251)}` } }, code: 107 },
  { name: "R16 a duplicate subscribe", command: { subscribe: { channel: "plain" } }, code: 105 },
  { name: "R19 a channel that no rule covers", command: { subscribe: { channel: "uncovered" } }, code: 102 },
  {
    name: "R22 a publication of 64 KiB and a byte",
    command: { publish: { channel: "plain", data: "x".repeat(MESSAGE_BYTES - 1) } },
    code: 107,
  },
  { name: "R23 history without right", command: { history: { channel: "news", limit: 1 } }, code: 103 },
  { name: "R27 presence where there is none", command: { presence: { channel: "plain" } }, code: 108 },
  { name: "R31 an unsubscribe from what was never subscribed", command: { unsubscribe: { channel: "n" } }, code: 0 },
  { name: "R04 a second connect", command: { connect: {} }, code: 3501 },
  { name: "R07 an unknown method", command: { teleport: { to: "mars" } }, code: 3501 },
  { name: "R09 an empty channel", command: { subscribe: { channel: "" } }, code: 3501 },
];

describe.each(encodings)("faults of realtime commands to the whole server, in $name", (encoding) => {
  test.each(ROWS)("$name: $code", async ({ command, code }) => {
    await using server = await ComposedServer.start();
    const client = await server.connect(encoding);
    for (const channel of ["plain", "room"]) await client.subscribe(channel);
    await heardJoin(client);
    client.say({ id: 90, ...command });
    if (code >= 3_000) return await client.expectEnd(code);
    const { id, error } = await client.next("the answer");
    expect([id, error?.code ?? 0]).toEqual([90, code]);
    expect((await client.ask({ publish: { channel: "news", data: 1 } })).publish).toEqual({});
  });

  test("R03 a subscribe before connect, R05 a pong unasked for, R06 no id: 3501", async () => {
    await using server = await ComposedServer.start();
    const stranger = await server.dial(encoding);
    stranger.say({ id: 1, subscribe: { channel: "plain" } });
    expect((await stranger.ended()).code).toBe(3501);
    for (const command of [{}, { publish: { channel: "plain", data: 1 } }]) {
      const client = await server.connect(encoding);
      client.say(command);
      expect((await client.ended()).code).toBe(3501);
    }
  });

  test("R13 300 commands in a frame: 3501", async () => {
    await using server = await ComposedServer.start();
    const client = await server.connect(encoding);
    client.say(...Array.from({ length: 300 }, (_, index) => ({ id: 10 + index, unsubscribe: { channel: "n" } })));
    expect((await client.ended()).code).toBe(3501);
  });

  test("R20 the 129th channel: 106", async () => {
    await using server = await ComposedServer.start();
    const client = await server.connect(encoding);
    for (let count = 1; count <= 128; count++) await client.subscribe(`plain${count}`);
    expect(await client.errorOf({ subscribe: { channel: "plain129" } })).toBe(106);
  });

  test.each([-1, 1_000_000_000])("R24 history with limit %d: the 300 of a page", async (limit) => {
    await using server = await ComposedServer.start();
    const client = await server.connect(encoding);
    for (let id = 100; id < 450; id++) client.say({ id, publish: { channel: "news", data: id } });
    for (let id = 100; id < 450; id++) expect((await client.next("a publish's reply")).publish).toEqual({});
    await client.subscribe("news");
    const page = await client.history({ channel: "news", limit });
    expect(page.publications).toHaveLength(300);
    expect(page.publications[0]).toMatchObject({ offset: 1, data: 100 });
    expect(page.offset).toBe(350);
  });

  test("R28 a call of what there is not: refused, and nothing ends", async () => {
    await using server = await ComposedServer.start();
    const client = await server.connect(encoding);
    // Without any procedure the feature is off; with some, the unknown one is 104.
    expect(await client.errorOf({ rpc: { method: "none" } })).toBe(108);
  });

  test("R30 data a thousand levels deep: passed on untouched", async () => {
    await using server = await ComposedServer.start();
    const reader = await server.connect(encoding);
    await reader.subscribe("plain");
    const client = await server.connect(encoding);
    client.link.send(publishing(encoding, nested(1_000)));
    expect((await client.next("the publish's reply")).publish).toEqual({});
    expect((await reader.publication("plain")).data).toEqual(JSON.parse(nested(1_000)));
  });

  test("data a thirty thousand levels deep: refused, and the server lives on", async () => {
    await using server = await ComposedServer.start();
    const client = await server.connect(encoding);
    client.link.send(publishing(encoding, nested(30_000)));
    if (encoding.name === "json") await client.expectEnd(3501);
    else expect((await client.next("the publish's reply")).error?.code).toBe(107);
    await server.expectServed();
  });

  test("R32 the id 4294967295: echoed", async () => {
    await using server = await ComposedServer.start();
    const client = await server.connect(encoding);
    client.say({ id: 4_294_967_295, subscribe: { channel: "plain" } });
    expect(await client.next("the answer")).toEqual({ id: 4_294_967_295, subscribe: {} });
  });

  test("R40 a client that says who it is: the server knows better", async () => {
    await using server = await ComposedServer.start();
    const reader = await server.connect(encoding);
    await reader.subscribe("plain");
    const client = await server.connect(encoding);
    await client.ask({ publish: { channel: "plain", data: 1, info: { user: "admin", client: "spoofed" } } });
    const { info } = await reader.publication("plain");
    expect([info?.user ?? "", info?.client]).toEqual(["", client.id]);
  });

  test("R42 a publication after an unsubscribe's reply: not delivered", async () => {
    await using server = await ComposedServer.start();
    const reader = await server.connect(encoding);
    await reader.subscribe("plain");
    await reader.ask({ unsubscribe: { channel: "plain" } });
    const client = await server.connect(encoding);
    for (let count = 0; count < 100; count++) await client.ask({ publish: { channel: "plain", data: count } });
    expect(await reader.askAmid({ subscribe: { channel: "plain2" } })).toMatchObject({ before: [] });
  });
});

const GARBAGE: readonly [string, Record<Encoding["name"], string | Uint8Array>][] = [
  ["R01 garbage", { json: "garbage", protobuf: new Uint8Array([255, 254, 253]) }],
  ["R02 an array", { json: "[]", protobuf: new Uint8Array([2, 91, 93]) }],
  ["R08 a command cut short", { json: '{"id":1,"connect":{}', protobuf: new Uint8Array([4, 8, 1]) }],
  [
    "R14 the other encoding",
    { json: new Uint8Array([4, 8, 1, 34, 0]), protobuf: Buffer.from('{"id":1,"connect":{}}') },
  ],
];

describe.each(encodings)("what is no command, in $name", (encoding) => {
  test.each(GARBAGE)("%s: 3501, before connect and after it", async (_name, garbage) => {
    await using server = await ComposedServer.start();
    for (const client of [await server.dial(encoding), await server.connect(encoding)]) {
      client.link.send(garbage[encoding.name]);
      expect((await client.ended()).code).toBe(3501);
    }
    await server.expectServed();
  });
});

/** The client's own join comes after its subscribe was answered. */
async function heardJoin(client: WireClient): Promise<void> {
  expect((await client.next("its own join")).push?.join).toBeDefined();
}

function nested(depth: number): string {
  return `${"[".repeat(depth)}1${"]".repeat(depth)}`;
}

/** One frame that publishes this text to `plain`; too deep for `JSON.stringify`. */
function publishing({ name, encode }: Encoding, text: string): string | Uint8Array {
  if (name === "json") return `{"id":90,"publish":{"channel":"plain","data":${text}}}`;
  return encode({ id: 90, publish: { channel: "plain", data: Buffer.from(text) } }) as Uint8Array;
}
