import type { Health, HealthStatus } from "../health/health-record.ts";
import type { NetworkSnapshot } from "./network.ts";

/** `pass`: all is well. `warn`: it works, but somebody should look. `fail`: something that is needed does not work. */
export type HealthVerdict = "pass" | "warn" | "fail";

/** One peer: of a dialled connection, or of an exchanger. */
export interface HealthEntry {
  readonly id: string;
  readonly kind: "connection" | "exchanger";
  readonly protocol: string;
  readonly endpoint: string;
  readonly status: HealthStatus;
  readonly verdict: HealthVerdict;
  /** What was wrong with its last check. */
  readonly error: string | undefined;
}

export interface HealthReport {
  readonly verdict: HealthVerdict;
  /** Why, as a phrase. */
  readonly reason: string;
  /** The worst first. */
  readonly entries: readonly HealthEntry[];
}

export interface HealthReportOptions {
  /** Whether the program can do without the peer: then its end is a warning. None by default. */
  readonly optional?: (entry: Omit<HealthEntry, "verdict">) => boolean;
}

const VERDICTS: Readonly<Record<HealthStatus, HealthVerdict>> = {
  healthy: "pass",
  unknown: "pass",
  degraded: "warn",
  draining: "warn",
  unhealthy: "fail",
};
const WORST_FIRST: readonly HealthVerdict[] = ["fail", "warn", "pass"];

/** How everything is that a network dialled. What was accepted is the peer's business. */
export function healthReport(
  { state, connections, exchangers }: NetworkSnapshot,
  { optional = () => false }: HealthReportOptions = {},
): HealthReport {
  const judge = (kind: HealthEntry["kind"], of: Placed): HealthEntry => {
    const { id, protocol, endpoint, health } = of;
    const entry = { id, kind, protocol, endpoint, status: health.status, error: health.error?.message };
    const verdict = VERDICTS[entry.status];
    return { ...entry, verdict: verdict === "fail" && optional(entry) ? "warn" : verdict };
  };
  const dialled = connections.filter(({ direction }) => direction === "dialled");
  const entries = [
    ...dialled.map((connection) => judge("connection", connection)),
    ...exchangers.map((exchanger) => judge("exchanger", exchanger)),
  ].sort((one, other) => WORST_FIRST.indexOf(one.verdict) - WORST_FIRST.indexOf(other.verdict));
  if (state !== "open") return { verdict: "fail", reason: `the network is ${state}`, entries };
  const verdict = entries[0]?.verdict ?? "pass";
  return { verdict, reason: reasonOf(verdict, entries), entries };
}

interface Placed {
  readonly id: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly health: Health;
}

function reasonOf(verdict: HealthVerdict, entries: readonly HealthEntry[]): string {
  if (verdict === "pass")
    return entries.length === 0 ? "nothing is dialled" : `${entries.length} of ${entries.length} well`;
  const worst = entries.filter((entry) => entry.verdict === verdict);
  const [first] = worst as [HealthEntry];
  const others = worst.length === 1 ? "" : `, and ${worst.length - 1} more`;
  return `${first.kind} to ${first.endpoint} is ${first.status}${others}`;
}
