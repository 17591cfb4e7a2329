import type { PolywireError } from "../contract/error.ts";
import type { Link } from "../contract/link.ts";
import type { Health } from "../health/health-record.ts";
import type { Quality } from "../quality/quality-meter.ts";
import type { Connection } from "./connection.ts";
import type { LinkKeeper } from "./link-keeper.ts";
import type { ConnectionState } from "./states.ts";
import type { TimelineEntry } from "./timeline.ts";

/** Why a connection is where it is: plain data for programs. As a string it is a tree of lines. */
export interface Explanation {
  readonly id: string;
  readonly endpoint: string;
  readonly protocol: string;
  readonly state: ConnectionState;
  readonly health: Health;
  readonly quality: Quality;
  /** Links there have been. */
  readonly generation: number;
  /** Dials that failed since a link was last up for long. */
  readonly failures: number;
  readonly lastError: PolywireError | undefined;
  /** The last things that happened, oldest first. */
  readonly timeline: readonly TimelineEntry[];
  /** Earlier ones, which are not kept. */
  readonly forgotten: number;
  toString(): string;
}

export function explanationOf<L extends Link>(connection: Connection, keeper: LinkKeeper<L>): Explanation {
  const { health, quality } = connection;
  const { state, generation, failures, lastError, timeline } = keeper;
  const nowMs = keeper.now();
  return {
    id: connection.id,
    endpoint: connection.endpoint.display,
    protocol: connection.place.protocol,
    state,
    health,
    quality,
    generation,
    failures,
    lastError,
    timeline: timeline.entries,
    forgotten: timeline.forgotten,
    toString() {
      return explanationText(this, nowMs);
    },
  };
}

function explanationText(explanation: Explanation, nowMs: number): string {
  const { id, endpoint, protocol, state, health, quality } = explanation;
  const { generation, failures, lastError, timeline, forgotten } = explanation;
  const facts = [
    `endpoint: ${endpoint}`,
    `protocol: ${protocol}`,
    `state: ${state}`,
    `health: ${healthText(health)}`,
    `quality: ${qualityText(quality)}`,
    `links so far: ${generation}`,
    ...(failures === 0 ? [] : [`failures in a row: ${failures}`]),
    ...(lastError === undefined ? [] : [`last error: ${lastError.code}: ${lastError.message}`]),
    ...(forgotten === 0 ? [] : [`earlier events, not kept: ${forgotten}`]),
  ];
  const events = timeline.map(({ atMs, what, detail }) => {
    return `${(nowMs - atMs).toFixed(1)} ms ago: ${what}${detail === undefined ? "" : ` (${detail})`}`;
  });
  return [`connection ${id}`, ...branches([...facts, "timeline"], ""), ...branches(events, "    ")].join("\n");
}

function healthText({ status, failures, error }: Health): string {
  if (failures === 0 || error === undefined) return status;
  return `${status} (checks that failed in a row: ${failures}, the last one: ${error.code}: ${error.message})`;
}

/** `good (score 74, worst: jitter; round trip 31.2 ms, jitter 40.1 ms, loss 0.0 %; 12 samples)` */
function qualityText({ level, score, worst, roundTripMs, jitterMs, loss, errors, samples }: Quality): string {
  if (samples === 0) return level;
  const verdict = [
    ...(score === undefined ? [] : [`score ${Math.round(score)}`]),
    ...(worst ? [`worst: ${worst}`] : []),
  ];
  const inputs = [
    ...(roundTripMs === undefined ? [] : [`round trip ${roundTripMs.toFixed(1)} ms`]),
    `jitter ${jitterMs.toFixed(1)} ms`,
    ...(errors > 0 ? [`errors ${percent(errors)}`] : [`loss ${percent(loss)}`]),
  ];
  const known = [verdict.join(", "), inputs.join(", "), `${samples} samples`];
  return `${level} (${known.filter((part) => part !== "").join("; ")})`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function branches(lines: readonly string[], indent: string): readonly string[] {
  return lines.map((line, index) => `${indent}${index === lines.length - 1 ? "└──" : "├──"} ${line}`);
}
