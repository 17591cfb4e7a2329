import {
  type ChannelKind,
  checkBooleanOption,
  checkCountOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  PolywireError,
  wrongOption,
} from "@polywire/core";
import type { StreamOptions } from "./broker.ts";
import { fitsBytes } from "./channel-name.ts";
import { NamePattern } from "./name-pattern.ts";
import type { ChannelRule, HubLimits, OverflowPolicy } from "./options.ts";
import type { StandardSchema } from "./standard-schema.ts";
import { SYSTEM_PREFIX, SystemChannels } from "./system-channels.ts";

/** 30 days: how long the position of a stream that nobody uses is remembered. */
const DEFAULT_META_TTL_MS = 2_592_000_000;

const RULE_KEYS: readonly (keyof ChannelRule)[] = [
  "match",
  "kind",
  "publish",
  "data",
  "schema",
  "history",
  "recovery",
  "positioning",
  "overflow",
  "overflowKey",
  "maxSubscribers",
  "delta",
  "compaction",
  "tagsFilter",
  "presence",
  "joinLeave",
  "read",
];

const HISTORY_KEYS: readonly (keyof NonNullable<ChannelRule["history"]>)[] = ["size", "ttlMs", "metaTtlMs"];

const OVERFLOW_POLICIES: readonly OverflowPolicy[] = ["disconnect", "drop-oldest", "drop-newest", "keep-latest"];

/** What begins with this is the system's own. */
const SYSTEM_SIGN = "$";

/** What a rule says of its channels, complete. One object for all channels of a rule. */
export interface ChannelSettings {
  /** The rule's own pattern. */
  readonly match: string;
  readonly kind: ChannelKind;
  readonly publish: "server" | "subscribers" | "clients";
  readonly data: "json" | "binary";
  /** Absent: there are no offsets, and nothing is kept. */
  readonly stream: StreamOptions | undefined;
  /** Publications are kept: without it a stream is a position and nothing else. */
  readonly hasHistory: boolean;
  readonly schema: StandardSchema | undefined;
  readonly isRecoverable: boolean;
  /** The position of every subscriber is kept, whether it asks for that or not. */
  readonly isPositioned: boolean;
  readonly overflow: OverflowPolicy;
  readonly overflowKey: string | undefined;
  readonly maxSubscribers: number;
  /** Recovery gives the latest publication, to everyone who subscribes. */
  readonly isCache: boolean;
  readonly hasDelta: boolean;
  readonly isCompact: boolean;
  readonly hasTagsFilter: boolean;
  readonly hasPresence: boolean;
  readonly tellsJoinLeave: boolean;
  readonly read: "subscribers" | "clients";
  /** The users that the name lists after its last `#`, separated by commas: 42 and 43 for `dialog#42,43`. */
  usersOf(channel: string): readonly string[];
}

/** Which channels there are, and what each of them is: the first rule whose pattern fits a name decides. */
export class ChannelRules {
  /** Channels to which everyone is subscribed at connect. */
  readonly broadcastNames: readonly string[];
  readonly #exact = new Map<string, ChannelSettings>();
  readonly #patterns: { readonly pattern: NamePattern; readonly settings: ChannelSettings }[] = [];

  /** @throws PolywireError `invalid-argument` naming what is wrong: `channels[2].history.size`. */
  constructor(rules: readonly ChannelRule[], limits: HubLimits) {
    if (!Array.isArray(rules)) throw wrongOption("channels", rules, "give an array of rules");
    const earlier: NamePattern[] = [];
    const broadcastNames: string[] = [];
    for (const [index, rule] of rules.entries()) {
      const path = `channels[${index}]`;
      checkRule(path, rule, limits);
      const pattern = new NamePattern(rule.match);
      checkReachable(path, pattern, earlier);
      earlier.push(pattern);
      const settings = completeRule(rule, limits);
      if (pattern.hasStar) this.#patterns.push({ pattern, settings });
      else this.#exact.set(rule.match, settings);
      if (settings.kind === "broadcast") broadcastNames.push(rule.match);
    }
    this.broadcastNames = broadcastNames;
  }

