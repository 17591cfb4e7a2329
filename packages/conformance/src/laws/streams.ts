import assert from "node:assert/strict";
import type { Link, Payload } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import { concatenate, type Probe } from "../probe.ts";
import type { World } from "../world.ts";
import { bytesOf } from "./arrival.ts";
import { rejection } from "./dialing.ts";
import { naming, served } from "./exchanges.ts";

const CHUNK_BYTES = 32_768;
const FLOW = { maxBufferedBytes: 524_288, waitAboveBytes: 131_072, closeTimeoutMs: 2_000 };

/** A response whose body is a link that only sends. */
export const streamLaws: readonly LawDefinition[] = [
  {
    name: "what a response's link sends is the body, in order, and its close is the end",
    about: "exchanges",
    async run(world) {
      const { body, probe } = await streamed(world);
      const payloads: Payload[] = Array.from({ length: 500 }, (_, index) => bytesOf(index, 100));
      const sending = (async (): Promise<void> => {
        await probe.sendAll(payloads.slice(0, 250));
        const prepared = probe.link.framing?.prepare(payloads.slice(250));
        if (prepared === undefined) await probe.sendAll(payloads.slice(250));
        else probe.send(prepared);
        probe.link.close();
      })();
      const arrived = await collect(body);
      await sending;
      assert.deepEqual(arrived, concatenate(payloads), "the body");
      const info = await probe.closed();
      assert.equal(info.by, "local", "by");
      assert.equal(info.clean, true, "clean");
      assert.equal(info.bytesLost, 0, "bytesLost");
      assert.equal(probe.link.send("late"), "refused", "send after close");
      assert.equal(probe.link.refusal, "closed", "why it was refused");
    },
  },
  {
    name: "a response's link is closed when its reader has gone",
    about: "exchanges",
    async run(world) {
      const { body, probe } = await streamed(world);
      probe.send("first");
      for await (const chunk of body) {
        assert.ok(chunk.byteLength > 0);
        break;
      }
      const info = await probe.closed();
      assert.notEqual(info.by, "local", "by");
      assert.deepEqual(probe.recorder.messages, [], "messages");
    },
  },
  {
    name: "a response's link waits for a slow reader, and drains when it reads",
    about: "exchanges",
    deadlineMs: 10_000,
    async run(world) {
      const { body, probe } = await streamed(world);
      const sent: Uint8Array[] = [];
      const answers = new Set<string>();
      await world.patience.until(() => {
        const chunk = bytesOf(sent.length, CHUNK_BYTES);
        const answer = probe.link.send(chunk);
        answers.add(answer);
        if (answer !== "refused") sent.push(chunk);
        return answer === "refused";
      }, "a send to be refused");
      assert.equal(probe.link.refusal, "overflow", "why it was refused");
      assert.ok(answers.has("wait"), '"wait" comes before "refused"');
      const arriving = collect(body);
      await world.patience.until(() => probe.recorder.drains > 0, "drain");
      probe.link.close();
      assert.ok(Buffer.from(await arriving).equals(concatenate(sent)), "the body");
      await probe.closed();
    },
  },
  {
    name: "a response's link that is cut off breaks its body off",
    about: "exchanges",
    async run(world) {
      const { body, probe } = await streamed(world);
      probe.send("first");
      await world.patience.settle();
      probe.link.close({ discard: true });
      await probe.closed();
      await rejection(world, collect(body), "the body");
    },
  },
];

async function streamed(world: World): Promise<{ body: AsyncIterable<Uint8Array>; probe: Probe }> {
  const probes: Probe[] = [];
  const exchanger = await served(
    world,
    (exchange) => {
      const link: Link = exchange.stream({ status: 200, headers: new Map([["x-stream", "yes"]]) });
      const probe = world.probe(link, "link of the response");
      probe.open();
      probes.push(probe);
    },
    { limits: FLOW },
  );
  const response = await world.patience.within(exchanger.request(naming(world, "GET")), "the head of the response");
  assert.equal(response.status, 200, "status");
  assert.equal(response.headers.get("x-stream"), "yes", "a header of the response");
  const [probe] = probes;
  assert.ok(probe !== undefined);
  assert.equal(probe.link.traits.halfClose, false, "traits.halfClose of a link that only sends");
  return { body: response.body, probe };
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(new Uint8Array(chunk));
  return concatenate(chunks);
}
