import { checkObjectOption, checkOneOfOption, type LogLevel } from "@polywire/core";

/** The least severe level that is written; `silent` writes nothing. */
export type LogThreshold = LogLevel | "silent";

/** From the least to the most severe. */
const LOG_LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

const THRESHOLDS: readonly LogThreshold[] = [...LOG_LEVELS, "silent"];

/** Which events are written: one threshold for all components, and others for those that have their own. */
export class Levels {
  readonly #general: number;
  readonly #own = new Map<string, number>();
  readonly #least: number;

  /** @throws PolywireError `invalid-argument` for a level that there is not. */
  constructor(general: LogThreshold, own: Readonly<Record<string, LogThreshold>>) {
    this.#general = severity("level", general);
    checkObjectOption("levels", own);
    for (const [component, level] of Object.entries(own)) {
      this.#own.set(component, severity(`levels.${component}`, level));
    }
    this.#least = Math.min(this.#general, ...this.#own.values());
  }

  /** The threshold of the component that is told the most. */
  get least(): LogThreshold {
    return THRESHOLDS[this.#least] as LogThreshold;
  }

  isEnabled(level: LogLevel, component?: string): boolean {
    const threshold = component === undefined ? this.#least : (this.#own.get(component) ?? this.#general);
    return THRESHOLDS.indexOf(level) >= threshold;
  }
}

function severity(path: string, level: LogThreshold): number {
  checkOneOfOption(path, level, THRESHOLDS);
  return THRESHOLDS.indexOf(level);
}
