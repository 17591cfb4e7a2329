import { expect, test } from "vitest";
import { checkExchangerCheck, completeVitals } from "../../src/health/options.ts";
import { type ConnectionOptions, Network } from "../../src/index.ts";
import { FaultWire } from "../fault-wire.ts";

const DEFAULTS = {
  health: {
    check: undefined,
    intervalMs: 60_000,
    failingIntervalMs: 5_000,
    timeoutMs: 5_000,
    unhealthyAfter: 3,
    healthyAfter: 2,
    replace: true,
  },
  sampleIntervalMs: undefined,
  staleMs: Infinity,
};

test("without options, with empty ones and with true it is the defaults", () => {
  for (const given of [{}, { health: true }, { health: {} }, { quality: {} }]) {
    expect(completeVitals(given, "realtime", () => {})).toEqual({ ...DEFAULTS, profile: "realtime" });
  }
  expect(completeVitals({}, "rpc", () => {}).profile).toBe("rpc");
  expect(completeVitals({ health: false }, "rpc", () => {}).health).toBeUndefined();
});

test("what is given counts, and the caller's objects stay as they are", () => {
  const check = (): void => {};
  const given = Object.freeze({
    health: Object.freeze({ check, intervalMs: 1_000, unhealthyAfter: 1, replace: false }),
    quality: Object.freeze({ profile: "rpc" as const, sampleIntervalMs: 250, staleMs: 9_000 }),
  });
  expect(completeVitals(given, "realtime", () => {})).toEqual({
    health: { ...DEFAULTS.health, check, intervalMs: 1_000, unhealthyAfter: 1, replace: false },
    profile: "rpc",
    sampleIntervalMs: 250,
    staleMs: 9_000,
  });
});

test.each<[object, string]>([
  [{ health: "yes" }, 'health is "yes": give an object'],
  [{ health: null }, "health is null: give an object"],
  [{ health: { interval: 5 } }, 'unknown option "health.interval": did you mean'],
  [{ health: { intervalMs: 0 } }, "health.intervalMs is 0: give an integer from 1 to 2147483647"],
  [{ health: { intervalMs: Number.NaN } }, "health.intervalMs is NaN"],
  [{ health: { intervalMs: "60s" } }, 'health.intervalMs is "60s"'],
  [{ health: { intervalMs: 2 ** 31 } }, "health.intervalMs is 2147483648"],
  [{ health: { failingIntervalMs: -1 } }, "health.failingIntervalMs is -1"],
  [{ health: { timeoutMs: Infinity } }, "health.timeoutMs is Infinity"],
  [{ health: { unhealthyAfter: 0 } }, "health.unhealthyAfter is 0: give a positive integer"],
  [{ health: { healthyAfter: 1.5 } }, "health.healthyAfter is 1.5"],
  [{ health: { replace: "no" } }, 'health.replace is "no": give true or false'],
  [{ health: { check: "dail" } }, 'health.check is "dail": give "dial"'],
  [{ health: { check: 7 } }, "health.check is 7: give an object"],
  [{ health: { check: { send: "ping" } } }, "health.check.expect is undefined: give text or bytes"],
  [{ health: { check: { send: 1, expect: "pong" } } }, "health.check.send is 1: give text or bytes"],
  [{ health: { check: { send: "ping", expect: "pong", every: 1 } } }, 'unknown option "health.check.every"'],
  [{ quality: true }, "quality is true: give an object"],
  [{ quality: { profil: "rpc" } }, 'unknown option "quality.profil": did you mean "profile"?'],
  [{ quality: { profile: "real-time" } }, 'quality.profile is "real-time": did you mean "realtime"?'],
  [{ quality: { sampleIntervalMs: 0 } }, "quality.sampleIntervalMs is 0"],
  [{ quality: { staleMs: -5 } }, "quality.staleMs is -5"],
])("%o is refused at the call: %s", async (options, message) => {
  await using network = new Network({ protocols: [new FaultWire()] });
  expect(() => network.connection("fault://there", options as ConnectionOptions)).toThrow(message);
  await expect(network.connect("fault://there", options as ConnectionOptions)).rejects.toMatchObject({
    code: "invalid-argument",
  });
  expect(network.inspect().connections).toEqual([]);
});

test.each<[unknown, string]>([
  ["dial", 'check is "dial": give an object'],
  [{ path: 7 }, 'check.path is 7: give a path, such as "/health"'],
  [{ path: "/", method: 1 }, 'check.method is 1: give a method, such as "GET"'],
  [{ path: "/", status: "200" }, 'check.status is "200"'],
  [{ path: "/", status: [200, 0] }, "check.status is 0"],
  [{ path: "/", expect: "ok" }, 'unknown option "check.expect"'],
])("of an exchanger, %o is refused: %s", (check, message) => {
  expect(() => checkExchangerCheck("check", check as never)).toThrow(message);
});

test("what is a check of an exchanger passes", () => {
  for (const check of [() => {}, { path: "/health" }, { path: "/", method: "HEAD", status: [200, 204] }]) {
    expect(() => checkExchangerCheck("check", check)).not.toThrow();
  }
});
