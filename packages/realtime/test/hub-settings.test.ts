import { PolywireError, systemClock } from "@polywire/core";
import { describe, expect, it } from "vitest";
import { completeHubOptions } from "../src/hub-settings.ts";
import type { HubOptions } from "../src/index.ts";
import { MemoryBroker } from "../src/memory-broker.ts";

function messageOf(options: unknown): string {
  try {
    completeHubOptions(options as HubOptions);
  } catch (thrown) {
    expect(PolywireError.is(thrown) && thrown.code).toBe("invalid-argument");
    return (thrown as PolywireError).message;
  }
  throw new Error("nothing was thrown");
}

describe("hub settings", () => {
  it("are complete without any option", () => {
    const settings = completeHubOptions();
    expect(settings).toMatchObject({
      channels: [{ match: "*" }],
      limits: {
        sessions: 10_000,
        sessionsPerUser: 10,
        channelsPerSession: 128,
        channelNameBytes: 255,
        subscribersPerChannel: 1_000,
        publicationBytes: 1_048_576,
        outboundBytesPerSession: 4_194_304,
        historyBytesPerChannel: 16_777_216,
        historyPageSize: 300,
        recoverySize: 300,
        presenceMembers: 1_000,
        joinLeaveMembers: 100,
        jsonDepth: 1_024,
        connectTimeoutMs: 10_000,
        hookTimeoutMs: 5_000,
      },
      pings: { intervalMs: 25_000, timeoutMs: 8_000 },
      version: "",
      authenticate: undefined,
      authorize: undefined,
      receive: undefined,
      logger: undefined,
      clock: systemClock,
      random: undefined,
    });
    expect(settings.broker).toBeInstanceOf(MemoryBroker);
    expect(settings.procedures.size).toBe(0);
  });

  it("take what is given over the defaults, and leave it as it was", () => {
    const authenticate = (): { user: string } => ({ user: "42" });
    const procedure = (): Uint8Array => new Uint8Array();
    const broker = new MemoryBroker();
    const options = Object.freeze({
      limits: Object.freeze({ sessions: 5, jsonDepth: undefined as unknown as number }),
      pings: Object.freeze({ intervalMs: 10_000 }),
      procedures: Object.freeze({ add: procedure }),
      version: "1.2.3",
      authenticate,
      broker,
    });
    const settings = completeHubOptions(options);
    expect(settings.limits).toMatchObject({ sessions: 5, jsonDepth: 1_024 });
    expect(settings.pings).toEqual({ intervalMs: 10_000, timeoutMs: 5_000 });
    expect(settings.procedures.get("add")).toBe(procedure);
    expect(settings.procedures.get("toString")).toBe(undefined);
    expect(settings).toMatchObject({ version: "1.2.3", authenticate });
    expect(settings.broker).toBe(broker);
  });

  it("take pings that are turned off, and fast ones", () => {
    expect(completeHubOptions({ pings: { intervalMs: 0 } }).pings.intervalMs).toBe(0);
    expect(completeHubOptions({ pings: { intervalMs: 1_000, timeoutMs: 500 } }).pings).toEqual({
      intervalMs: 1_000,
      timeoutMs: 500,
    });
  });

  it.each<[string, unknown, string]>([
    ["no object", null, "the hub's options is null: give an object"],
    ["an unknown option", { chanels: [] }, 'unknown option "chanels": did you mean "channels"?'],
    ["an unknown limit", { limits: { session: 1 } }, 'unknown option "limits.session": did you mean "sessions"?'],
    ["a key of every object", { limits: { constructor: 1 } }, 'unknown option "limits.constructor"'],
    ["a limit of 0", { limits: { sessions: 0 } }, "limits.sessions is 0: give a positive integer"],
    ["a negative limit", { limits: { jsonDepth: -1 } }, "limits.jsonDepth is -1"],
    ["a limit that is no number", { limits: { sessions: "5" } }, 'limits.sessions is "5"'],
    ["a limit of NaN", { limits: { sessions: Number.NaN } }, "limits.sessions is NaN"],
    ["no limit at all", { limits: { sessions: Number.POSITIVE_INFINITY } }, "limits.sessions is Infinity"],
    ["half a limit", { limits: { sessions: 1.5 } }, "limits.sessions is 1.5"],
    [
      "a timeout no timer keeps",
      { limits: { hookTimeoutMs: 2 ** 31 } },
      "limits.hookTimeoutMs is 2147483648: give an integer from 1 to 2147483647",
    ],
    ["limits that are none", { limits: 5 }, "limits is 5: give an object"],
    ["an unknown ping option", { pings: { interval: 5 } }, 'unknown option "pings.interval"'],
    [
      "pings of half seconds",
      { pings: { intervalMs: 1_500 } },
      "pings.intervalMs is 1500: give whole seconds, or 0 for no pings",
    ],
    ["negative pings", { pings: { intervalMs: -1_000 } }, "pings.intervalMs is -1000"],
    ["pings of NaN", { pings: { intervalMs: Number.NaN } }, "pings.intervalMs is NaN"],
    [
      "pongs as late as pings",
      { pings: { intervalMs: 5_000, timeoutMs: 5_000 } },
      "pings.timeoutMs is 5000: give less than pings.intervalMs, which is 5000",
    ],
    ["pongs at once", { pings: { timeoutMs: 0 } }, "pings.timeoutMs is 0"],
    ["a hook that is none", { authenticate: true }, "authenticate is true: give a function"],
    ["a procedure that is none", { procedures: { add: 1 } }, "procedures.add is 1: give a function"],
    ["procedures in a list", { procedures: [] }, "procedures is an array: give an object"],
    ["a version that is none", { version: 1 }, "version is 1: give a string"],
    ["a random that is none", { random: 4 }, "random is 4: give a function"],
  ])("refuse %s", (_name, options, message) => {
    expect(messageOf(options)).toContain(message);
  });
});
