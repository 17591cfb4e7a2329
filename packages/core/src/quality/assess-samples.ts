import { levelOf, type QualityProfile } from "./levels.ts";
import { LEAST_SAMPLES, type Quality, UNKNOWN_QUALITY } from "./quality-meter.ts";
import { RoundTrip } from "./round-trip.ts";
import { realtimeScore, requestScore, slownessOf } from "./scores.ts";

/**
 * Judges a series that was measured one after the other: round trips in milliseconds, `undefined` for each question without an
 * answer. All count the same, however old; fewer than three say nothing.
 */
export function assessSamples(roundTripsMs: readonly (number | undefined)[], profile: QualityProfile): Quality {
  const answers = roundTripsMs.filter((roundTripMs) => roundTripMs !== undefined);
  const samples = roundTripsMs.length;
  if (samples === 0) return UNKNOWN_QUALITY;
  const roundTrip = new RoundTrip();
  for (const answer of answers) roundTrip.sample(answer);
  const missing = (samples - answers.length) / samples;
  const { smoothedMs, jitterMs } = roundTrip;
  const isRequests = profile === "rpc";
  const measured = {
    roundTripMs: smoothedMs,
    jitterMs,
    loss: isRequests ? 0 : missing,
    errors: isRequests ? missing : 0,
    samples,
  };
  if (samples < LEAST_SAMPLES) return { level: "unknown", score: undefined, worst: undefined, ...measured };
  const { score, worst } = isRequests
    ? requestScore(meanSlowness(answers) * (1 - missing), missing)
    : realtimeScore({ roundTripMs: smoothedMs ?? 0, jitterMs, loss: missing });
  return { level: levelOf(profile, score), score, worst, ...measured };
}

function meanSlowness(answers: readonly number[]): number {
  const leastMs = Math.min(...answers);
  const total = answers.reduce((sum, tookMs) => sum + slownessOf(tookMs, leastMs), 0);
  return answers.length === 0 ? 0 : total / answers.length;
}
