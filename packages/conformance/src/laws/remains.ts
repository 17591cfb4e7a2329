import assert from "node:assert/strict";
import { PolywireError } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { World } from "../world.ts";
import { isDependable } from "./arrival.ts";
import { naming } from "./exchanges.ts";

/** Nothing outlives what it was for. */
export const remainsLaws: readonly LawDefinition[] = [
  {
    name: "no handle, timer or listener is left when everything is closed",
    about: "links",
    appliesTo: isDependable,
    run: (world) => expectNothingLeft(world, useLinks),
  },
  {
    name: "no handle, timer or listener is left of requests, answered or not",
    about: "exchanges",
    run: (world) => expectNothingLeft(world, useExchanges),
  },
];

async function expectNothingLeft(world: World, use: (world: World) => Promise<void>): Promise<void> {
  // The law's own deadline is running from here on.
  await world.patience.settle(1);
  const before = resources();
  await use(world);
  const { ledger, patience } = world;
  await patience.until(
    () => ledger.timers === 0,
    () => `${ledger.timers} timers to be cancelled`,
  );
  await patience.until(
    () => ledger.abortListeners === 0,
    () => `${ledger.abortListeners} abort listeners to go`,
  );
  await patience.until(
    () => left(before).length === 0,
    () => `resources to be given back: ${left(before).join(", ")}`,
  );
}

async function useLinks(world: World): Promise<void> {
  const listening = await world.listen();
  const { listener } = listening;
  const pairs = [];
  for (let count = 0; count < 10; count++) pairs.push(await world.pairAt(listening));
  for (const { client, server } of pairs) {
    client.send("ping");
    await server.messages(1);
    if (client.link.traits.ping !== "none") client.pingable.ping(() => {});
  }
  const aborted = world.dialRaw(listener.endpoint, { signal: AbortSignal.abort(new PolywireError("aborted", "no")) });
  await assert.rejects(aborted);
  for (const [index, { client, server }] of pairs.entries()) {
    (index % 2 === 0 ? client : server).link.close(index % 3 === 0 ? { discard: true } : {});
  }
  for (const { client, server } of pairs) await Promise.all([client.closed(), server.closed()]);
  await listener.close();
  await assert.rejects(world.dialRaw(listener.endpoint));
}

async function useExchanges(world: World): Promise<void> {
  const listener = await world.serve((exchange) => {
    if (exchange.path === "/answered") exchange.respond({ status: 200 }, "yes");
    if (exchange.path === "/streamed") {
      const probe = world.probe(exchange.stream({ status: 200 }), "link of the response");
      probe.open();
      probe.send("yes");
      probe.link.close();
    }
  });
  const exchanger = await world.openExchanger(listener.endpoint);
  for (const path of ["/answered", "/streamed"]) {
    const response = await exchanger.request(naming(world, "GET", path));
    await response.body.bytes();
  }
  const signal = world.ledger.watch(new AbortController().signal);
  const kept = await exchanger.request(naming(world, "GET", "/answered"), { signal });
  await kept.body.bytes();
  await assert.rejects(exchanger.request(naming(world, "GET", "/never"), { timeoutMs: 20 }));
  await exchanger.close();
  await listener.close();
}

/** How many of each kind keep this process alive. */
function resources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** What there is more of than before; not what the waiting itself uses. */
function left(before: ReadonlyMap<string, number>): readonly string[] {
  return [...resources()]
    .filter(([kind, count]) => kind !== "Immediate" && count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${count - (before.get(kind) ?? 0)} ${kind}`);
}
