import type { PolywireError } from "../contract/error.ts";
import type { Link } from "../contract/link.ts";
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
  const { state, generation, failures, lastError, timeline } = keeper;
  const nowMs = keeper.now();
  return {
    id: connection.id,
    endpoint: connection.endpoint.display,
    protocol: connection.place.protocol,
    state,
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
  const { id, endpoint, protocol, state, generation, failures, lastError, timeline, forgotten } = explanation;
  const facts = [
    `endpoint: ${endpoint}`,
    `protocol: ${protocol}`,
    `state: ${state}`,
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

function branches(lines: readonly string[], indent: string): readonly string[] {
  return lines.map((line, index) => `${indent}${index === lines.length - 1 ? "└──" : "├──"} ${line}`);
}
