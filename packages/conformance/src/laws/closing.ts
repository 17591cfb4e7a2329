import assert from "node:assert/strict";
import type { CloseInfo } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { Probe } from "../probe.ts";
import { hasConversations, type World } from "../world.ts";
import { expectArrival, isDependable } from "./arrival.ts";

const CLOSE = { code: 3_000, reason: "bye" };

/** A link ends once, and both sides know how. */
export const closingLaws: readonly LawDefinition[] = [
  {
    name: "a close by the dialler reaches both sides once, with the right CloseInfo",
    about: "links",
    appliesTo: hasConversations,
    async run(world) {
      const { client, server } = await world.pair();
      await closeOnce(client, server);
      await world.patience.settle();
    },
  },
  {
    name: "a close by the accepting side reaches both sides once, with the right CloseInfo",
    about: "links",
    appliesTo: hasConversations,
    async run(world) {
      const { client, server } = await world.pair();
      await closeOnce(server, client);
      await world.patience.settle();
    },
  },
  {
    name: "where the other side cannot be told of a close, it ends the side that closed and no other",
    about: "links",
    appliesTo: (traits) => !hasConversations(traits),
    async run(world) {
      const listening = await world.listen();
      for (const closesFirst of ["client", "server"] as const) {
        const pair = await world.pairAt(listening);
        const closer = pair[closesFirst];
        closer.link.close(CLOSE);
        assert.equal(closer.recorder.closeInfos.length, 0, "closed came inside close()");
        expectInfo(await closer.closed(), "local", "bye");
        expectClosed(closer);
        await world.patience.settle();
        const other = closesFirst === "client" ? pair.server : pair.client;
        assert.deepEqual(other.recorder.closeInfos, [], `${other.name}: closes`);
      }
    },
  },
  {
    name: "a close by both sides at once is one close, by whoever is asked",
    about: "links",
    async run(world) {
      const { client, server } = await world.pair();
      client.link.close(CLOSE);
      server.link.close(CLOSE);
      for (const probe of [client, server]) {
        // Whose close came first is not for the sides to know.
        assert.ok(["local", "remote"].includes((await probe.closed()).by), `${probe.name}: by`);
      }
      await world.patience.settle();
    },
  },
  {
    name: "what was sent before a close arrives before it",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair();
      const payloads = Array.from({ length: 200 }, (_, index) => world.bytes(index, 500));
      for (const payload of payloads) client.send(payload);
      client.link.close(CLOSE);
      const info = await client.closed();
      assert.equal(info.bytesLost, 0, "bytesLost");
      await server.closed();
      await expectArrival(server, payloads);
    },
  },
  {
    name: "send after close is refused as closed, on the side that closed and on the other",
    about: "links",
    appliesTo: hasConversations,
    async run(world) {
      const { client, server } = await world.pair();
      client.link.close();
      expectClosed(client);
      await Promise.all([client.closed(), server.closed()]);
      for (const probe of [client, server]) {
        expectClosed(probe);
        assert.equal(probe.link.bufferedBytes, 0, `${probe.name}: bufferedBytes of a closed link`);
      }
    },
  },
  {
    name: "close may be called inside every callback and any number of times",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const listening = await world.listen();
      const inMessage = await world.pairAt(listening, {
        reactions: { message: () => inMessage.client.link.close() },
      });
      inMessage.server.send("one");
      inMessage.server.send("two");
      await Promise.all([inMessage.client.closed(), inMessage.server.closed()]);
      if (inMessage.client.link.traits.kind !== "stream") {
        assert.equal(inMessage.client.recorder.messages.length, 1, "messages around a close inside message");
      }
      const inClosed = await world.pairAt(listening, { reactions: { closed: () => inClosed.client.link.close() } });
      for (let times = 0; times < 3; times++) inClosed.client.link.close();
      assert.equal((await inClosed.client.closed()).by, "local");
      await inClosed.server.closed();
      const inDrain = await world.pairAt(listening, {
        limits: { waitAboveBytes: 1_024 },
        reactions: { drain: () => inDrain.client.link.close() },
      });
      assert.equal(inDrain.client.send(world.bytes(1, 10_000)), "wait");
      assert.equal((await inDrain.client.closed()).by, "local");
      await inDrain.server.closed();
      if (world.traits.ping !== "none") {
        const inPing = await world.pairAt(listening);
        inPing.client.pingable.ping(() => inPing.client.link.close());
        assert.equal((await inPing.client.closed()).by, "local");
        await inPing.server.closed();
      }
      for (const { client, server } of [inMessage, inClosed, inDrain]) {
        for (const { link } of [client, server]) {
          link.close();
          link.close({ discard: true });
          link.pause();
          link.resume();
        }
      }
      await world.patience.settle();
    },
  },
  {
    name: "a link may be closed before it is opened",
    about: "links",
    appliesTo: hasConversations,
    async run(world) {
      const listening = await world.listen({ openLater: true });
      const link = await world.dialRaw(listening.listener.endpoint);
      link.close();
      const client = world.probe(link, "dialled link");
      client.open();
      assert.equal((await client.closed()).by, "local");
      await world.patience.until(() => listening.accepted.length > 0, "the listener to accept the link");
      const [server] = listening.accepted;
      server?.open();
      await server?.closed();
    },
  },
  {
    name: "a close that discards ends at once, although the peer reads nothing, and counts what it lost",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({ client: { limits: { closeTimeoutMs: 60_000 } } });
      server.pause();
      await fill(client, world);
      client.link.close({ ...CLOSE, discard: true });
      const info = await client.closed();
      assert.equal(info.by, "local", "by");
      assert.equal(info.clean, false, "clean");
      assert.ok(info.bytesLost > 0, `bytesLost is ${info.bytesLost} although bytes were waiting`);
      server.resume();
      const theirs = await server.closed();
      assert.notEqual(theirs.by, "local", "by, on the other side");
    },
  },
  {
    name: "a close ends within closeTimeoutMs, although the peer reads nothing",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({ client: { limits: { closeTimeoutMs: 200 } } });
      server.pause();
      await fill(client, world);
      client.link.close(CLOSE);
      const info = await client.closed();
      assert.equal(info.by, "local", "by");
      assert.equal(info.clean, false, "clean");
      server.resume();
      await server.closed();
    },
  },
  {
    name: "a close that waits for the peer is cut short by one that discards",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({ client: { limits: { closeTimeoutMs: 60_000 } } });
      server.pause();
      await fill(client, world);
      client.link.close(CLOSE);
      client.link.close({ discard: true });
      assert.equal((await client.closed()).by, "local", "by");
      server.resume();
      await server.closed();
    },
  },
  {
    name: "a close by a reader that has paused ends as any other, and what it had not read is dropped",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server } = await world.pair({ server: { limits: { closeTimeoutMs: 60_000 } } });
      server.pause();
      // More than sockets read ahead, so that a wire which holds messages has stopped reading.
      const chunk = world.bytes(1, Math.min(client.link.traits.maxMessageBytes, 16_384));
      for (let count = 0; count < 32; count++) client.send(chunk);
      await world.patience.settle();
      server.link.close(CLOSE);
      expectInfo(await server.closed(), "local", "bye");
      assert.equal((await client.closed()).by, "remote", "by, on the other side");
      assert.equal(server.recorder.messages.length, 0, "messages after the close");
    },
  },
];

