import assert from "node:assert/strict";
import type { Payload } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { Probe } from "../probe.ts";
import { expectArrival, isDependable } from "./arrival.ts";

/** Sizes around those at which wires change their framing. */
const SIZES = [0, 1, 2, 125, 126, 127, 255, 256, 1_023, 16_384, 65_535, 65_536, 1_048_576];
const TEXTS = ["", "a", "grüß Gott", "\u{1f600}\u0000\ufeff", "x".repeat(65_536)];

const PARTS = 10_000;

/** What a link carries is what was sent. */
export const messageLaws: readonly LawDefinition[] = [
  {
    name: "payloads of every size arrive intact, both ways",
    about: "links",
    appliesTo: isDependable,
    deadlineMs: 10_000,
    async run(world) {
      const { client, server } = await world.pair();
      const { maxMessageBytes } = client.link.traits;
      const sizes = SIZES.filter((size) => size <= maxMessageBytes);
      const payloads: Payload[] = [...sizes.map((size) => world.bytes(size, size)), ...TEXTS];
      for (const [from, to] of bothWays(client, server)) {
        await from.sendAll(payloads);
        await expectArrival(to, payloads);
      }
    },
  },
  {
    name: "text arrives as text and bytes as bytes",
    about: "links",
    appliesTo: (traits) => isDependable(traits) && traits.text && traits.content === "any",
    async run(world) {
      const { client, server } = await world.pair();
      const payloads: Payload[] = ["text", new Uint8Array([0x74]), "", new Uint8Array(), "t", world.bytes(1, 300)];
      for (const [from, to] of bothWays(client, server)) {
        await from.sendAll(payloads);
        const arrived = await to.messages(payloads.length);
        const kinds = (list: readonly Payload[]): string[] => list.map((payload) => typeof payload);
        assert.deepEqual(kinds(arrived), kinds(payloads), `${to.name}: kinds of payload`);
        await expectArrival(to, payloads);
      }
    },
  },
  {
    name: "10,000 messages arrive in the order they were sent",
    about: "links",
    appliesTo: isDependable,
    deadlineMs: 20_000,
    async run(world) {
      const { client, server } = await world.pair();
      const numbered = Array.from({ length: PARTS }, (_, index) => `${index};`);
      await Promise.all([client.sendAll(numbered), server.sendAll(numbered)]);
      for (const to of [server, client]) await expectArrival(to, numbered);
    },
  },
  {
    name: "the sender may reuse its memory as soon as send returns",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair();
      const sent: Uint8Array[] = [];
      const memory = new Uint8Array(65_536);
      for (const size of [1, 200, 5_000, 65_536]) {
        for (const [from] of bothWays(client, server)) {
          const payload = memory.subarray(0, size);
          payload.set(world.bytes(size, size));
          from.send(payload);
          payload.fill(0xdb);
        }
        sent.push(world.bytes(size, size));
      }
      await expectArrival(server, sent);
      await expectArrival(client, sent);
    },
  },
  {
    name: "a receiver that scribbles over what it was lent harms nobody",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const scribble = (payload: Payload): void => {
        if (typeof payload !== "string") payload.fill(0xdb);
      };
      const listening = await world.listen();
      const scribbler = await world.pairAt(listening, { reactions: { message: scribble } });
      const reader = await world.pairAt(listening);
      const payloads = Array.from({ length: 50 }, (_, index) => world.bytes(index, 10 + index));
      const { framing } = scribbler.server.link;
      const canShare = framing !== undefined && framing === reader.server.link.framing;
      for (const payload of payloads) {
        const shared = canShare ? framing.prepare([payload]) : payload;
        for (const { server } of [scribbler, reader]) server.send(shared);
      }
      await expectArrival(reader.client, payloads);
      await expectArrival(scribbler.client, payloads);
    },
  },
  {
    name: "what is sent back from inside message is copied before it returns",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({
        server: {
          reactions: () => ({
            message(payload) {
              server.link.send(payload);
              if (typeof payload !== "string") payload.fill(0xdb);
            },
          }),
        },
      });
      const payloads = Array.from({ length: 20 }, (_, index) => world.bytes(index, 1 + index * 100));
      await client.sendAll(payloads);
      await expectArrival(client, payloads);
    },
  },
  {
    name: "nothing is delivered before the link is opened, and nothing is lost by opening late",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({ server: { openLater: true } });
      await client.sendAll(["early", "bird"]);
      await world.patience.settle();
      assert.deepEqual(server.recorder.messages, [], "messages before open");
      server.open();
      await expectArrival(server, ["early", "bird"]);
    },
  },
  {
    name: "a link claims no more than its protocol, and knows its peer",
    about: "links",
    async run(world) {
      const { client, server } = await world.pair();
      // Whether bodies flow both ways at once is said of exchanges.
      const { duplex: _, ...claimed } = world.traits;
      for (const { link, name } of [client, server]) {
        const { maxMessageBytes, ...traits } = link.traits;
        assert.deepEqual({ ...traits, maxMessageBytes: 0 }, { ...claimed, maxMessageBytes: 0 }, `${name}: traits`);
        assert.ok(maxMessageBytes > 0, `${name}: maxMessageBytes`);
        assert.equal(typeof link.peer.secure, "boolean", `${name}: peer.secure`);
      }
    },
  },
];

function bothWays(client: Probe, server: Probe): readonly (readonly [Probe, Probe])[] {
  return [
    [client, server],
    [server, client],
  ];
}
