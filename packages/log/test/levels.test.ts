import { expect, test } from "vitest";
import { createLogger } from "../src/index.ts";
import { collect } from "./collector.ts";

test("a component has its own level, less or more severe than the general one", () => {
  const { logger, text } = collect({
    form: "logfmt",
    level: "info",
    levels: { ws: "debug", hub: "error", udp: "silent" },
  });
  for (const component of ["ws", "hub", "udp", "tcp"]) {
    for (const level of ["trace", "debug", "info", "error"] as const) logger.log(level, component, "told");
  }
  expect(text().match(/level=\S+ component=\S+/g)).toEqual([
    "level=debug component=ws",
    "level=info component=ws",
    "level=error component=ws",
    "level=error component=hub",
    "level=info component=tcp",
    "level=error component=tcp",
  ]);
});

test("whether a level is enabled is told by component, and without one for the component that is told the most", () => {
  const { logger } = collect({ level: "warn", levels: { ws: "debug", hub: "silent" } });
  expect(logger.isEnabled("debug", "ws")).toBe(true);
  expect(logger.isEnabled("trace", "ws")).toBe(false);
  expect(logger.isEnabled("error", "hub")).toBe(false);
  expect(logger.isEnabled("info", "tcp")).toBe(false);
  expect(logger.isEnabled("warn", "tcp")).toBe(true);
  expect(logger.isEnabled("debug")).toBe(true);
  expect(logger.isEnabled("trace")).toBe(false);
});

test("levels may change while it logs, also from silent; one that there is not changes nothing", () => {
  const { logger, text } = collect({ form: "logfmt", level: "silent" });
  logger.log("error", "hub", "lost");
  logger.setLevels({ level: "warn", levels: { ws: "trace" } });
  for (const component of ["ws", "hub"]) {
    for (const level of ["trace", "info", "warn"] as const) logger.log(level, component, "told");
  }
  expect(() => logger.setLevels({ level: "loud" as "info" })).toThrow("level");
  logger.log("trace", "ws", "told");
  logger.setLevels({});
  for (const level of ["debug", "info"] as const) logger.log(level, "ws", "told");
  expect(text().match(/level=\S+ component=\S+/g)).toEqual([
    "level=trace component=ws",
    "level=info component=ws",
    "level=warn component=ws",
    "level=warn component=hub",
    "level=trace component=ws",
    "level=info component=ws",
  ]);
});

test("a component is named as the wire names it: __proto__ has no level of its own", () => {
  const { logger } = collect({ level: "info", levels: { ws: "debug" } });
  expect(logger.isEnabled("info", "__proto__")).toBe(true);
  expect(logger.isEnabled("debug", "constructor")).toBe(false);
});

test.each([
  [{ level: "loud" }, 'level is "loud"'],
  [{ levels: { ws: "debugg" } }, 'levels.ws is "debugg": did you mean "debug"?'],
  [{ form: "xml" }, 'form is "xml"'],
  [{ maxBufferedBytes: 0 }, "maxBufferedBytes is 0"],
  [{ repeats: { maxPerWindow: -1 } }, "repeats.maxPerWindow is -1"],
  [{ repeats: { window: 1 } }, 'unknown option "repeats.window"'],
])("a wrong option is named: %j", (options, message) => {
  expect(() => createLogger(options as never)).toThrow(message);
});
