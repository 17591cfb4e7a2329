import type { MetricFamily } from "../metrics/family.ts";
import type { Logger } from "./log.ts";

/**
 * Something that lives on a network without being a protocol, such as the hub. Handed to the network at construction,
 * it takes part in drain, close and `network.inspect()`.
 */
export interface Service {
  readonly name: string;
  /** Called once, before the network's first dial or listen. */
  start?(host: ServiceHost): void;
  /** Ends what is under way, politely; the signal fires when time is up. Links are still open. */
  drain?(signal: AbortSignal): Promise<void>;
  /** Releases everything. Links are closed by now. */
  close?(): Promise<void>;
  /** A snapshot of plain data for people and programs. */
  inspect?(): Readonly<Record<string, unknown>>;
  /** Its figures, computed when asked for; they join those of `network.metrics()`. Counters never fall. */
  metrics?(): readonly MetricFamily[];
}

export interface ServiceHost {
  readonly logger: Logger;
}
