import type { ApiBench } from "./api-bench.ts";

/** For the benches of {@link SAMPLES}. */
export const SAMPLE_CHANNELS = [
  { match: "kept:*", history: { size: 100, ttlMs: 60_000 }, recovery: true, presence: true },
  { match: "news" },
] as const;

/** One request for each method, with every field that it can have together. */
export const SAMPLES: Readonly<Record<string, object>> = {
  publish: {
    channel: "kept:a",
    data: { text: "ünïcode" },
    skip_history: false,
    tags: { a: "b", empty: "" },
    idempotency_key: "k",
    delta: true,
    version: 5,
    version_epoch: "e",
  },
  broadcast: { channels: ["kept:a", "news", "other"], data: [1], tags: { a: "b" }, skip_history: true },
  subscribe: {
    user: "",
    client: "nobody",
    channel: "kept:a",
    info: { role: "admin" },
    data: { why: "api" },
    expire_at: 1_900_000_000,
    recover_since: { offset: 1, epoch: "e" },
    override: { force_recovery: { value: true }, force_positioning: { value: false } },
  },
  unsubscribe: { user: "42", client: "nobody", channel: "kept:a" },
  disconnect: { user: "42", whitelist: ["a", "b"], disconnect: { code: 4_000, reason: "bye" } },
  refresh: { user: "42", expired: false, expire_at: 1_900_000_000, info: [1] },
  presence: { channel: "kept:a" },
  presence_stats: { channel: "kept:a" },
  history: { channel: "kept:a", limit: -1, since: { offset: 1 }, reverse: false },
  history_remove: { channel: "kept:b" },
  channels: { pattern: "kept:*" },
  info: {},
  batch: {
    commands: [
      { publish: { channel: "news", data: 1 } },
      { history: { channel: "kept:a", limit: 1, reverse: true } },
      { presence: { channel: "news" } },
      { broadcast: { channels: ["news"], data: 1 } },
    ],
    parallel: true,
  },
};

/** What the samples find: a client in a channel, and what was published there. */
export async function settle(bench: ApiBench): Promise<void> {
  await bench.subscribe("json", "kept:a");
  for (const data of [1, { a: 2 }]) await bench.hub.publish("kept:a", data, { tags: { n: "1" } });
}
