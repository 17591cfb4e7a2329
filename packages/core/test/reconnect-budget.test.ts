import fc from "fast-check";
import { expect, test } from "vitest";
import { completeBudget, ReconnectBudget } from "../src/connection/reconnect-budget.ts";
import { Network, PolywireError } from "../src/index.ts";
import { ManualClock } from "../src/testing.ts";
import { turns } from "./opened-network.ts";
import { UnsteadyWire } from "./unsteady-wire.ts";

test("in no second more dials than the budget, first come first served", () => {
  const clock = new ManualClock();
  const budget = new ReconnectBudget(clock, completeBudget({ perSecond: 10 }), () => 0);
  const allowed: [number, number][] = [];
  for (let dial = 0; dial < 50; dial++) budget.ask(() => void allowed.push([dial, clock.now()]));
  clock.advance(10_000);
  expect(allowed.map(([dial]) => dial)).toEqual(Array.from({ length: 50 }, (_, dial) => dial));
  for (const [dial, atMs] of allowed) {
    const within = allowed.filter(([, otherMs]) => otherMs > atMs - 1_000 && otherMs <= atMs).length;
    expect(within, `in the second before dial ${dial}`).toBeLessThanOrEqual(11);
  }
  expect(allowed.at(-1)?.[1]).toBeGreaterThan(4_500);
  expect(allowed.at(-1)?.[1]).toBeLessThan(5_500);
  expect(clock.pending).toBe(0);
});

test("many connections have a larger budget: a fifth of them a second", () => {
  const clock = new ManualClock();
  const budget = new ReconnectBudget(clock, completeBudget(), () => 1_000);
  expect(budget.perSecond).toBe(200);
});

test("one that is cancelled gives its turn to the next, and nothing stays behind", () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 50 }),
      (kept, perSecond) => {
        const clock = new ManualClock();
        const budget = new ReconnectBudget(clock, completeBudget({ perSecond }), () => 0);
        const allowed: number[] = [];
        const waits = kept.map((_, index) => budget.ask(() => void allowed.push(index)));
        const atOnce = allowed.length;
        for (const [index, wait] of waits.entries()) if (kept[index] === false) wait.cancel();
        clock.advance(60_000);
        const expected = kept.flatMap((isKept, index) => (isKept || index < atOnce ? [index] : []));
        expect(allowed).toEqual(expected);
        expect(budget.waiting).toBe(0);
        expect(clock.pending).toBe(0);
      },
    ),
  );
});

test("100 connections that lose their links together come back, no more of them a second than the budget allows", async () => {
  const clock = new ManualClock();
  const wire = new UnsteadyWire();
  wire.outcome = () => undefined;
  await using network = new Network({ protocols: [wire], clock });
  const connections = await Promise.all(Array.from({ length: 100 }, () => network.connect("unsteady://there")));
  const back: number[] = [];
  network.on("reconnected", () => void back.push(clock.now()));
  clock.advance(60_000);
  for (const link of wire.all.slice(0, 100)) link.gone();
  await clock.advanceSettled(20_000, () => turns(1));
  expect(connections.every(({ state }) => state === "ready")).toBe(true);
  expect(back).toHaveLength(100);
  for (const atMs of back) {
    expect(back.filter((otherMs) => otherMs > atMs - 1_000 && otherMs <= atMs).length).toBeLessThanOrEqual(21);
  }
});

test("no more dials at once than maxDials; the others wait their turn, and one that is aborted leaves the queue", async () => {
  const wire = new UnsteadyWire();
  await using network = new Network({ protocols: [wire], maxDials: 2 });
  const controller = new AbortController();
  const dials = [0, 1, 2, 3].map((index) => {
    const options = index === 2 ? { signal: controller.signal } : {};
    return network.connect("unsteady://there", options).catch((error: PolywireError) => error.code);
  });
  await turns(1);
  expect(wire.dialled).toBe(2);
  controller.abort();
  expect(await dials[2]).toBe("aborted");
  wire.dials.shift()?.fail(new PolywireError("connection-refused", "nobody"));
  expect(await dials[0]).toBe("connection-refused");
  await turns(1);
  expect(wire.dialled).toBe(3);
  for (const dial of wire.dials.splice(0)) dial.succeed();
  expect(await Promise.all(dials.slice(1))).toMatchObject([{ state: "ready" }, "aborted", { state: "ready" }]);
});

test("wrong options are named", () => {
  const wire = new UnsteadyWire();
  const wrong: [object, string][] = [
    [{ reconnectBudget: { perSecond: 0 } }, "reconnectBudget.perSecond is 0"],
    [{ reconnectBudget: { share: -1 } }, "reconnectBudget.share is -1"],
    [{ reconnectBudget: { shares: 1 } }, 'unknown option "reconnectBudget.shares": did you mean "share"?'],
    [{ maxDials: 0 }, "maxDials is 0"],
  ];
  for (const [options, message] of wrong) {
    expect(() => new Network({ protocols: [wire], ...options })).toThrow(message);
  }
});
