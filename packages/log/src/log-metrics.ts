import type { MetricFamily } from "@polywire/core";
import type { LogStats } from "./logger.ts";

/** What became of the events logged, as figures beside those of a network. */
export function logFamilies({ written, dropped, repeated }: LogStats): MetricFamily[] {
  const results = Object.entries({ written, dropped, repeated });
  return [
    {
      name: "polywire.log.events",
      description: "Events written, dropped because they could not be, and left out because they came too often.",
      unit: "{event}",
      kind: "counter",
      points: results.map(([result, value]) => ({ attributes: { "polywire.log.result": result }, value })),
    },
  ];
}
