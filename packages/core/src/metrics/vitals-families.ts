import type { HealthStatus } from "../health/health-record.ts";
import type { QualityLevel } from "../quality/levels.ts";
import type { MetricFamily } from "./family.ts";
import { Tally } from "./tally.ts";

/** What is known of one peer. */
export interface PeerVitals {
  readonly protocol: string;
  readonly health: { readonly status: HealthStatus };
  readonly quality: { readonly level: QualityLevel };
}

/** How many peers are how well, of what was dialled. */
export function vitalsFamilies(of: "connection" | "exchanger", peers: Iterable<PeerVitals>): MetricFamily[] {
  const byHealth = new Tally();
  const byQuality = new Tally();
  for (const { protocol, health, quality } of peers) {
    byHealth.add(protocol, health.status);
    byQuality.add(protocol, quality.level);
  }
  const named = of === "connection" ? "Connections that were dialled" : "Exchangers";
  return [
    {
      name: `polywire.${of}.health`,
      description: `${named}, by the health of their peers.`,
      unit: `{${of}}`,
      kind: "gauge",
      points: byHealth.points((protocol, status) => ({
        "network.protocol.name": protocol,
        "polywire.health.status": status,
      })),
    },
    {
      name: `polywire.${of}.quality`,
      description: `${named}, by how good their network is.`,
      unit: `{${of}}`,
      kind: "gauge",
      points: byQuality.points((protocol, level) => ({
        "network.protocol.name": protocol,
        "polywire.quality.level": level,
      })),
    },
  ];
}
