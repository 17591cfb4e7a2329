import type { PolywireError } from "../contract/error.ts";

/**
 * - `unknown`: not asked yet; may well be used.
 * - `healthy`: it answers.
 * - `degraded`: usable, but a check has failed or the network is poor.
 * - `unhealthy`: there is no link, or it failed too many checks in a row.
 * - `draining`: it is going away; what was begun ends, nothing new should begin.
 */
export type HealthStatus = "unknown" | "healthy" | "degraded" | "unhealthy" | "draining";

/** How a peer is, as far as one knows. */
export interface Health {
  readonly status: HealthStatus;
  /** What the checks say, apart from everything else that is known. */
  readonly checked: "unknown" | "healthy" | "unhealthy";
  /** Checks that failed in a row. */
  readonly failures: number;
  /** What was wrong with the last check that failed, while that counts. */
  readonly error: PolywireError | undefined;
}

/** Of whom nobody asks. */
export const UNKNOWN_HEALTH: Health = { status: "unknown", checked: "unknown", failures: 0, error: undefined };

export interface HealthChange {
  readonly from: HealthStatus;
  readonly to: HealthStatus;
  /** Why, as a phrase. */
  readonly cause: string;
  readonly error: PolywireError | undefined;
}

export interface Thresholds {
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

/** What the checks of one peer came to. One failure is no verdict, nor is one success after a verdict. */
export class HealthRecord {
  readonly #thresholds: Thresholds;
  #checked: Health["checked"] = "unknown";
  #failures = 0;
  #successes = 0;
  #error: PolywireError | undefined = undefined;

  constructor(thresholds: Thresholds) {
    this.#thresholds = thresholds;
  }

  get checked(): Health["checked"] {
    return this.#checked;
  }

  /** In a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Of the last failure, until a verdict has put it right. */
  get error(): PolywireError | undefined {
    return this.#error;
  }

  /** It is not known yet what to make of the last checks. */
  get isUndecided(): boolean {
    return this.#checked === "unhealthy" || this.#failures > 0;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#successes++;
    if (this.#checked !== "unhealthy" || this.#successes >= this.#thresholds.healthyAfter) {
      this.#checked = "healthy";
      this.#error = undefined;
    }
  }

  failed(error: PolywireError): void {
    this.#successes = 0;
    this.#failures++;
    this.#error = error;
    if (this.#failures >= this.#thresholds.unhealthyAfter) this.#checked = "unhealthy";
  }

  /** There is another link: what the last one was blamed for is forgotten. */
  restart(): void {
    this.#checked = "unknown";
    this.#failures = 0;
    this.#successes = 0;
    this.#error = undefined;
  }
}
