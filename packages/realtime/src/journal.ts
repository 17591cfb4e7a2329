import { type Clock, type LogFields, type Logger, type PolywireError, silentLogger } from "@polywire/core";

/** Most lines of one message in one second; the others are counted and told with the next. */
const MAX_LINES_PER_SECOND = 10;
const WINDOW_MS = 1_000;

type JournalLevel = "debug" | "info" | "warn" | "error";

interface Line {
  readonly level: JournalLevel;
  readonly component: "hub" | "audit";
  readonly message: string;
}

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
  write(level: JournalLevel, message: string, fields: LogFields = {}): void {
    this.#write({ level, component: "hub", message }, fields);
  }

  /**
   * Who was refused what.
   *
   * @param message a constant phrase, the reason included.
   */
  audit(message: string, fields: LogFields): void {
    if (this.logger.isEnabled?.("info", "audit") === false) return;
    this.#write({ level: "info", component: "audit", message }, fields);
  }

  brokerFailed(call: string, channel: string | undefined, error: PolywireError): void {
    this.write("warn", "broker call failed", { call, ...(channel === undefined ? {} : { channel }), error });
  }

  #write({ level, component, message }: Line, fields: LogFields): void {
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
    this.logger.log(level, component, message, leftOut === 0 ? fields : { ...fields, leftOut });
  }
}
