import assert from "node:assert/strict";
import { type Admission, PolywireError } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import { hasConversations, type Listening, type World } from "../world.ts";
import { expectArrival, isDependable } from "./arrival.ts";

const hasHandshake: LawDefinition["appliesTo"] = ({ handshake }) => handshake;

/** Dials and listeners end when they are asked to, and say why. */
export const dialingLaws: readonly LawDefinition[] = [
  {
    name: "a dial whose signal has fired before rejects with its reason and reaches nobody",
    about: "links",
    async run(world) {
      const { listener, accepted } = await world.listen();
      const reason = new PolywireError("aborted", "before");
      const signal = AbortSignal.abort(reason);
      const thrown = await rejection(world, world.dialRaw(listener.endpoint, { signal }), "the aborted dial");
      assert.equal(thrown, reason, "what the dial rejects with");
      await world.patience.settle();
      assert.equal(accepted.length, 0, "accepted links");
    },
  },
  {
    name: "a dial that is aborted in the middle of its handshake rejects at once with the signal's reason",
    about: "links",
    appliesTo: hasHandshake,
    async run(world) {
      const { listener, accepted, reached, accept } = await listenUndecided(world);
      const controller = new AbortController();
      const dial = world.dialRaw(listener.endpoint, { signal: controller.signal });
      const rejected = rejection(world, dial, "the aborted dial");
      await reached();
      const reason = new PolywireError("aborted", "during");
      controller.abort(reason);
      assert.equal(await rejected, reason, "what the dial rejects with");
      accept();
      await world.patience.settle();
      for (const probe of accepted) await probe.closed();
    },
  },
  {
    name: "an abort after the dial is through changes nothing",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const controller = new AbortController();
      const { client, server } = await world.pair({ client: { signal: controller.signal } });
      controller.abort(new PolywireError("aborted", "after"));
      client.send("still");
      await expectArrival(server, ["still"]);
      server.send("here");
      await expectArrival(client, ["here"]);
    },
  },
  {
    name: "a dial to where nobody listens is refused",
    about: "links",
    appliesTo: hasConversations,
    async run(world) {
      const { listener } = await world.listen();
      await listener.close();
      const thrown = await rejection(world, world.dialRaw(listener.endpoint), "the dial");
      assert.ok(PolywireError.is(thrown), `the dial threw ${String(thrown)}`);
      assert.equal(thrown.code, "connection-refused", thrown.message);
      assert.equal(thrown.retryable, true, "retryable");
    },
  },
  {
    name: "a closed listener frees its address and leaves established links alone",
    about: "links",
    appliesTo: isDependable,
    async run(world) {
      const { client, server, listener } = await world.pair();
      await world.patience.within(listener.close(), "the listener to close");
      await world.patience.within(listener.close(), "the listener to close again");
      client.send("still");
      await expectArrival(server, ["still"]);
      server.send("here");
      await expectArrival(client, ["here"]);
      const again = await world.pair({ server: { at: listener.endpoint } });
      again.client.send("new");
      await expectArrival(again.server, ["new"]);
    },
  },
  {
    name: "a handshake under way when its listener closes is refused",
    about: "links",
    appliesTo: hasHandshake,
    async run(world) {
      const { listener, accepted, reached, accept } = await listenUndecided(world);
      const rejected = rejection(world, world.dialRaw(listener.endpoint), "the dial");
      await reached();
      const closed = listener.close();
      accept();
      assert.ok(PolywireError.is(await rejected), "the dial rejects with a PolywireError");
      await world.patience.within(closed, "the listener to close");
      assert.equal(accepted.length, 0, "accepted links");
    },
  },
  {
    name: "100 dials at once give 100 links that do not mix",
    about: "links",
    appliesTo: isDependable,
    deadlineMs: 10_000,
    async run(world) {
      const { listener, accepted } = await world.listen();
      const numbers = Array.from({ length: 100 }, (_, index) => index);
      const clients = await Promise.all(numbers.map(() => world.dial(listener.endpoint)));
      await world.patience.until(
        () => accepted.length === 100,
        () => `100 accepted links (${accepted.length} came)`,
      );
      for (const [index, client] of clients.entries()) client.send(`from ${index}`);
      const heard = new Set<string>();
      for (const server of accepted) {
        await world.patience.until(() => server.recorder.messages.length > 0, `a message at ${server.name}`);
        const [payload = ""] = server.recorder.messages;
        heard.add(typeof payload === "string" ? payload : new TextDecoder().decode(payload));
        server.send(payload);
      }
      assert.equal(heard.size, 100, "different messages heard");
      for (const [index, client] of clients.entries()) await expectArrival(client, [`from ${index}`]);
    },
  },
];

/** What the promise rejects with; fails if it is fulfilled. */
export function rejection(world: World, promise: Promise<unknown>, what: string): Promise<unknown> {
  const rejected = promise.then(
    () => assert.fail(`${what} was fulfilled: it should have been rejected`),
    (thrown: unknown) => thrown,
  );
  return world.patience.within(rejected, `${what} to reject`);
}

interface Undecided extends Listening {
  /** Fulfilled when a peer waits for its verdict. */
  readonly reached: () => Promise<void>;
  readonly accept: () => void;
}

/** A listener that leaves its peer waiting for the verdict. */
async function listenUndecided(world: World): Promise<Undecided> {
  let isJudging = false;
  let judge: (verdict: Admission) => void = () => {};
  const listening = await world.listen({
    admit() {
      isJudging = true;
      return new Promise((resolve) => {
        judge = resolve;
      });
    },
  });
  return {
    ...listening,
    reached: () => world.patience.until(() => isJudging, "the handshake to reach admission"),
    accept: () => judge({ accepted: true }),
  };
}
