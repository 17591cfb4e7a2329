import { getEventListeners } from "node:events";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Events, type PolywireError } from "../src/index.ts";

interface Said {
  word: string;
}

function setUp(): { events: Events<Said>; heard: string[]; errors: PolywireError[] } {
  const errors: PolywireError[] = [];
  return { events: new Events<Said>((error) => void errors.push(error)), heard: [], errors };
}

test("higher priorities first, equal ones in the order of registration", () => {
  const { events, heard } = setUp();
  for (const [name, priority] of [
    ["a", 0],
    ["b", 5],
    ["c", 0],
    ["d", -1],
    ["e", 5],
  ] as const) {
    events.on("word", () => void heard.push(name), { priority });
  }
  events.emit("word", "hi");
  expect(heard).toEqual(["b", "e", "a", "c", "d"]);
});

test("once hears one event, also when it causes another", () => {
  const { events, heard } = setUp();
  events.on(
    "word",
    (word) => {
      heard.push(word);
      events.emit("word", "inner");
    },
    { once: true },
  );
  events.emit("word", "outer");
  events.emit("word", "later");
  expect(heard).toEqual(["outer"]);
  expect(events.has("word")).toBe(false);
});

test("P07, P08: what a listener throws or rejects with is reported, the others hear the event", async () => {
  const { events, heard, errors } = setUp();
  events.on("word", () => {
    throw new Error("sync");
  });
  events.on("word", () => Promise.reject(new Error("async")));
  events.on("word", (word) => void heard.push(word));
  events.emit("word", "hi");
  await Promise.resolve();
  expect(heard).toEqual(["hi"]);
  expect(errors.map(({ code, message }) => `${code}: ${message}`)).toEqual([
    'internal: listener for "word" threw: sync',
    'internal: listener for "word" threw: async',
  ]);
});

test("listeners added or removed while an event is told take effect with the next one", () => {
  const { events, heard } = setUp();
  const stop = events.on("word", () => {
    heard.push("first");
    stop();
    stopSecond();
    events.on("word", () => void heard.push("third"));
  });
  const stopSecond = events.on("word", () => void heard.push("second"));
  events.emit("word", "one");
  expect(heard).toEqual(["first", "second"]);
  events.emit("word", "two");
  expect(heard).toEqual(["first", "second", "third"]);
});

test("a signal unsubscribes, and one that has fired subscribes nobody", () => {
  const { events, heard } = setUp();
  const controller = new AbortController();
  events.on("word", (word) => void heard.push(word), { signal: controller.signal });
  events.on("word", (word) => void heard.push(word), { signal: AbortSignal.abort() });
  const stop = events.on("word", () => {}, { signal: controller.signal });
  stop();
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
  events.emit("word", "one");
  controller.abort();
  events.emit("word", "two");
  expect(heard).toEqual(["one"]);
});

test("unsubscribing twice does nothing, and leaves equal listeners alone", () => {
  const { events, heard } = setUp();
  const listener = (word: string): void => void heard.push(word);
  const stop = events.on("word", listener);
  events.on("word", listener);
  stop();
  stop();
  events.emit("word", "hi");
  expect(heard).toEqual(["hi"]);
});

test("what is no listener or no priority throws at the call", () => {
  const { events } = setUp();
  expect(() => events.on("word", undefined as unknown as () => void)).toThrow(/is not a function/);
  expect(() => events.on("word", () => {}, { priority: 0.5 })).toThrow(/is not an integer/);
});

test("random subscriptions are told as a sorted list would be", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("on" as const), priority: fc.integer({ min: -2, max: 2 }), once: fc.boolean() }),
    fc.record({ kind: fc.constant("off" as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant("emit" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { events, heard } = setUp();
      const stops: (() => void)[] = [];
      let model: { readonly id: string; readonly priority: number; readonly once: boolean }[] = [];
      const expected: string[] = [];
      for (const current of steps) {
        if (current.kind === "on") {
          const id = `${stops.length}`;
          stops.push(events.on("word", () => void heard.push(id), current));
          model = [...model, { id, ...current }].toSorted((one, other) => other.priority - one.priority);
        } else if (current.kind === "off") {
          stops[current.at]?.();
          model = model.filter(({ id }) => id !== `${current.at}`);
        } else {
          events.emit("word", "");
          expected.push(...model.map(({ id }) => id));
          model = model.filter(({ once }) => !once);
        }
      }
      expect(heard).toEqual(expected);
      expect(events.has("word")).toBe(model.length > 0);
    }),
  );
});
