import { ManualClock } from "@polywire/core/testing";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { collect } from "./collector.ts";

const LIMITS = { maxPerWindow: 3, windowMs: 1_000, maxMessages: 4 };

function messagesOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { message: string }).message);
}

test("a message that comes too often is written so many times, and the rest is told in one line when the window ends", () => {
  const clock = new ManualClock();
  const { logger, text } = collect({ clock, repeats: LIMITS });
  for (let time = 0; time < 10; time++) logger.log("warn", "ws", "link refused", { time });
  expect(messagesOf(text())).toEqual(["link refused", "link refused", "link refused"]);
  expect(logger.stats().repeated).toBe(7);

  clock.advance(999);
  expect(messagesOf(text())).toHaveLength(3);
  clock.advance(1);
  expect(JSON.parse(text().trim().split("\n").at(-1) ?? "")).toMatchObject({
    level: "warn",
    component: "ws",
    message: "link refused … repeated 7 times",
    repeated: 7,
  });
  expect(clock.pending).toBe(0);

  logger.log("warn", "ws", "link refused");
  expect(messagesOf(text()).at(-1)).toBe("link refused");
});

test("messages, components and levels are counted apart", () => {
  const clock = new ManualClock();
  const { logger, text } = collect({ clock, repeats: { ...LIMITS, maxPerWindow: 1 } });
  logger.log("info", "ws", "a");
  logger.log("info", "ws", "b");
  logger.log("info", "tcp", "a");
  logger.log("error", "ws", "a");
  expect(messagesOf(text())).toEqual(["a", "b", "a", "a"]);
});

test("what is not logged for its level is not counted either", () => {
  const { logger, text } = collect({ level: "info", repeats: { ...LIMITS, maxPerWindow: 1 } });
  for (let time = 0; time < 5; time++) logger.log("debug", "ws", "quiet");
  expect(logger.stats().repeated).toBe(0);
  expect(text()).toBe("");
});

test("past so many messages the window that began first ends early", () => {
  const clock = new ManualClock();
  const { logger, text } = collect({ clock, repeats: { ...LIMITS, maxPerWindow: 1, maxMessages: 2 } });
  for (const message of ["a", "a", "b", "c", "a"]) logger.log("info", "x", message);
  expect(messagesOf(text())).toEqual(["a", "b", "a … repeated 1 times", "c", "a"]);
});

test("flush tells what was left out, and close drops what comes after it", async () => {
  const clock = new ManualClock();
  const { logger, text } = collect({ clock, repeats: { ...LIMITS, maxPerWindow: 1 } });
  logger.log("info", "x", "a");
  logger.log("info", "x", "a");
  await logger.flush();
  expect(messagesOf(text())).toEqual(["a", "a … repeated 1 times"]);
  expect(clock.pending).toBe(0);
  await logger.close();
  logger.log("info", "x", "late");
  await logger.close();
  expect(messagesOf(text())).toHaveLength(2);
  expect(logger.stats()).toMatchObject({ written: 2, dropped: 1 });
  expect(logger.metrics()).toMatchObject([
    {
      name: "polywire.log.events",
      points: [
        { attributes: { "polywire.log.result": "written" }, value: 2 },
        { attributes: { "polywire.log.result": "dropped" }, value: 1 },
        { attributes: { "polywire.log.result": "repeated" }, value: 1 },
      ],
    },
  ]);
});

test("repeats: false writes everything", () => {
  const { logger, text } = collect({ repeats: false });
  for (let time = 0; time < 500; time++) logger.log("info", "x", "a");
  expect(messagesOf(text())).toHaveLength(500);
});

test("whatever comes when, every event is written or told of exactly once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d", "e", "f"), fc.integer({ min: 0, max: 400 })), {
        maxLength: 200,
      }),
      async (events) => {
        const clock = new ManualClock();
        const { logger, text } = collect({ clock, form: "json", repeats: LIMITS });
        for (const [message, afterMs] of events) {
          clock.advance(afterMs);
          logger.log("info", "x", message);
        }
        await logger.flush();
        const told = new Map<string, number>();
        for (const line of text()
          .split("\n")
          .filter((each) => each !== "")) {
          const { message, repeated = 1 } = JSON.parse(line) as { message: string; repeated?: number };
          const name = message.split(" ")[0] as string;
          told.set(name, (told.get(name) ?? 0) + repeated);
        }
        const logged = new Map<string, number>();
        for (const [message] of events) logged.set(message, (logged.get(message) ?? 0) + 1);
        expect(Object.fromEntries(told)).toEqual(Object.fromEntries(logged));
        expect(clock.pending).toBe(0);
      },
    ),
  );
});
