import type { Problem } from "./problem.ts";
import type { ChannelConfig } from "./schema.ts";

const SYSTEM_NAMES = ["connections", "channels", "health", "log"].map((name) => `$system:${name}`);

/** What goes with a channel of the system's: nothing but who may subscribe. */
const OTHERS: readonly (keyof ChannelConfig)[] = [
  "history",
  "recovery",
  "delta",
  "compaction",
  "tagsFilter",
  "presence",
  "joinLeave",
];

/** What is wrong with a rule for the system's own channels, or with one that would be for them and is not. */
export function findSystemChannelProblem(key: string, channel: ChannelConfig, hasJudge: boolean): Problem | undefined {
  const { match, kind, subscribe, publish } = channel;
  if (kind !== "system") {
    if (match.startsWith("$")) return { key: `${key}.match`, message: 'names that begin with $ need "kind: system"' };
    if (subscribe !== undefined) return { key: `${key}.subscribe`, message: "goes with kind: system alone" };
    return undefined;
  }
  if (!match.startsWith("$system:") || (!match.includes("*") && !SYSTEM_NAMES.includes(match))) {
    return { key: `${key}.match`, message: `must be one of ${SYSTEM_NAMES.join(", ")}, or "$system:*" for all` };
  }
  if (subscribe === undefined && !hasJudge) {
    const message = 'is missing: "clients" lets every client watch this server; else client.token has to say who may';
    return { key: `${key}.subscribe`, message };
  }
  const other = OTHERS.find((name) => channel[name] !== undefined && channel[name] !== false);
  if (other !== undefined) return { key: `${key}.${other}`, message: "does not go with kind: system" };
  return publish === "server" ? undefined : { key: `${key}.publish`, message: "must be server with kind: system" };
}

/** A rule that lets everybody watch. */
export function findSystemChannelDoubt(key: string, { kind, subscribe }: ChannelConfig): Problem | undefined {
  if (kind !== "system" || subscribe === undefined) return undefined;
  return { key: `${key}.subscribe`, message: "every client may watch this server's figures and its log" };
}
