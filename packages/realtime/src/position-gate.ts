import type { Position } from "@polywire/core";

/**
 * What to do with a live publication: deliver it, drop it because the subscriber already has it, or give up, because
 * something before it is missing (`insufficient`).
 */
export type Verdict = "deliver" | "drop" | "insufficient";

/**
 * Judges a live publication against what a subscriber has. Clients notice neither gaps nor repeats, so this is the only
 * place that does. A subscriber whose epoch is still empty takes the publication's.
 */
export function judge(known: Position, offset: number, epoch: string | undefined): Verdict {
  if (epoch !== known.epoch && known.epoch !== "") return "insufficient";
  if (offset > known.offset + 1) return "insufficient";
  return offset <= known.offset ? "drop" : "deliver";
}
