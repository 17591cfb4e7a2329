import { expect, test } from "vitest";
import type { LogFields, Logger } from "../../src/index.ts";
import { logging } from "../../src/interceptors.ts";
import { echo } from "../opened-network.ts";
import { answering, ended } from "./answering.ts";

test("requests and dials are written down: where, how long, and how they ended", async () => {
  await using world = await answering([logging()], (exchange, count) => {
    world.clock.advance(12);
    exchange.respond({ status: count === 1 ? 200 : 500 });
  });
  await world.network.listen("memory://echo", echo);
  const written = (): unknown[] => world.log.filter(({ fields }) => "durationMs" in fields).splice(0);
  await world.exchanger.request({ method: "GET", path: "/things?token=secret" });
  await world.exchanger.request({ method: "POST", body: "secret", headers: new Map([["authorization", "secret"]]) });
  expect(await ended(world.exchanger.request({ method: "GET" }, { signal: AbortSignal.abort("secret") }))).toBe(
    "aborted",
  );
  await world.network.connect("memory://echo?token=secret", { metadata: new Map([["cookie", "secret"]]) });
  await world.network.connect("memory://nobody").catch(() => {});
  const place = { endpoint: "memory://api", protocol: "memory" };
  expect(written()).toEqual([
    {
      level: "debug",
      message: "request answered",
      fields: { ...place, method: "GET", path: "/things", status: 200, durationMs: 12 },
    },
    {
      level: "warn",
      message: "request answered with a failure",
      fields: { ...place, method: "POST", status: 500, durationMs: 12 },
    },
    {
      level: "warn",
      message: "request failed",
      fields: { ...place, method: "GET", code: "aborted", retryable: false, durationMs: 0 },
    },
    {
      level: "debug",
      message: "dialled",
      fields: { endpoint: expect.stringContaining("memory://echo?token="), protocol: "memory", durationMs: 0 },
    },
    {
      level: "warn",
      message: "dial failed",
      fields: {
        endpoint: "memory://nobody",
        protocol: "memory",
        code: "connection-refused",
        retryable: true,
        durationMs: 0,
      },
    },
  ]);
  expect(JSON.stringify(world.log)).not.toContain("secret");
});

test("a logger of its own, and nothing made for a level that goes nowhere", async () => {
  const lines: [string, LogFields | undefined][] = [];
  const logger: Logger = {
    log: (level, _component, message, fields) => void lines.push([`${level} ${message}`, fields]),
    isEnabled: (level) => level !== "info",
  };
  const levels = { level: "info", failureLevel: "error" } as const;
  await using world = await answering([logging({ logger, ...levels })], (exchange, count) =>
    exchange.respond({ status: count === 1 ? 200 : 503 }),
  );
  await world.exchanger.request({ method: "GET" });
  await world.exchanger.request({ method: "GET" });
  expect(lines.map(([line]) => line)).toEqual(["error request answered with a failure"]);
});

test("an option that is wrong is named", () => {
  expect(() => logging({ level: "inform" as never })).toThrow('level is "inform"');
  expect(() => logging({ logger: {} as never })).toThrow("logger is an object: give an object with a log function");
});
