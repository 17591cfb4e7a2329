import { assessSamples, type Quality, type QualityProfile, type TimelineEntry } from "@polywire/core";
import type { Sample } from "./probe-samples.ts";

/** What a probe has measured so far. */
export interface Measured {
  readonly endpoint: string;
  readonly how: string;
  readonly profile: QualityProfile;
  readonly samples: readonly Sample[];
  readonly timeline: readonly TimelineEntry[];
}

/** The figures of a probe. */
export interface ProbeResult extends Omit<Quality, "samples" | "roundTripMs" | "errors"> {
  readonly endpoint: string;
  readonly how: string;
  readonly sent: number;
  readonly answered: number;
  /** In milliseconds; undefined without an answer. */
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly timeline: readonly { readonly atMs: number; readonly what: string; readonly detail?: string | undefined }[];
}

const BARS = "▁▂▃▄▅▆▇█";

export function resultOf({ endpoint, how, profile, samples, timeline }: Measured): ProbeResult {
  const roundTrips = samples.map(({ roundTripMs }) => roundTripMs);
  const answers = roundTrips.filter((roundTripMs) => roundTripMs !== undefined).toSorted((one, other) => one - other);
  const { level, score, worst, jitterMs } = assessSamples(roundTrips, profile);
  const [first] = timeline;
  return {
    endpoint,
    how,
    sent: samples.length,
    answered: answers.length,
    p50Ms: percentile(answers, 0.5),
    p95Ms: percentile(answers, 0.95),
    jitterMs,
    loss: samples.length === 0 ? 0 : 1 - answers.length / samples.length,
    level,
    score,
    worst,
    timeline: timeline.map(({ atMs, what, detail }) => ({ atMs: atMs - (first?.atMs ?? 0), what, detail })),
  };
}

/** `  3   0.42 ms` */
export function sampleText({ number, roundTripMs, error }: Sample): string {
  return `${String(number).padStart(3)}  ${roundTripMs === undefined ? `no answer: ${error}` : ms(roundTripMs).padStart(9)}`;
}

export function resultText(result: ProbeResult, samples: readonly Sample[] = []): string {
  const { endpoint, how, sent, answered, p50Ms, p95Ms, jitterMs, loss, level, score, worst, timeline } = result;
  const verdict = score === undefined ? level : `${level} (score ${score.toFixed(1)}, most costs: ${worst})`;
  return [
    `${endpoint} by ${how}: ${sent} asked, ${answered} answered, ${(100 * loss).toFixed(1)} % lost`,
    ...(p50Ms === undefined || p95Ms === undefined
      ? []
      : [`round trip: p50 ${ms(p50Ms)}, p95 ${ms(p95Ms)}, jitter ${ms(jitterMs)}`]),
    `quality: ${verdict}`,
    ...(samples.length === 0 ? [] : [curve(samples)]),
    timelineText(timeline),
  ].join("\n");
}

/** How a connection came about: each phase, and when it was over. */
export function timelineText(timeline: readonly ProbeResult["timeline"][number][]): string {
  const startMs = timeline[0]?.atMs ?? 0;
  const lines = timeline.map(({ atMs, what, detail }, index) => {
    const branch = index === timeline.length - 1 ? "└──" : "├──";
    return `${branch} +${ms(atMs - startMs)} ${what}${detail === undefined ? "" : ` (${detail})`}`;
  });
  return ["timeline", ...lines].join("\n");
}

/** One sign for each answer, as high as it took long; a cross for none. */
function curve(samples: readonly Sample[]): string {
  const largest = Math.max(...samples.map(({ roundTripMs = 0 }) => roundTripMs), 1);
  const signs = samples.map(({ roundTripMs }) => {
    if (roundTripMs === undefined) return "×";
    return BARS[Math.min(Math.floor((roundTripMs / largest) * BARS.length), BARS.length - 1)];
  });
  return `${signs.join("")} up to ${ms(largest)}`;
}

function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
