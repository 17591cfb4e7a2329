import assert from "node:assert/strict";
import type { Payload, Peer, Traits } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import { type Probe, toBytes } from "../probe.ts";
import { hasConversations, type World } from "../world.ts";
import { bytesOf } from "./arrival.ts";

const isDatagrams = ({ kind }: Traits): boolean => kind === "datagram";

/** What may get lost arrives whole, once, and nowhere else. */
export const datagramLaws: readonly LawDefinition[] = [
  {
    name: "datagrams arrive as they were sent, or not at all",
    about: "links",
    appliesTo: isDatagrams,
    async run(world) {
      const { client, server } = await world.pair();
      const most = Math.min(client.link.traits.maxMessageBytes, 65_536);
      const sizes = [1, 2, 125, 126, 127, 1_000, 65_535, 65_536, most].filter((size) => size <= most);
      const sent = new Set(sizes.map((size) => bytesOf(size, size).join()));
      // Lost ones are sent again, as whoever chose datagrams has to.
      await world.patience.until(() => {
        for (const size of sizes) client.link.send(bytesOf(size, size));
        return server.recorder.messages.length >= sizes.length;
      }, "datagrams");
      for (const payload of server.recorder.messages)
        assert.ok(sent.has(toBytes(payload).join()), "a datagram arrived that nobody sent");
    },
  },
  {
    name: "a datagram over the limit is refused as too large, and the next one passes",
    about: "links",
    appliesTo: isDatagrams,
    async run(world) {
      const { client, server } = await world.pair();
      const { maxMessageBytes } = client.link.traits;
      assert.equal(client.link.send(bytesOf(1, maxMessageBytes + 1)), "refused", "send over the limit");
      assert.equal(client.link.refusal, "too-large", "why it was refused");
      assert.equal(client.link.send("x".repeat(maxMessageBytes + 1)), "refused", "text over the limit");
      await arrival(world, client, server);
    },
  },
  {
    name: "datagrams of an ordered wire arrive once and never late",
    about: "links",
    appliesTo: (traits) => isDatagrams(traits) && traits.ordered,
    async run(world) {
      const { client, server } = await world.pair();
      for (let number = 0; number < 1_000; number++) {
        client.link.send(numbered(number));
        if (number % 25 === 24) await world.patience.settle(1);
      }
      await world.patience.until(() => server.recorder.messages.length > 0, "datagrams");
      await world.patience.settle();
      const numbers = server.recorder.messages.map(numberIn);
      for (const [index, number] of numbers.entries()) {
        const before = index === 0 ? -1 : (numbers[index - 1] as number);
        assert.ok(number > before, `datagram ${number} came after ${before}`);
      }
    },
  },
  {
    name: "peers never get each other's datagrams",
    about: "links",
    appliesTo: isDatagrams,
    async run(world) {
      const listening = await world.listen();
      const pairs = [await world.pairAt(listening), await world.pairAt(listening), await world.pairAt(listening)];
      const everybody = pairs.flatMap(({ client, server }) => [client, server]);
      await world.patience.until(() => {
        for (const [index, { client, server }] of pairs.entries()) {
          client.link.send(numbered(index));
          server.link.send(numbered(index));
        }
        return everybody.every(({ recorder }) => recorder.messages.length > 0);
      }, "a datagram for everybody");
      for (const [index, { client, server }] of pairs.entries()) {
        for (const { recorder, name } of [client, server]) {
          const heard = new Set(recorder.messages.map(numberIn));
          assert.deepEqual([...heard], [index], `${name} of pair ${index}: whose datagrams it got`);
        }
      }
    },
  },
  {
    name: "a peer that is refused without a handshake hears nothing and gets no link",
    about: "links",
    appliesTo: (traits) => !hasConversations(traits),
    async run(world) {
      const judged: Peer[] = [];
      const { listener, accepted } = await world.listen({
        admit(peer) {
          judged.push(peer);
          return { accepted: false, status: 403, reason: "not you" };
        },
      });
      const client = await world.dial(listener.endpoint);
      await world.patience.until(() => {
        client.link.send("let me in");
        return judged.length > 0;
      }, "the peer to be judged");
      for (let count = 0; count < 10; count++) client.link.send("please");
      await world.patience.settle();
      assert.equal(judged.length, 1, "verdicts asked for");
      assert.deepEqual(client.recorder.messages, [], "what a refused peer heard");
      assert.equal(accepted.length, 0, "accepted links");
    },
  },
];

/** Sends until something arrives. */
async function arrival(world: World, from: Probe, to: Probe): Promise<void> {
  await world.patience.until(() => {
    from.link.send("next");
    return to.recorder.messages.length > 0;
  }, "a datagram");
}

function numbered(number: number): Uint8Array {
  return new Uint8Array([number >> 8, number & 0xff]);
}

function numberIn(payload: Payload): number {
  const [high = 0, low = 0] = toBytes(payload);
  return high * 256 + low;
}
