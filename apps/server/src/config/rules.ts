import { findListenerDoubts, findListenerProblem } from "./listeners.ts";
import type { Problem } from "./problem.ts";
import type { ChannelConfig, ServerConfig } from "./schema.ts";

/** What no single value shows: keys that contradict one another. The first contradiction, if any. */
export function findContradiction(config: ServerConfig): Problem | undefined {
  return (
    findListenerProblem(config) ??
    findUnreachableChannel(config.channels) ??
    findChannelContradiction(config.channels) ??
    findLimitContradiction(config)
  );
}

/** What is allowed but probably not meant. */
export function findDoubts(config: ServerConfig): Problem[] {
  const doubts: Problem[] = [];
  if (config.client.allowedOrigins.includes("*")) {
    doubts.push({ key: "client.allowedOrigins", message: '"*" lets pages of any origin connect as their visitor' });
  }
  return [...doubts, ...findListenerDoubts(config)];
}

function findUnreachableChannel(channels: readonly ChannelConfig[]): Problem | undefined {
  for (const [index, { match }] of channels.entries()) {
    const key = `channels[${index}].match`;
    const earlier = channels.slice(0, index).findIndex((other) => covers(other.match, match));
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

function findChannelContradiction(channels: readonly ChannelConfig[]): Problem | undefined {
  for (const [index, channel] of channels.entries()) {
    if (channel.recovery !== false && channel.history === undefined) {
      return {
        key: `channels[${index}].recovery`,
        message: "needs history: add history: { size, ttl }, or leave it out",
      };
    }
    const overflow = findOverflowContradiction(channel);
    if (overflow !== undefined) return { ...overflow, key: `channels[${index}].${overflow.key}` };
    if (channel.joinLeave && !channel.presence) {
      return { key: `channels[${index}].joinLeave`, message: "needs presence: true" };
    }
  }
  return undefined;
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

function findLimitContradiction({ client, limits }: ServerConfig): Problem | undefined {
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
