import fc from "fast-check";
import { expect, test } from "vitest";
import { type ConnectionState, type StateChange, States } from "../src/connection/states.ts";

const ALL: readonly ConnectionState[] = ["idle", "connecting", "ready", "backoff", "draining", "closed"];

/** The table of legal changes, written down a second time. */
const LEGAL = new Set([
  "idle connecting",
  "idle closed",
  "connecting ready",
  "connecting backoff",
  "connecting idle",
  "connecting closed",
  "ready connecting",
  "ready backoff",
  "ready idle",
  "ready draining",
  "ready closed",
  "backoff connecting",
  "backoff idle",
  "backoff closed",
  "draining idle",
  "draining closed",
]);

function recorded(): { readonly states: States; readonly changes: StateChange[]; readonly illegal: string[] } {
  const changes: StateChange[] = [];
  const illegal: string[] = [];
  const states = new States({
    now: () => 7,
    changed: (change) => void changes.push(change),
    illegal: ({ message }) => void illegal.push(message),
  });
  return { states, changes, illegal };
}

test("a change is made only from a state that was expected", () => {
  const { states, changes } = recorded();
  const why = { cause: "asked for", attempt: 0 };
  expect(states.change(["backoff"], "connecting", why)).toBe(false);
  expect(states.current).toBe("idle");
  expect(states.change(["idle", "backoff"], "connecting", why)).toBe(true);
  expect(states.current).toBe("connecting");
  expect(changes).toEqual([{ from: "idle", to: "connecting", cause: "asked for", attempt: 0, atMs: 7 }]);
});

test("any walk makes the changes of the table and no others, and what is illegal is reported", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...ALL), { maxLength: 30 }), (wishes) => {
      const { states, changes, illegal } = recorded();
      let refused = 0;
      for (const to of wishes) {
        const from = states.current;
        const isLegal = LEGAL.has(`${from} ${to}`);
        expect(states.change(ALL, to, { cause: "walk", attempt: 1 })).toBe(isLegal);
        expect(states.current).toBe(isLegal ? to : from);
        if (!isLegal) refused++;
      }
      expect(illegal).toHaveLength(refused);
      expect(changes.every(({ from, to }) => LEGAL.has(`${from} ${to}`))).toBe(true);
      for (const [index, change] of changes.slice(1).entries()) expect(change.from).toBe(changes[index]?.to);
    }),
    { numRuns: 2_000 },
  );
});
