import {
  type Clock,
  checkCountOption,
  checkFunctionOption,
  checkObjectOption,
  checkOptionNames,
  type Logger,
  MAX_DELAY_MS,
  type Random,
  systemClock,
  wrongOption,
} from "@polywire/core";
import type { Broker } from "./broker.ts";
import { MemoryBroker } from "./memory-broker.ts";
import type { ChannelRule, DrainOptions, HubLimits, HubOptions, PingOptions, Procedure } from "./options.ts";

/** A hub's options, complete. */
export interface HubSettings {
  readonly channels: readonly ChannelRule[];
  readonly broker: Broker;
  readonly limits: HubLimits;
  readonly pings: PingOptions;
  readonly draining: DrainOptions;
  readonly version: string;
  readonly nodeName: string;
  /** Absent: none. */
  readonly personalChannels: string | undefined;
  readonly authenticate: HubOptions["authenticate"] | undefined;
  readonly authorize: HubOptions["authorize"] | undefined;
  readonly publishing: HubOptions["publishing"] | undefined;
  readonly procedures: ReadonlyMap<string, Procedure>;
  readonly call: Procedure | undefined;
  readonly receive: HubOptions["receive"] | undefined;
  /** Absent: the network's. */
  readonly logger: Logger | undefined;
  readonly clock: Clock;
  /** Absent: the platform's, a cryptographic one where it must not be guessed. */
  readonly random: Random | undefined;
}

export const DEFAULT_HUB_LIMITS: HubLimits = {
  sessions: 10_000,
  sessionsPerUser: 10,
  sessionsPerAddress: undefined,
  channelsPerSession: 128,
  channelNameBytes: 255,
  subscribersPerChannel: 1_000,
  publicationBytes: 1_048_576,
  outboundBytesPerSession: 4_194_304,
  outboundBytes: 268_435_456,
  historyBytesPerChannel: 16_777_216,
  historyPageSize: 300,
  recoverySize: 300,
  presenceMembers: 1_000,
  joinLeaveMembers: 100,
  commandsPerSecond: undefined,
  publishesPerSecond: undefined,
  jsonDepth: 1_024,
  connectTimeoutMs: 10_000,
  hookTimeoutMs: 5_000,
  expiryGraceMs: 25_000,
};

const DEFAULT_PING_INTERVAL_MS = 25_000;
const DEFAULT_PONG_TIMEOUT_MS = 8_000;

const DEFAULT_DRAINING: DrainOptions = { sessionsPerSecond: 500, spreadMs: 20_000 };

const OPTION_KEYS: readonly (keyof HubOptions)[] = [
  "channels",
  "broker",
  "limits",
  "pings",
  "draining",
  "version",
  "nodeName",
  "personalChannels",
  "authenticate",
  "authorize",
  "publishing",
  "procedures",
  "call",
  "receive",
  "logger",
  "clock",
  "random",
];

/** The options that a hub takes while it runs. */
export type HubChanges = Pick<HubOptions, "channels" | "limits" | "draining" | "authenticate" | "authorize">;

const CHANGE_KEYS: readonly (keyof HubChanges)[] = ["channels", "limits", "draining", "authenticate", "authorize"];

/**
 * All optional in, complete out; the given object is not changed and not kept.
 *
 * @throws PolywireError `invalid-argument` naming the option that is unknown or wrong: `limits.jsonDepth`.
 */