  /** `undefined` when no rule covers the name, and for the system's own names, which begin with `$`. */
  find(channel: string): ChannelSettings | undefined {
    // No pattern before an exact name's rule fits it: such a rule would have been refused.
    const exact = this.#exact.get(channel);
    if (exact !== undefined) return exact;
    const isSystem = channel.startsWith(SYSTEM_SIGN);
    if (isSystem && !SystemChannels.has(channel)) return undefined;
    for (const { pattern, settings } of this.#patterns) {
      if (isSystem === (settings.kind === "system") && pattern.matches(channel)) return settings;
    }
    return undefined;
  }
}

function checkRule(path: string, rule: ChannelRule, limits: HubLimits): void {
  checkObjectOption(path, rule);
  checkOptionNames(path, rule, RULE_KEYS);
  const { match, kind, publish, data, history, recovery, delta, compaction, tagsFilter } = rule;
  const { presence, joinLeave, read, positioning, maxSubscribers } = rule;
  checkMatch(`${path}.match`, rule, limits);
  if (kind !== undefined) checkOneOfOption(`${path}.kind`, kind, ["public", "private", "broadcast", "system"]);
  if (publish !== undefined) checkOneOfOption(`${path}.publish`, publish, ["server", "subscribers", "clients"]);
  if (data !== undefined) checkOneOfOption(`${path}.data`, data, ["json", "binary"]);
  if (read !== undefined) checkOneOfOption(`${path}.read`, read, ["subscribers", "clients"]);
  for (const [name, value] of Object.entries({ compaction, tagsFilter, presence, joinLeave, positioning })) {
    if (value !== undefined) checkBooleanOption(`${path}.${name}`, value);
  }
  if (recovery !== undefined && recovery !== "cache" && typeof recovery !== "boolean") {
    throw wrongOption(`${path}.recovery`, recovery, 'give true, false or "cache"');
  }
  if (rule.schema !== undefined) checkSchema(`${path}.schema`, rule);
  if (delta !== undefined) checkOneOfOption(`${path}.delta`, delta, ["fossil"]);
  if (history !== undefined) checkHistory(`${path}.history`, history);
  if (recovery !== undefined && recovery !== false && history === undefined) {
    throw wrongOption(
      `${path}.recovery`,
      recovery,
      "there is nothing to recover without history: give the rule a history",
    );
  }
  if (maxSubscribers !== undefined) checkCountOption(`${path}.maxSubscribers`, maxSubscribers);
  checkOverflow(path, rule);
  if (kind === "system") checkSystem(path, rule);
  if (kind !== "broadcast") return;
  if (match.includes("*")) {
    throw wrongOption(
      `${path}.match`,
      match,
      "everyone is subscribed to a broadcast channel: give its full name, without *",
    );
  }
  if (publish !== undefined && publish !== "server") {
    throw wrongOption(
      `${path}.publish`,
      publish,
      'only the server publishes to a broadcast channel: leave it out, or give "server"',
    );
  }
}

function checkSystem(path: string, rule: ChannelRule): void {
  for (const name of RULE_KEYS) {
    if (name === "match" || name === "kind" || rule[name] === undefined) continue;
    throw wrongOption(
      `${path}.${name}`,
      rule[name],
      "a system channel has figures of now and nothing else: leave it out",
    );
  }
}

function checkOverflow(
  path: string,
  { overflow, overflowKey, recovery = false, positioning = false }: ChannelRule,
): void {
  if (overflow !== undefined) checkOneOfOption(`${path}.overflow`, overflow, OVERFLOW_POLICIES);
  if (overflowKey !== undefined && (typeof overflowKey !== "string" || overflowKey === "")) {
    throw wrongOption(`${path}.overflowKey`, overflowKey, "give the name of a tag");
  }
  if (overflowKey !== undefined && overflow !== "keep-latest") {
    throw wrongOption(`${path}.overflowKey`, overflowKey, 'it goes with overflow: "keep-latest" alone: leave it out');
  }
  if (overflow === undefined || overflow === "disconnect" || (recovery === false && !positioning)) return;
  const other = recovery === false ? "positioning" : "recovery";
  throw wrongOption(
    `${path}.overflow`,
    overflow,
    `a client of a channel with ${other} relies on missing nothing: leave out one of the two`,
  );
}

function checkSchema(path: string, { schema, data }: ChannelRule): void {
  const standard: unknown = schema?.["~standard"];
  if (typeof standard !== "object" || standard === null || !("validate" in standard)) {
    throw wrongOption(path, schema, "give a schema that follows the Standard Schema, such as one of Zod or Valibot");
  }
  if (data === "binary") throw wrongOption(path, schema, 'a schema is for JSON: leave out data: "binary"');
}

