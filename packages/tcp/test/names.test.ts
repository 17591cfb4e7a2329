import type { LookupFunction } from "node:net";
import { type Connection, Network } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { tcp } from "../src/index.ts";
import { Serving } from "./serving.ts";

/** A resolver that is there or not, and when it was asked. */
class Resolver {
  isThere = true;
  readonly askedAtMs: number[] = [];
  readonly lookup: LookupFunction;

  constructor(clock: ManualClock) {
    this.lookup = (host, _options, answer) => {
      this.askedAtMs.push(clock.now());
      const missing = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" });
      setImmediate(() => {
        if (this.isThere) answer(null, [{ address: "127.0.0.1", family: 4 }]);
        else answer(missing, []);
      });
    };
  }
}

test("F21: 30 s without a resolver: what is established goes on, names are asked for once a second, and all are back 5 s after it", {
  timeout: 30_000,
}, async () => {
  const clock = new ManualClock();
  const resolver = new Resolver(clock);
  await using serving = await Serving.start();
  await using network = new Network({ protocols: [tcp()], clock });
  const dial = (): Promise<Connection> =>
    network.connect(`tcp://broker.example:${serving.port}`, { lookup: resolver.lookup });
  const pass = async (seconds: number): Promise<void> => {
    for (let step = 0; step < seconds * 10; step++) {
      clock.advance(100);
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => void setImmediate(resolve));
    }
  };
  const steady = await dial();
  const steadyHere = await serving.next();
  steadyHere.onMessage = (payload) => void steadyHere.link.send(payload);
  const lost = await Promise.all(Array.from({ length: 20 }, dial));
  for (const connection of lost) connection.on("data", () => {});
  for (const _ of lost) (await serving.next()).link.close({ discard: true });
  resolver.isThere = false;
  resolver.askedAtMs.length = 0;
  await pass(30);
  expect(lost.filter(({ state }) => state === "ready")).toEqual([]);
  expect(resolver.askedAtMs.length).toBeGreaterThan(10);
  for (const [index, atMs] of resolver.askedAtMs.entries()) {
    expect(atMs - (resolver.askedAtMs[index - 1] ?? -Infinity)).toBeGreaterThanOrEqual(1_000);
  }
  let echoed = "";
  steady.on("data", (payload) => (echoed += String(payload)));
  steady.send("unaffected");
  await pass(1);
  expect(echoed).toBe("unaffected");
  resolver.isThere = true;
  await pass(5);
  expect(lost.map(({ state }) => state)).toEqual(lost.map(() => "ready"));
});
