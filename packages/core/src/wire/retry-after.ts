import type { Headers } from "../contract/exchange.ts";

/**
 * What a peer says of another attempt: milliseconds to wait before it, Infinity if there should be none, nothing if it says
 * nothing. Read are `Retry-After` (RFC 9110, section 10.2.3: seconds, or a date in any of its three forms) and gRPC's
 * `grpc-retry-pushback-ms` (proposal A6), where a negative number, or what is no number, means none.
 *
 * @param wallTimeMs the time now, which dates are compared with
 */
export function retryAfterMs(headers: Headers, wallTimeMs: number): number | undefined {
  const pushback = headers.get("grpc-retry-pushback-ms");
  if (pushback !== undefined) return /^\d+$/.test(pushback) ? Number(pushback) : Number.POSITIVE_INFINITY;
  const text = headers.get("retry-after")?.trim();
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  // A date always is one of Greenwich; the oldest of the three forms does not say so.
  const atMs = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(atMs) ? undefined : Math.max(atMs - wallTimeMs, 0);
}
