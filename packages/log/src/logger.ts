import { type Clock, type LogFields, type Logger, type LogLevel, systemClock } from "@polywire/core";
import { pino } from "pino";
import { type DestinationStats, type LogStream, openDestination } from "./destination.ts";
import { escapeJson } from "./escape.ts";
import { formatTime, type LogEvent, readEvent } from "./event.ts";
import { plainFields, plainText } from "./fields.ts";
import { formatLogfmt } from "./logfmt.ts";
import { formatTree } from "./tree.ts";

/** How an event looks: one line of JSON, one line of `name=value`, or a block for people. */
export type LogForm = "json" | "logfmt" | "tree";

export const LOG_FORMS: readonly LogForm[] = ["tree", "json", "logfmt"];

export interface LogOptions {
  /** The least severe level that is written. Default `info`; `silent` writes nothing. */
  readonly level?: LogLevel | "silent";
  /** Default `json`. */
  readonly form?: LogForm;
  /** A file descriptor or a stream. Default 1, the standard output. */
  readonly destination?: number | LogStream;
  /** Bytes that may wait for a slow destination; events past it are dropped and counted. Default 1 MiB. */
  readonly maxBufferedBytes?: number;
  readonly clock?: Clock;
}

/** A {@link Logger} that can be asked what became of its lines. */
export interface LogWriter extends Logger {
  stats(): DestinationStats;
  /** Resolves when everything was written or given up, or after `timeoutMs` (default 1,000). Before `process.exit`. */
  flush(timeoutMs?: number): Promise<void>;
}

/** Where an event's own time and the process's monotonic time differ by more than this, the wall clock was set. */
const MAX_CLOCK_DRIFT_MS = 2;

/**
 * A logger in one of three forms. Secrets are told by their field's name, and in text by their place in a URL, and are
 * never written; nor is any character that a terminal would obey. One event is one line (`json`, `logfmt`) or one
 * block (`tree`) whatever its fields hold. `log` never throws and never waits for the destination.
 */
export function createLogger(options: LogOptions = {}): LogWriter {
  const form = options.form ?? "json";
  const destination = openDestination(options.destination ?? 1, options.maxBufferedBytes ?? 1024 * 1024);
  const timestamp = microsecondClock(options.clock ?? systemClock);
  const output = pino(
    {
      level: options.level ?? "info",
      base: null,
      messageKey: "message",
      timestamp: () => `,"time":"${formatTime(timestamp())}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {},
    },
    { write: (line: string) => destination.write(inForm(form, line)) },
  );

  return {
    log(level: LogLevel, component: string, message: string, fields: LogFields = {}): void {
      if (!output.isLevelEnabled(level)) return;
      output[level]({ component, ...plainFields(fields) }, plainText(message));
    },
    isEnabled: (level) => output.isLevelEnabled(level),
    stats: () => destination.stats(),
    flush: (timeoutMs = 1_000) => destination.flush(timeoutMs),
  };
}

function inForm(form: LogForm, line: string): string {
  if (form === "json") return escapeJson(line);
  const event: LogEvent = readEvent(line);
  return form === "tree" ? formatTree(event) : formatLogfmt(event);
}

/** The wall clock, with the monotonic clock's fractions; it follows when the wall clock is set. */
function microsecondClock(clock: Clock): () => number {
  let offsetMs = clock.wallTime() - clock.now();
  return function microsecondTime(): number {
    const wallMs = clock.wallTime();
    const preciseMs = clock.now() + offsetMs;
    if (Math.abs(preciseMs - wallMs) <= MAX_CLOCK_DRIFT_MS) return preciseMs;
    offsetMs = wallMs - clock.now();
    return wallMs;
  };
}
