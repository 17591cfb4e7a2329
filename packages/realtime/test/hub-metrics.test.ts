import { Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { expect, test } from "vitest";
import { hubFamilies } from "../src/hub-metrics.ts";
import { Hub, type HubStats } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

/** `name word` → value. */
function figures(hub: Hub): Record<string, number> {
  return Object.fromEntries(
    hub
      .metrics()
      .flatMap(({ name, points }) =>
        points.map((point) => [
          [name.replace("polywire.hub.", ""), ...Object.values(point.attributes)].join(" "),
          "value" in point ? point.value : Number.NaN,
        ]),
      ),
  );
}

test("sessions, channels, subscriptions, publications and drops are told", async () => {
  await using test = new TestHub();
  const one = await test.subscriber("a");
  const slow = await test.subscriber("a", { capacityBytes: 0 });
  slow.isReading = false;
  one.subscribe("b");
  test.newClient().connect();
  await test.publish("a", 1);
  expect(figures(test.hub)).toMatchObject({
    "session.count connected": 2,
    "session.connected": 3,
    "session.ended": 1,
    "session.cut slow": 1,
    "channel.count": 2,
    "subscription.count": 2,
    "publication.received": 1,
    "publication.deliveries queued": 1,
    "publication.deliveries dropped": 1,
  });
});

test("every number of the hub's stats is in a figure", () => {
  const stats = new Hub().stats();
  const names = Object.keys(stats) as (keyof HubStats)[];
  const before = JSON.stringify(hubFamilies(stats));
  const isTold = (name: keyof HubStats): boolean =>
    JSON.stringify(hubFamilies({ ...stats, [name]: stats[name] + 1 })) !== before;
  expect(names.filter((name) => !isTold(name))).toEqual([]);
});

test("no channel, user or session is named, whatever clients choose", async () => {
  await using test = new TestHub();
  const client = await test.subscriber("hidden-channel");
  await test.publish("hidden-channel", 1);
  const text = JSON.stringify(test.hub.metrics());
  expect(text).not.toContain("hidden");
  expect(text).not.toContain(client.id);
});

test("they join the figures of the hub's network", async () => {
  await using network = new Network({ protocols: [memory()], services: [new Hub()] });
  expect(network.metrics().map(({ name }) => name)).toContain("polywire.hub.session.count");
});
