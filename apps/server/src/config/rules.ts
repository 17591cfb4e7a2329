import { findApiDoubts, findApiProblem } from "./api.ts";
import { findHookDoubts, findHookProblem } from "./hook-settings.ts";
import { findListenerDoubts, findListenerProblem } from "./listeners.ts";
import type { Problem } from "./problem.ts";
import type { ChannelConfig, ServerConfig } from "./schema.ts";
import { findSystemChannelDoubt, findSystemChannelProblem } from "./system-channels.ts";
import { findTokenDoubts, findTokenProblem } from "./token-keys.ts";

/** What no single value shows: keys that contradict one another. The first contradiction, if any. */
export function findContradiction(config: ServerConfig): Problem | undefined {
  return (
    findListenerProblem(config) ??
    findApiProblem(config) ??
    findTokenProblem(config) ??
    findHookProblem(config.hooks) ??
    findUnusedPrivacy(config) ??
    findPersonalContradiction(config) ??
    findUnreachableChannel(config.channels) ??
    findChannelContradiction(config) ??
    findLimitContradiction(config)
  );
}

/** What is allowed but probably not meant. */
export function findDoubts(config: ServerConfig): Problem[] {
  const doubts: Problem[] = [];
  if (config.client.allowedOrigins.includes("*")) {
    doubts.push({ key: "client.allowedOrigins", message: '"*" lets pages of any origin connect as their visitor' });
  }
  for (const [index, channel] of config.channels.entries()) {
    const doubt = findSystemChannelDoubt(`channels[${index}]`, channel);
    if (doubt !== undefined) doubts.push(doubt);
  }
  return [
    ...doubts,
    ...findListenerDoubts(config),
    ...findApiDoubts(config),
    ...findTokenDoubts(config.client),
    ...findHookDoubts(config.hooks),
  ];
}

function findUnreachableChannel(channels: readonly ChannelConfig[]): Problem | undefined {
  for (const [index, { match, kind }] of channels.entries()) {
    const key = `channels[${index}].match`;
    const earlier = channels
      .slice(0, index)
      .findIndex((other) => (other.kind === "system") === (kind === "system") && covers(other.match, match));
    if (earlier === -1) continue;
    const above = `channels[${earlier}].match ${JSON.stringify(channels[earlier]?.match)}`;
    if (channels[earlier]?.match === match) return { key, message: `${JSON.stringify(match)} is the same as ${above}` };
    return { key, message: `${JSON.stringify(match)} is never reached: ${above} takes all its names; put it first` };
  }
  return undefined;
}

/**
 * Whether every name that `narrow` matches is matched by `wide`. Since `*` is the only sign with a meaning, that is so
 * when `wide` matches `narrow` itself with the stars of `narrow` taken as letters that only a star matches.
 */
function covers(wide: string, narrow: string): boolean {
  let [w, n, lastStar, resume] = [0, 0, -1, 0];
  while (n < narrow.length) {
    if (wide[w] === "*") {
      [lastStar, resume] = [w, n];
      w += 1;
    } else if (wide[w] === narrow[n]) {
      w += 1;
      n += 1;
    } else if (lastStar !== -1) {
      resume += 1;
      [w, n] = [lastStar + 1, resume];
    } else {
      return false;
    }
  }
  while (wide[w] === "*") w += 1;
  return w === wide.length;
}

function findChannelContradiction(config: ServerConfig): Problem | undefined {
  const { channels } = config;
  for (const [index, channel] of channels.entries()) {
    const systemProblem = findSystemChannelProblem(`channels[${index}]`, channel, hasJudge(config));
    if (systemProblem !== undefined) return systemProblem;
    if (channel.recovery !== false && channel.history === undefined) {
      return {
        key: `channels[${index}].recovery`,
        message: "needs history: add history: { size, ttl }, or leave it out",
      };
    }
    if (channel.kind === "broadcast" && channel.match.includes("*")) {
      return { key: `channels[${index}].match`, message: "must be a name, without *: everyone is subscribed to it" };
    }
    if (channel.kind === "broadcast" && channel.publish !== "server") {
      return { key: `channels[${index}].publish`, message: "must be server, or left out: a broadcast is the server's" };
    }
    const overflow = findOverflowContradiction(channel);
    if (overflow !== undefined) return { ...overflow, key: `channels[${index}].${overflow.key}` };
    if (channel.joinLeave && !channel.presence) {
      return { key: `channels[${index}].joinLeave`, message: "needs presence: true" };
    }
  }
  return undefined;
}

/** Whether somebody says of single clients what they may. */
function hasJudge({ client, hooks }: ServerConfig): boolean {
  return client.token !== undefined || hooks?.connect !== undefined || hooks?.subscribe !== undefined;
}

function findUnusedPrivacy(config: ServerConfig): Problem | undefined {
  const index = config.channels.findIndex(({ kind }) => kind === "private");
  if (index === -1 || hasJudge(config)) return undefined;
  const message = '"private" needs client.token or hooks.subscribe: without them nobody could subscribe';
  return { key: `channels[${index}].kind`, message };
}

function findPersonalContradiction({ client, channels }: ServerConfig): Problem | undefined {
  const { personalChannels } = client;
  if (personalChannels === undefined || channels.some(({ match }) => covers(match, `${personalChannels}#*`))) {
    return undefined;
  }
  const message = `needs a rule for "${personalChannels}#*" among the channels, best of kind: private`;
  return { key: "client.personalChannels", message };
}

function findOverflowContradiction(channel: ChannelConfig): Problem | undefined {
  const { overflow, overflowKey, recovery, positioning } = channel;
  if (overflowKey !== undefined && overflow !== "keep-latest") {
    return { key: "overflowKey", message: "goes with overflow: keep-latest alone" };
  }
  if (overflow === "disconnect" || (recovery === false && !positioning)) return undefined;
  const other = recovery === false ? "positioning" : "recovery";
  return { key: "overflow", message: `${overflow} drops publications, and clients with ${other} rely on missing none` };
}

function findLimitContradiction({ client, limits, shutdown }: ServerConfig): Problem | undefined {
  if (shutdown.spreadMs > shutdown.timeoutMs) {
    return { key: "shutdown.spread", message: "must be shutdown.timeout at most" };
  }
  if (client.pongTimeoutMs >= client.pingIntervalMs) {
    return { key: "client.pongTimeout", message: "must be less than client.pingInterval" };
  }
  if (client.pingIntervalMs % 1_000 !== 0) {
    return { key: "client.pingInterval", message: "must be whole seconds" };
  }
  if (limits.totalQueueBytes < limits.queueBytes) {
    return { key: "limits.totalQueueBytes", message: "must be at least limits.queueBytes" };
  }
  if (limits.queueBytes < limits.messageBytes) {
    return {
      key: "limits.queueBytes",
      message: "must be at least limits.messageBytes, or no such message gets through",
    };
  }
  return undefined;
}
