import { describe, expect, test } from "vitest";
import { ComposedServer, LINK_BYTES } from "./composed-server.ts";
import { frame, OPCODE, type UpgradeChanges, upgrade } from "./raw-peer.ts";
import type { WireClient } from "./wire-client.ts";

const HANDSHAKES: readonly [string, number, UpgradeChanges & { readonly body?: string }][] = [
  ["W01 no Sec-WebSocket-Key", 400, { headers: { "Sec-WebSocket-Key": undefined } }],
  ["W02 a key that is not 16 bytes", 400, { headers: { "Sec-WebSocket-Key": "c2hvcnQ=" } }],
  ["W04 version 7", 400, { headers: { "Sec-WebSocket-Version": "7" } }],
  ["W05 POST", 405, { method: "POST" }],
  ["W06 an upgrade to h2c", 400, { headers: { Upgrade: "h2c" } }],
  ["W08 a foreign origin", 403, { headers: { Origin: "https://evil.example" } }],
  ["W10 headers of 17 KiB", 431, { headers: { "X-Filler": "x".repeat(17 * 1_024) } }],
  ["W14 an upgrade with a body", 400, { headers: { "Content-Length": "10" }, body: "0123456789" }],
  ["W15 an upgrade to an unknown path", 404, { path: "/elsewhere" }],
];

const { text, binary, continuation, ping, close } = OPCODE;

const closing = (code: number): Buffer => frame(close, Buffer.from([code >> 8, code & 0xff]));

const FRAMES: readonly (readonly [string, number, readonly Buffer[]])[] = [
  ["W16 RSV1 without an extension", 1002, [frame(text, "x", { reserved: 0x40 })]],
  ["W17 RSV2", 1002, [frame(text, "x", { reserved: 0x20 })]],
  ["W17 RSV3", 1002, [frame(text, "x", { reserved: 0x10 })]],
  ...[3, 4, 5, 6, 7].map((opcode) => [`W18 opcode ${opcode}`, 1002, [frame(opcode)]] as const),
  ...[11, 12, 13, 14, 15].map((opcode) => [`W19 opcode ${opcode}`, 1002, [frame(opcode)]] as const),
  ["W20 an unmasked frame", 1002, [frame(text, "x", { isMasked: false })]],
  ["W21 a fragmented ping", 1002, [frame(ping, "", { isFinal: false })]],
  ["W22 a ping of 126 bytes", 1002, [frame(ping, "p".repeat(126))]],
  ["W23 a continuation first", 1002, [frame(continuation, "x")]],
  ["W24 text inside fragmented text", 1002, [frame(text, "x", { isFinal: false }), frame(text, "y")]],
  ["W27 a close payload of one byte", 1002, [frame(close, "x")]],
  ...[999, 1004, 1005, 1006, 1015, 2999].map((code) => [`W28 close code ${code}`, 1002, [closing(code)]] as const),
  ["W30 text that is no UTF-8", 1007, [frame(text, Buffer.from([0xc3, 0x28]))]],
  ["W32 a close reason that is no UTF-8", 1007, [frame(close, Buffer.from([0x03, 0xe8, 0xc3, 0x28]))]],
  ["W34 a frame past the limit", 1009, [frame(binary, Buffer.alloc(LINK_BYTES + 1))]],
  [
    "W35 fragments whose sum is past the limit",
    1009,
    [frame(binary, Buffer.alloc(LINK_BYTES), { isFinal: false }), frame(continuation, "x")],
  ],
  ["W36 a declared length of 2^53", 1009, [Buffer.from([0x82, 0xff, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]],
  [
    "W38 1,025 fragments",
    1008,
    [
      frame(binary, "x", { isFinal: false }),
      ...Array.from({ length: 1_024 }, (_, index) => frame(continuation, "x", { isFinal: index === 1_023 })),
    ],
  ],
  ["W41 10,000 pings at once", 1008, Array.from({ length: 10_000 }, () => frame(ping, "!"))],
];

describe("faults of WebSocket peers of the whole server", () => {
  test.each(HANDSHAKES)("%s: %d, and closed", async (_name, status, { body = "", ...changes }) => {
    await using server = await ComposedServer.start();
    await using peer = await server.peer();
    peer.write(upgrade(changes), body);
    expect(await peer.statusLine()).toContain(` ${status} `);
    await peer.closed();
    await server.expectServed();
  });

  test("W11 an offer of deflate that nobody can take: ignored", async () => {
    await using server = await ComposedServer.start();
    await using peer = await server.peer();
    const offer = "permessage-deflate; server_max_window_bits=99";
    peer.write(upgrade({ headers: { "Sec-WebSocket-Extensions": offer } }));
    expect(await peer.statusLine()).toContain(" 101 ");
  });

  test.each(FRAMES)("%s: %d", async (_name, code, frames) => {
    await using server = await ComposedServer.start();
    await using peer = await server.upgraded();
    peer.write(Buffer.concat(frames));
    expect(await peer.closeCode()).toBe(code);
    await server.expectServed();
  });

  test("W43 a client that never connects: 3502 after 10 s", async () => {
    await using server = await ComposedServer.start();
    await using peer = await server.upgraded();
    await server.clock.pass(9_000);
    await using later = await server.upgraded();
    await server.clock.pass(2_000);
    expect(await peer.closeCode()).toBe(3502);
    later.write(frame(text, '{"id":1,"connect":{}}\n{}'));
    expect(await later.closeCode()).toBe(3501);
  });

  test("W45 a client that answers no ping: 3012, 8 s after the ping and within 33 s", async () => {
    await using server = await ComposedServer.start();
    const client = await server.connect();
    await server.clock.pass(12_000);
    await client.subscribe("plain");
    let pingedAtMs = 12_000;
    for (; (await heard(client)) === 0; pingedAtMs += 500) await server.clock.pass(500);
    expect(pingedAtMs).toBeLessThanOrEqual(26_000);
    await server.clock.pass(7_000);
    await client.subscribe("plain2");
    await server.clock.pass(2_000);
    await client.expectEnd(3012);
  });
});

/** How many things came so far, all of which were pings. A server without procedures answers the question with 108. */
async function heard(client: WireClient): Promise<number> {
  const { before } = await client.askAmid({ rpc: { method: "none" } });
  for (const reply of before) expect(reply).toEqual({});
  return before.length;
}
