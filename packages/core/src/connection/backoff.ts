import type { Random } from "../contract/clock.ts";

/** How long to wait before a dial. */
export interface Backoff {
  /** The wait before the first dial after a loss, in milliseconds. */
  readonly baseMs: number;
  /** The longest wait, in milliseconds. */
  readonly capMs: number;
  /** By how much the wait grows from one dial to the next. */
  readonly factor: number;
  /** `full`: anything between nothing and the wait is added to the base. A number: the wait, give or take that share. */
  readonly jitter: "full" | number;
  /** Dials in a row that may fail; the next failure closes the connection. */
  readonly maxAttempts: number;
}

/**
 * - `centrifuge`: 0.5 s to 20 s, full jitter, as the Centrifuge clients do. The default.
 * - `grpc`: 1 s to 120 s by 1.6, ±20 % (gRPC connection backoff protocol).
 * - `nats`: 2 s to 2.1 s, ten times.
 * - `socketio`: 1 s to 5 s by 2, ±50 %.
 */
export type BackoffPreset = "centrifuge" | "grpc" | "nats" | "socketio";

export const BACKOFF_PRESETS: Readonly<Record<BackoffPreset, Backoff>> = {
  centrifuge: { baseMs: 500, capMs: 20_000, factor: 2, jitter: "full", maxAttempts: Infinity },
  grpc: { baseMs: 1_000, capMs: 120_000, factor: 1.6, jitter: 0.2, maxAttempts: Infinity },
  nats: { baseMs: 2_050, capMs: 2_100, factor: 1, jitter: 0.025, maxAttempts: 10 },
  socketio: { baseMs: 1_000, capMs: 5_000, factor: 2, jitter: 0.5, maxAttempts: Infinity },
};

/**
 * The wait before a dial, in milliseconds: 0 to `capMs`.
 *
 * @param failures Dials that failed since the link was last up for long. With none it is the first after a loss, and all
 * who lost theirs at the same moment must not come back at the same moment: anything up to the base.
 */
export function backoffDelay({ baseMs, capMs, factor, jitter }: Backoff, failures: number, random: Random): number {
  if (failures === 0) return random() * Math.min(baseMs, capMs);
  const wait = Math.min(capMs, baseMs * factor ** (failures - 1));
  if (jitter === "full") return Math.min(capMs, baseMs + random() * Math.min(capMs, baseMs * factor ** failures));
  return Math.min(capMs, wait * (1 - jitter + random() * 2 * jitter));
}
