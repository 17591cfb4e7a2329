import { type Clock, type LogFields, type Logger, type PolywireError, silentLogger } from "@polywire/core";

/** Most lines of one message in one second; the others are counted and told with the next. */
const MAX_LINES_PER_SECOND = 10;
const WINDOW_MS = 1_000;

interface Window {
  startMs: number;
  lines: number;
  left: number;
}

/** What the hub logs: never more lines of one message than a reader can take. */
export class Journal {
  /** Where lines go; set by whoever has a better place for them. */
  logger: Logger = silentLogger;
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param message a constant phrase. */
  write(level: "debug" | "info" | "warn" | "error", message: string, fields: LogFields = {}): void {
    const now = this.#clock.now();
    let window = this.#windows.get(message);
    if (window === undefined) {
      window = { startMs: now, lines: 0, left: 0 };
      this.#windows.set(message, window);
    }
    if (now - window.startMs >= WINDOW_MS) {
      window.startMs = now;
      window.lines = 0;
    }
    if (window.lines === MAX_LINES_PER_SECOND) {
      window.left++;
      return;
    }
    window.lines++;
    const leftOut = window.left;
    window.left = 0;
    this.logger.log(level, "hub", message, leftOut === 0 ? fields : { ...fields, leftOut });
  }

  brokerFailed(call: string, channel: string | undefined, error: PolywireError): void {
    this.write("warn", "broker call failed", { call, ...(channel === undefined ? {} : { channel }), error });
  }
}