async function closeOnce(closer: Probe, other: Probe): Promise<void> {
  closer.link.close(CLOSE);
  assert.equal(closer.recorder.closeInfos.length, 0, "closed came inside close()");
  const [ours, theirs] = await Promise.all([closer.closed(), other.closed()]);
  expectInfo(ours, "local", "bye");
  // What the wire cannot carry is absent, never something else.
  const { closeCodes } = closer.link.traits;
  expectInfo(theirs, "remote", closeCodes ? CLOSE.reason : "");
  assert.equal(theirs.code, closeCodes ? CLOSE.code : theirs.code, "the code that reached the other side");
}

function expectInfo(info: CloseInfo, by: CloseInfo["by"], reason: string): void {
  const { code, error, retryable, ...rest } = info;
  assert.deepEqual(rest, { by, clean: true, reason, bytesLost: 0 }, `CloseInfo of a peaceful close, by ${by}`);
  assert.ok(code === undefined || code === CLOSE.code, `code is ${code}, the close said ${CLOSE.code}`);
  assert.equal(error, undefined, "error of a peaceful close");
  assert.equal(typeof retryable, "boolean", "retryable");
}

function expectClosed({ link, name }: Probe): void {
  assert.equal(link.send("late"), "refused", `${name}: send after close`);
  assert.equal(link.refusal, "closed", `${name}: why send after close was refused`);
}

/** Sends until the wire takes no more, which is when bytes wait. */
async function fill({ link }: Probe, world: World): Promise<void> {
  const chunk = world.bytes(1, Math.min(link.traits.maxMessageBytes, 65_536));
  await world.patience.until(
    () => link.send(chunk) === "refused" && link.refusal === "overflow",
    "a send to be refused",
  );
}
