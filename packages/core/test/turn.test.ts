import { expect, test } from "vitest";
import { type Clock, systemClock, Turn } from "../src/index.ts";

/** Keeps the callbacks for the end of the turn until the test runs them. */
function manualClock(): { clock: Clock; due: (() => void)[] } {
  const due: (() => void)[] = [];
  return { clock: { ...systemClock, endOfTurn: (callback) => void due.push(callback) }, due };
}

test("everything scheduled in a turn is flushed at its end, in order", () => {
  const { clock, due } = manualClock();
  const turn = new Turn(clock);
  const log: string[] = [];
  for (const name of ["first", "second", "third"]) turn.schedule({ flush: () => void log.push(name) });
  expect(log).toEqual([]);
  expect(due.length).toBe(1);
  due.shift()?.();
  expect(log).toEqual(["first", "second", "third"]);
});

test("what a flush schedules belongs to the next turn", () => {
  const { clock, due } = manualClock();
  const turn = new Turn(clock);
  const log: string[] = [];
  const again = { flush: () => void log.push("again") };
  turn.schedule({
    flush() {
      log.push("once");
      turn.schedule(again);
    },
  });
  due.shift()?.();
  expect(log).toEqual(["once"]);
  due.shift()?.();
  expect(log).toEqual(["once", "again"]);
  expect(due).toEqual([]);
});

test("every turn begins its runs anew", () => {
  const { clock, due } = manualClock();
  const turn = new Turn(clock);
  const { root } = turn;
  turn.schedule({ flush() {} });
  expect(turn.root).toBe(root);
  due.shift()?.();
  expect(turn.root).not.toBe(root);
});

test("a flush that throws costs the others nothing, and is thrown once they are done", () => {
  const { clock, due } = manualClock();
  const turn = new Turn(clock);
  const log: string[] = [];
  const failing = {
    flush() {
      throw new Error("broken wire");
    },
  };
  turn.schedule(failing);
  turn.schedule({ flush: () => void log.push("healthy") });
  expect(due.shift()).toThrow("broken wire");
  expect(log).toEqual(["healthy"]);
  turn.schedule({ flush: () => void log.push("next turn") });
  due.shift()?.();
  expect(log).toEqual(["healthy", "next turn"]);
});
