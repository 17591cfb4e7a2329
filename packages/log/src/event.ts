import type { PlainFields } from "./fields.ts";

/** One event as pino wrote it, read back for the forms that are not JSON. */
export interface LogEvent {
  /** ISO 8601 in UTC with microseconds, ending in `Z`. */
  readonly time: string;
  readonly level: string;
  readonly component: string;
  readonly message: string;
  readonly fields: PlainFields;
}

/** Reads one line of our own JSON form. */
export function readEvent(line: string): LogEvent {
  const { time, level, component, message, ...fields } = JSON.parse(line) as Omit<LogEvent, "fields"> & PlainFields;
  return { time, level, component, message, fields };
}

/** Milliseconds since 1970, whose fraction counts, as ISO 8601 with microseconds. */
export function formatTime(epochMs: number): string {
  const wholeMs = Math.floor(epochMs);
  const microseconds = Math.floor((epochMs - wholeMs) * 1000);
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(microseconds).padStart(3, "0")}Z`;
}
