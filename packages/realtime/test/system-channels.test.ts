import { describe, expect, it } from "vitest";
import type { HubOptions } from "../src/index.ts";
import { DISCONNECTS, ERRORS } from "../src/index.ts";
import { FakeClock } from "./fake-clock.ts";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

const RULES: HubOptions["channels"] = [
  { match: "*", publish: "clients" },
  { match: "$system:*", kind: "system" },
];
const OPEN: HubOptions = { channels: RULES, authorize: () => ({ allowed: true }) };

/** What a client was told on channels, as values. */
function told(client: TestClient): unknown[] {
  return client.take().flatMap((each) => (each.kind === "publication" ? [JSON.parse(each.text)] : []));
}

describe("system channels", () => {
  it("need a rule, and the yes of authorize", async () => {
    await using without = new TestHub({ channels: [{ match: "*" }], authorize: () => ({ allowed: true }) });
    const outside = (await without.client()).subscribe("$system:health");
    expect(outside.answerTo("subscribe $system:health").error).toBe(102);

    const asked: string[] = [];
    await using test = new TestHub({
      channels: RULES,
      authorize({ channel, token }) {
        asked.push(`${channel} ${token}`);
        return token === "operator" ? { allowed: true } : { error: ERRORS.permissionDenied };
      },
    });
    const client = (await test.client()).subscribe("$system:health");
    await test.settle();
    expect(client.answerTo("subscribe $system:health").error).toBe(103);
    client.subscribe("$system:health", { token: "operator" });
    await test.settle();
    expect(client.answerTo("subscribe $system:health").error).toBe(undefined);
    expect(asked).toEqual(["$system:health undefined", "$system:health operator"]);

    await using nobody = new TestHub({ channels: RULES });
    const refused = (await nobody.client()).subscribe("$system:log");
    expect(refused.answerTo("subscribe $system:log").error).toBe(103);
  });

  it("are four: any other name that begins with $ is unknown", async () => {
    await using test = new TestHub(OPEN);
    const client = await test.client();
    for (const name of ["$system:", "$system:other", "$system", "$"]) {
      client.subscribe(name);
      expect(client.answerTo(`subscribe ${name}`).error).toBe(102);
    }
    for (const name of ["connections", "channels", "health", "log"]) {
      client.subscribe(`$system:${name}`);
      await test.settle();
      expect(client.answerTo(`subscribe $system:${name}`).error).toBe(undefined);
    }
  });

  it("are read-only, for clients and for the program", async () => {
    await using test = new TestHub(OPEN);
    const client = (await test.subscriber("$system:health")).publish("$system:health", 1);
    expect(client.answerTo("publish $system:health").error).toBe(103);
    await expect(test.hub.publish("$system:health", 1)).rejects.toMatchObject({ code: "invalid-argument" });
  });

  it("have no limit of subscribers", async () => {
    await using test = new TestHub({ ...OPEN, limits: { subscribersPerChannel: 1 } });
    const watchers = [await test.subscriber("$system:health"), await test.subscriber("$system:health")];
    await test.advance(1_000);
    expect(watchers.map((watcher) => told(watcher).length)).toEqual([1, 1]);
  });

  it("tell what there is within a second, and then what is new, once a second at most", async () => {
    await using test = new TestHub(OPEN);
    const watcher = await test.subscriber("$system:connections");
    await test.advance(1_000);
    const first = told(watcher);
    expect(first).toEqual([
      {
        node: expect.any(String),
        time: expect.any(Number),
        sessions: 1,
        connected: 1,
        users: 0,
        connects: 1,
        refused: 0,
        ended: 0,
        cut: 0,
      },
    ]);
    await test.advance(10_000);
    expect(told(watcher)).toEqual([]);

    const clients = await Promise.all(Array.from({ length: 200 }, () => test.client()));
    for (const { session } of clients.slice(50)) session.closed();
    await test.advance(1_000);
    expect(told(watcher)).toMatchObject([{ sessions: 51, connects: 201, ended: 150 }]);
  });

  it("tell somebody who comes later what there is, even if it is not new", async () => {
    await using test = new TestHub(OPEN);
    await test.subscriber("$system:channels");
    await test.advance(5_000);
    const second = await test.subscriber("$system:channels");
    await test.advance(1_000);
    expect(told(second)).toMatchObject([{ channels: 1, subscriptions: 2 }]);
  });

  it("never give rise to more: watching all of them tells nothing of being watched", async () => {
    await using test = new TestHub(OPEN);
    const watcher = await test.client();
    for (const name of ["connections", "channels", "health", "log"]) watcher.subscribe(`$system:${name}`);
    await test.advance(1_000);
    expect(told(watcher)).toHaveLength(3);
    const before = test.hub.stats();
    await test.advance(20_000);
    expect(told(watcher)).toEqual([]);
    expect(test.hub.stats()).toMatchObject({ publications: before.publications, deliveriesQueued: 0 });
  });

  it("cost nothing when nobody watches", async () => {
    const clock = new FakeClock();
    await using test = new TestHub(OPEN, clock);
    const watcher = await test.subscriber("$system:health");
    await test.advance(2_000);
    watcher.unsubscribe("$system:health");
    const others = await test.client();
    others.session.disconnect?.(DISCONNECTS.shutdown);
    watcher.session.closed();
    await test.advance(2_000);
    expect(clock.pending).toBe(0);
  });

  it("tell the log by message, with its number, 50 different ones in a second at most, and none of its fields", async () => {
    await using test = new TestHub(OPEN);
    test.hub.tellLog({ level: "warn", component: "server", message: "before anybody listened" });
    const watcher = await test.subscriber("$system:log");
    for (let count = 0; count < 1_000; count++) {
      test.hub.tellLog({ level: "warn", component: "hub", message: "broker call failed" });
    }
    for (let count = 0; count < 60; count++) {
      test.hub.tellLog({ level: "error", component: "x", message: `${count} `.repeat(1_000) });
    }
    await test.advance(1_000);
    const [{ lines, leftOut }] = told(watcher) as [{ lines: { message: string; count: number }[]; leftOut: number }];
    expect([lines.length, leftOut]).toEqual([50, 11]);
    expect(lines[0]).toEqual({ level: "warn", component: "hub", message: "broker call failed", count: 1_000 });
    expect(lines[1]?.message).toHaveLength(256);
    await test.advance(5_000);
    expect(told(watcher)).toEqual([]);
  });
});