export function completeHubOptions(options: HubOptions = {}): HubSettings {
  checkObjectOption("the hub's options", options);
  checkOptionNames("", options, OPTION_KEYS);
  const {
    channels = [{ match: "*" }],
    version = "",
    nodeName = "",
    personalChannels,
    authenticate,
    authorize,
    publishing,
    call,
    receive,
    logger,
    random,
  } = options;
  const { clock = systemClock } = options;
  for (const [name, value] of Object.entries({ authenticate, authorize, publishing, call, receive, random })) {
    if (value !== undefined) checkFunctionOption(name, value);
  }
  for (const [name, value] of Object.entries({ version, nodeName })) {
    if (typeof value !== "string") throw wrongOption(name, value, "give a string");
  }
  if (personalChannels !== undefined && (typeof personalChannels !== "string" || /[#*]|^$/.test(personalChannels))) {
    throw wrongOption("personalChannels", personalChannels, "give the name before the #, such as personal");
  }
  return {
    channels,
    limits: completeHubLimits(options.limits),
    pings: completePings(options.pings),
    draining: completeDraining(options.draining),
    version,
    nodeName,
    personalChannels,
    authenticate,
    authorize,
    publishing,
    call,
    procedures: completeProcedures(options.procedures),
    receive,
    logger,
    clock,
    random,
    broker: options.broker ?? new MemoryBroker(random === undefined ? { clock } : { clock, random }),
  };
}

/**
 * Those settings with what is given instead; what is not given is as if it had never been.
 *
 * @throws PolywireError `invalid-argument` naming the option that is unknown or wrong.
 */
export function changedHubSettings(before: HubSettings, changes: HubChanges): HubSettings {
  checkObjectOption("the hub's changes", changes);
  checkOptionNames("", changes, CHANGE_KEYS);
  const complete = completeHubOptions({ ...changes, broker: before.broker });
  const { channels, limits, draining, authenticate, authorize } = complete;
  return { ...before, channels, limits, draining, authenticate, authorize };
}

function completeHubLimits(given: Partial<HubLimits> = {}): HubLimits {
  checkObjectOption("limits", given);
  checkOptionNames("limits", given, Object.keys(DEFAULT_HUB_LIMITS));
  const limits: { -readonly [Name in keyof HubLimits]: HubLimits[Name] } = { ...DEFAULT_HUB_LIMITS };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    checkCountOption(`limits.${name}`, value, name.endsWith("Ms") ? MAX_DELAY_MS : undefined);
    limits[name as keyof HubLimits] = value;
  }
  return limits;
}

function completePings(given: Partial<PingOptions> = {}): PingOptions {
  checkObjectOption("pings", given);
  checkOptionNames("pings", given, ["intervalMs", "timeoutMs"] satisfies (keyof PingOptions)[]);
  const { intervalMs = DEFAULT_PING_INTERVAL_MS } = given;
  if (intervalMs === 0) return { intervalMs, timeoutMs: DEFAULT_PONG_TIMEOUT_MS };
  checkCountOption("pings.intervalMs", intervalMs, MAX_DELAY_MS);
  // Clients are told the interval in seconds.
  if (intervalMs % 1_000 !== 0)
    throw wrongOption("pings.intervalMs", intervalMs, "give whole seconds, or 0 for no pings");
  const { timeoutMs = Math.min(DEFAULT_PONG_TIMEOUT_MS, intervalMs / 2) } = given;
  checkCountOption("pings.timeoutMs", timeoutMs, MAX_DELAY_MS);
  if (timeoutMs < intervalMs) return { intervalMs, timeoutMs };
  throw wrongOption("pings.timeoutMs", timeoutMs, `give less than pings.intervalMs, which is ${intervalMs}`);
}

function completeDraining(given: Partial<DrainOptions> = {}): DrainOptions {
  checkObjectOption("draining", given);
  checkOptionNames("draining", given, Object.keys(DEFAULT_DRAINING));
  const { sessionsPerSecond, spreadMs } = { ...DEFAULT_DRAINING, ...given };
  checkCountOption("draining.sessionsPerSecond", sessionsPerSecond);
  checkCountOption("draining.spreadMs", spreadMs, MAX_DELAY_MS);
  return { sessionsPerSecond, spreadMs };
}

function completeProcedures(given: HubOptions["procedures"] = {}): ReadonlyMap<string, Procedure> {
  checkObjectOption("procedures", given);
  const procedures = new Map(Object.entries(given));
  for (const [name, procedure] of procedures) checkFunctionOption(`procedures.${name}`, procedure);
  return procedures;
}
