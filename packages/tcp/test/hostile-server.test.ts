import { type CloseInfo, Network } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { type TcpOptions, tcp } from "../src/index.ts";
import { RawServer } from "./raw-peer.ts";

const LIMITS = { maxMessageBytes: 1_000 };

/** What a dialled connection is told when its server sends these bytes, and then its end if there is one. */
async function endOf(
  framing: NonNullable<TcpOptions["framing"]>,
  bytes: Uint8Array,
  { isEnd = false, clock = new ManualClock() } = {},
): Promise<{ readonly info: CloseInfo; readonly messages: readonly unknown[]; readonly clock: ManualClock }> {
  await using server = await RawServer.start((socket) => void (isEnd ? socket.end(bytes) : socket.write(bytes)));
  await using network = new Network({ protocols: [tcp({ framing, frameTimeoutMs: 10_000 })], clock });
  const connection = await network.connect(`tcp://127.0.0.1:${server.port}`, { reconnect: false, limits: LIMITS });
  const messages: unknown[] = [];
  connection.on("data", (payload) => messages.push(payload));
  let isOver = false;
  const closed = new Promise<CloseInfo>((resolve) => void connection.on("close", resolve));
  void closed.then(() => (isOver = true));
  while (!isOver) {
    clock.advance(100);
    await new Promise((resolve) => void setImmediate(resolve));
  }
  return { info: await closed, messages, clock };
}

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

test.each<[string, NonNullable<TcpOptions["framing"]>, Uint8Array, boolean, string]>([
  ["T03: limit + 1", "u32", latin1("\0\0\x03\xe9"), false, "too-large"],
  ["T04: 0xffffffff", "u32", Buffer.alloc(4, 255), false, "too-large"],
  ["T04: a varint without an end", "varint", Buffer.alloc(10, 255), false, "protocol-violation"],
  ["T05: end in the header", "u32", latin1("\0\0"), true, "protocol-violation"],
  ["T06: end in the payload", "u32", latin1("\0\0\0\x05abc"), true, "protocol-violation"],
  ["T08: a line over the limit", "lines", latin1("x".repeat(1_002)), false, "too-large"],
  ["T10: a line of bad UTF-8", "lines", Buffer.of(0xc3, 0x28, 0x0a), false, "protocol-violation"],
  [
    "T12: TLS",
    "u32",
    Buffer.concat([Buffer.from("16030300f8020000f40303", "hex"), Buffer.alloc(242)]),
    false,
    "protocol-violation",
  ],
  ["T13: HTTP", "lines", latin1("HTTP/1.1 400 Bad Request\r\n\r\n"), false, "protocol-violation"],
  ["T26: a header, and then silence", "u32", latin1("\0\0\0\x05ab"), false, "timed-out"],
])("from a server: %s", async (_name, framing, bytes, isEnd, code) => {
  const { info, messages } = await endOf(framing, bytes, { isEnd });
  expect(info).toMatchObject({ clean: false, error: { code } });
  expect(messages).toEqual([]);
});
