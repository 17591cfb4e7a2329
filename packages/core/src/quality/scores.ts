/** What spoils a score the most: measured (`rtt`, `jitter`, `loss`, `errors`), or a peer that takes nothing (`stall`) or says nothing (`silence`). */
export type QualityInput = "rtt" | "jitter" | "loss" | "errors" | "stall" | "silence";

export interface Score {
  /** 0 to 100. */
  readonly score: number;
  readonly worst: QualityInput;
}

export interface RealtimeInputs {
  readonly roundTripMs: number;
  readonly jitterMs: number;
  /** 0 to 1. */
  readonly loss: number;
}

/** A hundredth of loss costs so much: what speech without concealment feels (E-model, simplified). */
const LOSS_WEIGHT = 2.5;
/** From here on delay is felt, and costs more. */
const FELT_DELAY_MS = 160;

/** For conversations: the E-model of ITU-T G.107 in the simplified form that media servers use. */
export function realtimeScore({ roundTripMs, jitterMs, loss }: RealtimeInputs): Score {
  const byDelay = delayImpairment(roundTripMs / 2);
  const byJitter = delayImpairment(roundTripMs / 2 + 2 * jitterMs) - byDelay;
  const byLoss = LOSS_WEIGHT * 100 * loss;
  const score = Math.max(0, 100 - byDelay - byJitter - byLoss);
  return { score, worst: largest({ rtt: byDelay, jitter: byJitter, loss: byLoss }) };
}

/**
 * For requests: Apdex.
 *
 * @param slow the mean of 0 for a request that satisfied, a half for a tolerable one and 1 for one that was not.
 * @param failed the share of those that failed, which were neither.
 */
export function requestScore(slow: number, failed: number): Score {
  return { score: Math.max(0, 100 * (1 - slow - failed)), worst: failed > slow ? "errors" : "rtt" };
}

/** Apdex's T: so many times the fastest request, and this at the least. */
const LEAST_SATISFYING_MS = 50;
const SATISFYING_ROUND_TRIPS = 4;
/** In T, as Apdex has it. */
const TOLERABLE = 4;

/**
 * 0 for a request that satisfied, a half for one that was tolerable, 1 for one that was not.
 *
 * @param leastMs the fastest so far.
 */
export function slownessOf(tookMs: number, leastMs: number): number {
  const satisfyingMs = Math.max(LEAST_SATISFYING_MS, SATISFYING_ROUND_TRIPS * leastMs);
  if (tookMs <= satisfyingMs) return 0;
  return tookMs <= TOLERABLE * satisfyingMs ? 0.5 : 1;
}

function delayImpairment(delayMs: number): number {
  return delayMs <= FELT_DELAY_MS ? delayMs / 40 : (delayMs - 120) / 10;
}

function largest(costs: Readonly<Partial<Record<QualityInput, number>>>): QualityInput {
  let worst: QualityInput = "rtt";
  for (const [input, cost] of Object.entries(costs) as [QualityInput, number][]) {
    if (cost > (costs[worst] ?? 0)) worst = input;
  }
  return worst;
}
