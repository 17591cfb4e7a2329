import assert from "node:assert/strict";
import { type Peer, PolywireError } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import { expectArrival, isDependable } from "./arrival.ts";
import { rejection } from "./dialing.ts";
import { expectRefused } from "./limits.ts";

const hasHandshake: LawDefinition["appliesTo"] = ({ handshake }) => handshake;

/** Every peer is judged before it has a link. */
export const admissionLaws: readonly LawDefinition[] = [
  {
    name: "a peer that admission refuses gets no link, and learns the status",
    about: "links",
    appliesTo: hasHandshake,
    async run(world) {
      for (const verdict of ["sync", "async"]) {
        const refused = { accepted: false, status: 403, reason: "not you" } as const;
        const { listener, accepted } = await world.listen({
          admit: () => (verdict === "sync" ? refused : later(world.patience.settle(), refused)),
        });
        const thrown = await rejection(world, world.dialRaw(listener.endpoint), "the refused dial");
        assert.ok(PolywireError.is(thrown), `the dial threw ${String(thrown)}`);
        assert.equal(thrown.code, "handshake-failed", thrown.message);
        assert.match(thrown.message, /403/, "the message names the status");
        await world.patience.settle();
        assert.equal(accepted.length, 0, "accepted links");
        await listener.close();
      }
    },
  },
  {
    name: "a peer that admission refuses has its connection closed, and is never accepted",
    about: "links",
    appliesTo: ({ handshake, kind }) => !handshake && kind !== "datagram",
    async run(world) {
      const { listener, accepted } = await world.listen({
        admit: () => ({ accepted: false, status: 403, reason: "not you" }),
      });
      await expectRefused(world, listener.endpoint, "the refused dial");
      await world.patience.settle();
      assert.equal(accepted.length, 0, "accepted links");
    },
  },
  {
    name: "a peer is judged once, and gets its link when the verdict comes",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const judged: Peer[] = [];
      const { client, server, accepted } = await world.pair({
        server: {
          admit(peer) {
            judged.push(peer);
            return later(world.patience.settle(), { accepted: true });
          },
        },
      });
      client.send("in");
      await expectArrival(server, ["in"]);
      assert.equal(judged.length, 1, "verdicts asked for");
      assert.equal(accepted.length, 1, "accepted links");
      assert.equal(server.link.peer.address, judged[0]?.address, "the link's peer is the one that was judged");
      assert.equal(server.link.peer.path, judged[0]?.path, "its path");
    },
  },
  {
    name: "the subprotocol that admission chooses is known to both sides",
    about: "links",
    appliesTo: (_traits, { offering }) => offering !== undefined,
    async run(world) {
      const { offering } = world.subject;
      assert.ok(offering !== undefined);
      let offered: readonly string[] | undefined;
      const { client, server } = await world.pair({
        client: { options: offering(["first.conformance", "second.conformance"]) },
        server: {
          admit(peer) {
            offered = peer.offeredSubprotocols;
            return { accepted: true, subprotocol: "second.conformance" };
          },
        },
      });
      assert.deepEqual(offered, ["first.conformance", "second.conformance"], "what admission was told is offered");
      for (const { link, name } of [client, server])
        assert.equal(link.peer.subprotocol, "second.conformance", `${name}: peer.subprotocol`);
    },
  },
  {
    name: "an established link keeps the headers that admission named, and no others",
    about: "links",
    appliesTo: hasHandshake,
    async run(world) {
      let judged: Peer | undefined;
      const { server } = await world.pair({
        client: {
          metadata: new Map([
            ["x-conformance-kept", "yes"],
            ["x-conformance-dropped", "no"],
          ]),
        },
        server: {
          admit(peer) {
            judged = peer;
            return { accepted: true, keepHeaders: ["x-conformance-kept"] };
          },
        },
      });
      const { headers } = server.link.peer;
      assert.equal(headers?.has("x-conformance-dropped") ?? false, false, "a header that was not to be kept");
      // Only for wires that carry metadata.
      if (judged?.headers?.has("x-conformance-kept") === true)
        assert.equal(headers?.get("x-conformance-kept"), "yes", "a header that was to be kept");
    },
  },
];

async function later<Verdict>(wait: Promise<void>, verdict: Verdict): Promise<Verdict> {
  await wait;
  return verdict;
}
