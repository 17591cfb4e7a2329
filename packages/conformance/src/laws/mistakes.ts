import assert from "node:assert/strict";
import { type Payload, PolywireError, type Sink } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { Pair } from "../world.ts";
import { expectArrival, isDependable } from "./arrival.ts";

/** A program's mistakes are told where they are made, and harm nobody else. */
export const mistakeLaws: readonly LawDefinition[] = [
  {
    name: "a sink that throws loses its own link, with the cause, and no other",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const listening = await world.listen({
        reactions: (index) => (index === 0 ? { message: () => assert.fail("thrown by the law") } : {}),
      });
      const one = await world.pairAt(listening);
      const other = await world.pairAt(listening);
      one.client.send("boom");
      const info = await one.server.closed();
      assert.equal(info.by, "local", "by");
      assert.match(String(info.error?.message), /thrown by the law/, "the error of its CloseInfo");
      await one.client.closed();
      other.client.send("unharmed");
      await expectArrival(other.server, ["unharmed"]);
    },
  },
  {
    name: "an async sink that rejects is one that throws",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const reject = (): Promise<never> => Promise.reject(new Error("rejected by the law"));
      const { client, server } = await world.pair({ server: { reactions: () => ({ message: reject }) } });
      client.send("boom");
      const info = await server.closed();
      assert.match(String(info.error?.message), /rejected by the law/, "the error of its CloseInfo");
      await client.closed();
    },
  },
  {
    name: "a sink that throws in closed or drain takes nothing with it",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const limits = { waitAboveBytes: 1_024 };
      const listening = await world.listen();
      const inDrain = await world.pairAt(listening, {
        limits,
        reactions: { drain: () => assert.fail("thrown by the law") },
      });
      const inClosed = await world.pairAt(listening, { reactions: { closed: () => assert.fail("thrown by the law") } });
      const other = await world.pairAt(listening);
      inDrain.client.send(world.bytes(1, 10_000));
      inClosed.server.link.close();
      await Promise.all([inDrain.client.closed(), inClosed.client.closed()]);
      await world.patience.settle();
      other.client.send("unharmed");
      await expectArrival(other.server, ["unharmed"]);
    },
  },
  {
    name: "a second open throws invalid-state, and a sink without its functions invalid-argument",
    about: "links",
    async run(world) {
      const { client, listener } = await world.pair({ server: { openLater: true } });
      const sink: Sink = { message() {}, closed() {} };
      expectThrown(() => client.link.open(sink), "invalid-state", "a second open");
      const link = await world.dialRaw(listener.endpoint);
      expectThrown(() => link.open({} as Sink), "invalid-argument", "open with an empty object");
      expectThrown(() => link.open(undefined as unknown as Sink), "invalid-argument", "open with nothing");
      const probe = world.probe(link, "dialled link");
      probe.open();
      link.close();
      await probe.closed();
    },
  },
  {
    name: "what is no payload throws at the call, and the link lives on",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server }: Pair = await world.pair();
      const detached = new Uint8Array(8);
      structuredClone(detached, { transfer: [detached.buffer] });
      const wrong: readonly unknown[] = [
        undefined,
        null,
        Number.NaN,
        1,
        true,
        Symbol("s"),
        () => {},
        {},
        [1],
        detached,
      ];
      for (const value of [...wrong, new ArrayBuffer(8), { framing: { name: "alien" }, byteLength: 1 }]) {
        for (const { link } of [client, server])
          expectThrown(() => link.send(value as Payload), "invalid-argument", `send(${describe(value)})`);
      }
      client.send("fine");
      await expectArrival(server, ["fine"]);
    },
  },
];

function expectThrown(call: () => void, code: string, what: string): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown !== undefined, `${what} did not throw`);
  assert.ok(PolywireError.is(thrown), `${what} threw ${String(thrown)}`);
  assert.equal(thrown.code, code, `${what}: ${thrown.message}`);
}

function describe(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : String(value);
}
