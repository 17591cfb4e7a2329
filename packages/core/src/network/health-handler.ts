import type { Exchange } from "../contract/exchange.ts";
import { checkCountOption } from "../wire/option-checks.ts";
import type { HealthEntry, HealthReport, HealthReportOptions } from "./health-report.ts";
import type { Handler } from "./reception.ts";

export interface HealthHandlerOptions extends HealthReportOptions {
  /** Most peers that are listed, the worst first. 100. */
  readonly maxEntries?: number;
}

interface Reporting {
  health(options?: HealthReportOptions): HealthReport;
}

const HEADERS: ReadonlyMap<string, string> = new Map([
  ["content-type", "application/health+json"],
  ["cache-control", "no-store"],
]);

/**
 * Serves how a network is, for load balancers and people: 200 while the verdict is `pass` or `warn`, 503 on `fail`, with a body
 * of `application/health+json` (draft-inadarei-api-health-check-06, which expired without becoming an RFC). Whoever can ask it
 * sees the endpoints that are dialled: listen at an internal address.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function healthHandler(network: Reporting, options: HealthHandlerOptions = {}): Handler {
  const { maxEntries = 100, ...report } = options;
  checkCountOption("maxEntries", maxEntries);
  return {
    exchange: (exchange: Exchange): void => {
      const { method } = exchange;
      if (method !== "GET" && method !== "HEAD") {
        return exchange.respond({ status: 405, headers: new Map([["allow", "GET, HEAD"]]) });
      }
      const { verdict, reason, entries } = network.health(report);
      const body = { status: verdict, output: reason, checks: checksOf(entries.slice(0, maxEntries)) };
      exchange.respond({ status: verdict === "fail" ? 503 : 200, headers: HEADERS }, JSON.stringify(body));
    },
  };
}

/** By component and what was measured, as the draft has it. */
function checksOf(entries: readonly HealthEntry[]): Readonly<Record<string, readonly object[]>> {
  const checks = new Map<string, object[]>();
  for (const { id, kind, endpoint, status, verdict, error } of entries) {
    const key = `${endpoint}:health`;
    const check = { componentId: id, componentType: kind, observedValue: status, status: verdict, output: error };
    const others = checks.get(key);
    if (others === undefined) checks.set(key, [check]);
    else others.push(check);
  }
  return Object.fromEntries(checks);
}
