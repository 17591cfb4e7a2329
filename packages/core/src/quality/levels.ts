/**
 * How good the network is, for people and programs that have to decide something. `unknown`: too little was measured, or
 * there is no link.
 */
export type QualityLevel = "unknown" | "excellent" | "good" | "fair" | "poor" | "critical";

/** By what a score is judged: `realtime` by delay, jitter and loss, `rpc` by how long requests take and how many fail. */
export type QualityProfile = "realtime" | "rpc";

type KnownLevel = Exclude<QualityLevel, "unknown">;

/** From the best to the worst. */
const ORDER: readonly KnownLevel[] = ["excellent", "good", "fair", "poor", "critical"];

/** The least score of each level but the last: ITU-T G.107's bands, and those of Apdex. */
const LEAST_SCORES: Readonly<Record<QualityProfile, readonly number[]>> = {
  realtime: [80, 70, 60, 50],
  rpc: [94, 85, 70, 50],
};

/** @param score 0 to 100. */
export function levelOf(profile: QualityProfile, score: number): KnownLevel {
  const index = LEAST_SCORES[profile].findIndex((least) => score >= least);
  return ORDER[index === -1 ? ORDER.length - 1 : index] as KnownLevel;
}

/** Whether one is worse than the other; `unknown` is better than nothing and worse than nothing. */
export function isWorse(level: QualityLevel, than: QualityLevel): boolean {
  return rank(level) > rank(than);
}

export function worseOf(one: QualityLevel, other: QualityLevel): QualityLevel {
  return isWorse(other, one) ? other : one;
}

function rank(level: QualityLevel): number {
  return level === "unknown" ? -1 : ORDER.indexOf(level);
}