function checkMatch(path: string, { match, kind }: ChannelRule, { channelNameBytes }: HubLimits): void {
  if (typeof match !== "string" || match === "")
    throw wrongOption(path, match, "give a channel's name, or a pattern with *");
  if (!fitsBytes(match, channelNameBytes)) {
    throw wrongOption(path, match, `a name has ${channelNameBytes} bytes at most: give a shorter one`);
  }
  if (kind === "system") {
    if (match.startsWith(SYSTEM_PREFIX) && (match.includes("*") || SystemChannels.has(match))) return;
    throw wrongOption(path, match, "give the name of a system channel, such as $system:health, or $system:* for all");
  }
  if (match.startsWith(SYSTEM_SIGN))
    throw wrongOption(path, match, 'names that begin with $ are the system\'s: take another, or kind: "system"');
}

function checkHistory(path: string, history: NonNullable<ChannelRule["history"]>): void {
  checkObjectOption(path, history);
  checkOptionNames(path, history, HISTORY_KEYS);
  const { size, ttlMs, metaTtlMs } = history;
  checkCountOption(`${path}.size`, size);
  checkCountOption(`${path}.ttlMs`, ttlMs);
  if (metaTtlMs !== undefined) checkCountOption(`${path}.metaTtlMs`, metaTtlMs);
  if (ttlMs <= (metaTtlMs ?? DEFAULT_META_TTL_MS)) return;
  const given = metaTtlMs === undefined ? `30 days, ${DEFAULT_META_TTL_MS}, by default` : metaTtlMs;
  throw wrongOption(
    `${path}.ttlMs`,
    ttlMs,
    `publications are kept no longer than metaTtlMs (${given}): raise that too`,
  );
}

function checkReachable(path: string, pattern: NamePattern, earlier: readonly NamePattern[]): void {
  const isSystem = pattern.text.startsWith(SYSTEM_SIGN);
  const index = earlier.findIndex((one) => one.text.startsWith(SYSTEM_SIGN) === isSystem && one.includes(pattern));
  if (index === -1) return;
  const before = `channels[${index}] ("${earlier[index]?.text}")`;
  const because =
    pattern.text === earlier[index]?.text ? `${before} has the same match` : `${before} takes all its names`;
  throw new PolywireError(
    "invalid-argument",
    `${path}.match is "${pattern.text}": never reached, for ${because}; remove it or put it before`,
  );
}

function completeRule(rule: ChannelRule, limits: HubLimits): ChannelSettings {
  const { match, kind = "public", publish = "server", data = "json", history, read = "subscribers" } = rule;
  const { positioning = false, overflow = "disconnect", maxSubscribers = limits.subscribersPerChannel } = rule;
  return {
    match,
    kind,
    publish,
    data,
    stream: streamOf(rule, limits),
    hasHistory: history !== undefined,
    schema: rule.schema,
    isRecoverable: rule.recovery !== undefined && rule.recovery !== false,
    isPositioned: positioning,
    overflow,
    overflowKey: rule.overflowKey,
    maxSubscribers: kind === "broadcast" || kind === "system" ? Number.POSITIVE_INFINITY : maxSubscribers,
    isCache: rule.recovery === "cache",
    hasDelta: rule.delta !== undefined,
    isCompact: rule.compaction ?? false,
    hasTagsFilter: rule.tagsFilter ?? false,
    hasPresence: rule.presence ?? false,
    tellsJoinLeave: rule.joinLeave ?? false,
    read,
    usersOf,
  };
}

/** A channel with positions and no history has a stream that keeps nothing. */
function streamOf(
  { history, positioning = false }: ChannelRule,
  { historyBytesPerChannel }: HubLimits,
): StreamOptions | undefined {
  if (history === undefined && !positioning) return undefined;
  const { size = 0, ttlMs = 1, metaTtlMs = DEFAULT_META_TTL_MS } = history ?? {};
  return { size, ttlMs, metaTtlMs, maxBytes: historyBytesPerChannel };
}

const NO_USERS: readonly string[] = [];

function usersOf(channel: string): readonly string[] {
  const mark = channel.lastIndexOf("#");
  return mark === -1
    ? NO_USERS
    : channel
        .slice(mark + 1)
        .split(",")
        .filter((user) => user !== "");
}
