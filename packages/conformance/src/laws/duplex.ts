import assert from "node:assert/strict";
import type { Exchange } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { World } from "../world.ts";
import { bytesOf } from "./arrival.ts";
import { naming, served } from "./exchanges.ts";

const MIB = 1_048_576;
const CHUNK_BYTES = 65_536;
/** What may lie between a sender and a reader that rests: the buffers of two systems, and of whatever is in between. */
const MOST_BETWEEN = 64 * MIB;
const READ_ON = 16 * MIB;

type Chunks = AsyncIterator<Uint8Array, unknown, undefined>;

/** Both bodies of an exchange at once. */
export const duplexLaws: readonly LawDefinition[] = [
  {
    name: "a response is read while its request is still being sent",
    about: "exchanges",
    appliesTo: ({ duplex = false }) => duplex,
    async run(world) {
      const exchanger = await served(world, (exchange) => exchange.respond({ status: 200 }, copied(exchange.body)));
      let echoed = 0;
      const total = 20 * 1_000;
      // No chunk leaves before the one ahead of it has come back.
      async function* inStep(): AsyncGenerator<Uint8Array> {
        for (let sent = 0; sent < total; sent += 1_000) {
          await world.patience.until(() => echoed === sent, `the first ${sent} bytes to come back`);
          yield bytesOf(sent, 1_000);
        }
      }
      const asked = exchanger.request({ ...naming(world, "POST"), body: inStep() });
      const response = await world.patience.within(asked, "the head of the response");
      const parts: Uint8Array[] = [];
      for await (const part of response.body) {
        parts.push(new Uint8Array(part));
        echoed += part.byteLength;
      }
      const expected = Array.from({ length: 20 }, (_, index) => bytesOf(index * 1_000, 1_000));
      assert.ok(Buffer.concat(parts).equals(Buffer.concat(expected)), "the body that came back");
    },
  },
  {
    name: "each body of an exchange waits for its own reader alone",
    about: "exchanges",
    appliesTo: ({ duplex = false }) => duplex,
    deadlineMs: 15_000,
    async run(world) {
      const made = { request: 0, response: 0 };
      const seen: Exchange[] = [];
      const exchanger = await served(world, (exchange) => {
        seen.push(exchange);
        exchange.respond(
          { status: 200 },
          endless((bytes) => (made.response += bytes)),
        );
      });
      const giveUp = new AbortController();
      const asked = exchanger.request(
        { ...naming(world, "POST"), body: endless((bytes) => (made.request += bytes)) },
        { signal: giveUp.signal },
      );
      const response = await world.patience.within(asked, "the head of the response");
      const readers = {
        request: (seen[0] as Exchange).body[Symbol.asyncIterator](),
        response: response.body[Symbol.asyncIterator](),
      };
      await stalled(world, made);
      for (const [read, resting] of [
        ["request", "response"],
        ["response", "request"],
      ] as const) {
        const before = { ...made };
        await world.patience.within(take(readers[read], READ_ON), `the ${read} to flow while the ${resting} rests`);
        await world.patience.until(() => made[read] > before[read], `more of the ${read} to be made, for it was read`);
        await stalled(world, made);
      }
      giveUp.abort();
      // What breaks off may be told to its reader.
      await Promise.allSettled(Object.values(readers).map((reader) => drain(reader)));
    },
  },
];

/** Waits until nothing more is made. */
async function stalled(world: World, made: { readonly request: number; readonly response: number }): Promise<void> {
  for (let before = -1; made.request + made.response !== before; ) {
    before = made.request + made.response;
    await world.patience.settle(100);
    for (const [body, bytes] of Object.entries(made)) {
      assert.ok(bytes < MOST_BETWEEN + READ_ON, `${bytes} bytes of the ${body} were made for a reader that rests`);
    }
  }
}

async function take(chunks: Chunks, byteLength: number): Promise<void> {
  for (let read = 0; read < byteLength; ) {
    const next = await chunks.next();
    assert.ok(next.done !== true, "a body without an end ended");
    read += next.value.byteLength;
  }
}

async function drain(chunks: Chunks): Promise<void> {
  while ((await chunks.next()).done !== true);
}

async function* copied(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield new Uint8Array(chunk);
}

async function* endless(made: (byteLength: number) => void): AsyncGenerator<Uint8Array> {
  const chunk = bytesOf(1, CHUNK_BYTES);
  for (;;) {
    made(chunk.byteLength);
    yield chunk;
  }
}
