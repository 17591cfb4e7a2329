import assert from "node:assert/strict";
import { type Endpoint, type Payload, PolywireError } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { World } from "../world.ts";
import { expectArrival, isDependable, isMessages } from "./arrival.ts";

const CHUNK_BYTES = 32_768;
const FLOW = { maxBufferedBytes: 524_288, waitAboveBytes: 131_072 };
/** Operating systems take some megabytes before they make the sender wait. */
const MOST_CHUNKS = 4_096;

/** Every message and every buffer has a limit, and its end is told. */
export const limitLaws: readonly LawDefinition[] = [
  {
    name: "a message over the limit is refused as too large and harms nobody",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const limits = { maxMessageBytes: 1_000 };
      const listening = await world.listen({ limits });
      const one = await world.pairAt(listening, { limits });
      const other = await world.pairAt(listening, { limits });
      for (const sender of [one.client, one.server]) {
        assert.equal(sender.link.traits.maxMessageBytes, 1_000, `${sender.name}: traits.maxMessageBytes`);
        sender.send(world.bytes(1, 1_000));
        for (const tooLarge of [world.bytes(2, 1_001), "x".repeat(1_001), "ü".repeat(501)]) {
          assert.equal(sender.link.send(tooLarge), "refused", `${sender.name}: send over the limit`);
          assert.equal(sender.link.refusal, "too-large", `${sender.name}: why it was refused`);
        }
        const prepared = sender.link.framing?.prepare([world.bytes(3, 10), world.bytes(2, 1_001)]);
        if (prepared !== undefined) {
          assert.equal(sender.link.send(prepared), "refused", `${sender.name}: prepared over the limit`);
          assert.equal(sender.link.refusal, "too-large", `${sender.name}: why it was refused`);
        }
        sender.send("after");
      }
      other.client.send("unharmed");
      await expectArrival(one.server, [world.bytes(1, 1_000), "after"]);
      await expectArrival(one.client, [world.bytes(1, 1_000), "after"]);
      await expectArrival(other.server, ["unharmed"]);
    },
  },
  {
    name: "a message over the receiver's limit closes its link, naming the limit, and no other",
    about: "links",
    appliesTo: isMessages,
    async run(world) {
      const listening = await world.listen({ limits: { maxMessageBytes: 1_000 } });
      const one = await world.pairAt(listening);
      const other = await world.pairAt(listening);
      one.client.send(world.bytes(1, 1_001));
      const info = await one.server.closed();
      assert.deepEqual(one.server.recorder.messages, [], "messages over the limit that were delivered");
      assert.equal(info.by, "local", "by: the side with the limit ends it");
      assert.equal(info.error?.code, "too-large", "the code of its error");
      assert.match(String(info.error?.message), /maxMessageBytes/, "the message of its error");
      assert.equal((await one.client.closed()).by, "remote", "by, on the side that sent it");
      other.client.send("unharmed");
      await expectArrival(other.server, ["unharmed"]);
    },
  },
  {
    name: "a paused reader stops the sender at the limit; after resume everything arrives and drain comes",
    about: "links",
    appliesTo: isDependable,
    deadlineMs: 20_000,
    async run(world) {
      const { client, server } = await world.pair({ client: { limits: FLOW } });
      server.pause();
      const sent: Payload[] = [];
      const answers = new Set<string>();
      await world.patience.until(() => {
        const chunk = world.bytes(sent.length, CHUNK_BYTES);
        const answer = client.link.send(chunk);
        answers.add(answer);
        if (answer !== "refused") sent.push(chunk);
        const { bufferedBytes } = client.link;
        const most = FLOW.maxBufferedBytes + CHUNK_BYTES;
        assert.ok(bufferedBytes <= most, `bufferedBytes is ${bufferedBytes}, past maxBufferedBytes`);
        if (answer === "wait") assert.ok(bufferedBytes > FLOW.waitAboveBytes, `"wait" at ${bufferedBytes} bytes`);
        assert.ok(sent.length < MOST_CHUNKS, `${MOST_CHUNKS * CHUNK_BYTES} bytes were taken for a paused reader`);
        return answer === "refused";
      }, "a send to be refused");
      assert.equal(client.link.refusal, "overflow", "why it was refused");
      assert.ok(answers.has("wait"), '"wait" comes before "refused"');
      assert.equal(server.recorder.messages.length, 0, "messages while paused");
      const { drains } = client.recorder;
      server.resume();
      await expectArrival(server, sent);
      await world.patience.until(() => client.recorder.drains > drains, "drain after resume");
      assert.equal(client.link.send("small"), "sent", "send after drain");
      await expectArrival(server, [...sent, "small"]);
      await world.patience.until(() => client.link.bufferedBytes === 0, "bufferedBytes to be 0 again");
    },
  },
  {
    name: "a send that says wait is followed by drain, and one that says sent is not",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({ client: { limits: FLOW } });
      assert.equal(client.send("small"), "sent");
      assert.ok(client.link.bufferedBytes >= 5, "bufferedBytes counts what was just accepted");
      await expectArrival(server, ["small"]);
      await world.patience.settle();
      assert.equal(client.recorder.drains, 0, "drain without a wait");
      let answer = "";
      const big = world.bytes(1, CHUNK_BYTES);
      const sent: Payload[] = ["small"];
      while (answer !== "wait") {
        answer = client.send(big);
        sent.push(big);
      }
      await world.patience.until(() => client.recorder.drains > 0, 'drain after "wait"');
      await expectArrival(server, sent);
      await world.patience.settle();
      assert.equal(client.recorder.drains, 1, "drains after one wait");
    },
  },
  {
    name: "no message comes after pause, even in the middle of what arrived together",
    about: "links",
    appliesTo: isMessages,
    async run(world) {
      const { client, server } = await world.pair({
        server: { reactions: () => ({ message: (_payload, index) => index % 10 === 9 && server.pause() }) },
      });
      const numbered = Array.from({ length: 100 }, (_, index) => `${index}`);
      for (const text of numbered) client.send(text);
      for (let heard = 10; heard <= 100; heard += 10) {
        await world.patience.until(() => server.recorder.messages.length >= heard, `message ${heard}`);
        await world.patience.settle();
        assert.equal(server.recorder.messages.length, heard, "messages while paused");
        server.resume();
      }
      await expectArrival(server, numbered);
    },
  },
  {
    name: "a link that is paused as soon as it is opened delivers nothing until it is resumed",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({ server: { openLater: true } });
      client.send("first");
      server.open();
      server.pause();
      client.send("second");
      await world.patience.settle();
      assert.deepEqual(server.recorder.messages, [], "messages while paused");
      server.resume();
      await expectArrival(server, ["first", "second"]);
    },
  },
  {
    name: "a message that is sent or resumed for inside message comes after it, never inside it",
    about: "links",
    appliesTo: isMessages,
    async run(world) {
      const { client, server } = await world.pair({
        server: {
          reactions: () => ({
            message(payload) {
              server.pause();
              server.resume();
              server.link.send(payload);
            },
          }),
        },
      });
      const numbered = Array.from({ length: 50 }, (_, index) => `${index}`);
      for (const text of numbered) client.send(text);
      await expectArrival(client, numbered);
    },
  },
  {
    name: "a reader that rests until its own drain, and goes on inside it, hears everything",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({
        server: {
          // What arrives together is more than this, so the rest begins in the middle of it.
          limits: { waitAboveBytes: 4_096 },
          reactions: () => ({
            message(payload) {
              if (server.link.send(payload) === "wait") server.pause();
            },
            drain: () => server.resume(),
          }),
        },
      });
      const sent = Array.from({ length: 200 }, (_, index) => world.bytes(index, 1_000));
      for (const payload of sent) client.send(payload);
      await expectArrival(client, sent);
    },
  },
  {
    name: "a listener takes no more links than maxLinks, and takes one again when one has gone",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { listener, accepted } = await world.listen({ limits: { maxLinks: 2 } });
      const first = await world.dial(listener.endpoint);
      const second = await world.dial(listener.endpoint);
      await world.patience.until(() => accepted.length === 2, "two accepted links");
      await expectRefused(world, listener.endpoint, "the third dial, with maxLinks 2");
      await world.patience.settle();
      assert.equal(accepted.length, 2, "accepted links, with maxLinks 2");
      assert.ok(world.turnedAway.includes("full"), 'the third peer was turned away without context.turnedAway("full")');
      first.link.close();
      await Promise.all([first.closed(), ...accepted.slice(0, 1).map((probe) => probe.closed())]);
      await world.patience.settle();
      const third = await world.dial(listener.endpoint);
      await world.patience.until(() => accepted.length === 3, "the link after one has gone");
      second.send("still here");
      third.send("here");
      await expectArrival(accepted[1] ?? assert.fail(), ["still here"]);
      await expectArrival(accepted[2] ?? assert.fail(), ["here"]);
    },
  },
];

/** Refused in its handshake; where there is none, the link of a peer that is not wanted is closed. */
export async function expectRefused(world: World, endpoint: Endpoint, what: string): Promise<void> {
  const link = await world.patience
    .within(world.dialRaw(endpoint), what)
    .catch((thrown: unknown) => void assert.ok(PolywireError.is(thrown), `${what} threw ${String(thrown)}`));
  if (link === undefined) return;
  assert.equal(link.traits.handshake, false, `${what} was not refused, and traits.handshake is`);
  const probe = world.probe(link, what);
  probe.open();
  assert.notEqual((await probe.closed()).by, "local", `${what}: closed by`);
}
