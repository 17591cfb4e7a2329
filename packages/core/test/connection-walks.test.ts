import fc from "fast-check";
import { expect, test } from "vitest";
import type { HealthStatus } from "../src/health/health-record.ts";
import { type ConnectionState, Network, PolywireError } from "../src/index.ts";
import { ManualClock } from "../src/testing.ts";
import { turns } from "./opened-network.ts";
import { UnsteadyWire } from "./unsteady-wire.ts";

/** What may happen to a connection. */
const STEPS = ["connect", "dialled", "refused", "fatal", "lost", "ended", "second", "minute", "send", "hurry"] as const;
type Step = (typeof STEPS)[number] | "close" | "cut";

/** Closing is rarer than the rest, or every walk would be short. */
const step = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom<Step>(...STEPS) },
  fc.constantFrom<Step>("close", "cut"),
);

const LEGAL: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  idle: ["connecting", "closed"],
  connecting: ["ready", "backoff", "idle", "closed"],
  ready: ["connecting", "backoff", "idle", "draining", "closed"],
  backoff: ["connecting", "idle", "closed"],
  draining: ["idle", "closed"],
  closed: [],
};

const walk = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 25 }),
  reconnect: fc.constantFrom<object | boolean>(true, false, { lazy: true }, { maxAttempts: 2 }, { preset: "nats" }),
  /** What a listener does in the middle of things, at its so-maniest event. */
  meddling: fc.record({ at: fc.nat(30), act: fc.constantFrom("close", "cut", "send", "hurry") }),
});

test("10,000 walks: no illegal change, every link's loss told once, and the end exactly once and last", async () => {
  const clock = new ManualClock();
  const wire = new UnsteadyWire();
  const network = new Network({ protocols: [wire], clock, reconnectBudget: { perSecond: 1_000_000 } });
  const errors: PolywireError[] = [];
  network.on("error", (error) => void errors.push(error));
  await fc.assert(
    fc.asyncProperty(walk, async ({ steps, reconnect, meddling }) => {
      const connection = network.connection("unsteady://there", { reconnect });
      const told: string[] = [];
      let previous: ConnectionState = "idle";
      let links = 0;
      const note = (what: string): void => {
        told.push(what);
        if (told.length === meddling.at) act(meddling.act);
      };
      connection.on("state", ({ from, to }) => {
        expect(from).toBe(previous);
        expect(LEGAL[from]).toContain(to);
        previous = to;
        note(to);
      });
      let health: HealthStatus = "unknown";
      connection.on("health", ({ from, to }) => {
        expect(from).toBe(health);
        expect(to).not.toBe(from);
        health = to;
      });
      connection.on("connect", ({ generation }) => {
        links++;
        expect(generation).toBe(links);
        note("connect");
      });
      connection.on("disconnect", () => note("disconnect"));
      connection.on("reconnecting", () => note("reconnecting"));
      connection.on("reconnected", () => note("reconnected"));
      connection.on("close", () => note("close"));

      function act(what: string): void {
        if (what === "connect") connection.connect();
        else if (what === "send") connection.send("x");
        else if (what === "hurry") connection.reconnectNow();
        else if (what === "close") void connection.close();
        else if (what === "cut") void connection.close({ discard: true });
        else if (what === "dialled") wire.dials.shift()?.succeed();
        else if (what === "refused") wire.dials.shift()?.fail(new PolywireError("connection-refused", "nobody"));
        else if (what === "fatal") wire.dials.shift()?.fail(new PolywireError("tls-verify-failed", "who are you"));
        else if (what === "lost") wire.all.at(-1)?.gone();
        else if (what === "ended") wire.all.at(-1)?.gone({ by: "remote", clean: true, retryable: false });
        else clock.advance(what === "second" ? 1_000 : 60_000);
      }
      for (const each of steps) {
        act(each);
        await turns(1);
        expect(connection.health.status).toBe(health);
        const isConnected = connection.state === "ready" || connection.state === "draining";
        expect(count(told, "connect") - count(told, "disconnect")).toBe(isConnected ? 1 : 0);
      }
      await connection.close({ discard: true });
      await turns(1);
      expect(told.at(-1)).toBe("close");
      expect(count(told, "close")).toBe(1);
      expect(count(told, "connect")).toBe(count(told, "disconnect"));
      expect(health).toBe("unknown");
      expect(count(told, "reconnected")).toBe(Math.max(0, links - 1));
      wire.dials.length = 0;
      wire.all.length = 0;
    }),
    { numRuns: 10_000 },
  );
  expect(errors).toEqual([]);
  expect(network.inspect().connections).toEqual([]);
  expect(clock.pending).toBe(0);
  await network.close();
}, 60_000);

function count(told: readonly string[], what: string): number {
  return told.filter((one) => one === what).length;
}
