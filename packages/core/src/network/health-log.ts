import type { LogFields, LogLevel } from "../contract/log.ts";
import type { HealthChange } from "../health/health-record.ts";

/** How loudly a change of health is written down. */
export function healthLevel({ to }: HealthChange): LogLevel {
  return to === "unhealthy" ? "warn" : "debug";
}

export function healthFields({ from, to, cause, error }: HealthChange): LogFields {
  return { from, to, cause, ...(error !== undefined && { error: error.message }) };
}
