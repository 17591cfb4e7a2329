import {
  type Clock,
  checkCountOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  type LogFields,
  type Logger,
  type LogLevel,
  MAX_DELAY_MS,
  type MetricFamily,
  systemClock,
} from "@polywire/core";
import { pino } from "pino";
import { type Destination, type DestinationStats, type LogStream, openDestination } from "./destination.ts";
import { escapeJson } from "./escape.ts";
import { formatTime, type LogEvent, readEvent } from "./event.ts";
import { atExit, notAtExit } from "./exit.ts";
import { plainFields, plainText } from "./fields.ts";
import { Levels, type LogThreshold } from "./levels.ts";
import { logFamilies } from "./log-metrics.ts";
import { formatLogfmt } from "./logfmt.ts";
import { DEFAULT_REPEATS, type Repeated, type RepeatLimits, Repeats } from "./repeats.ts";
import { formatTree } from "./tree.ts";

/** How an event looks: one line of JSON, one line of `name=value`, or a block for people. */
export type LogForm = "json" | "logfmt" | "tree";

export const LOG_FORMS: readonly LogForm[] = ["tree", "json", "logfmt"];

export interface LogOptions {
  /** The least severe level that is written. Default `info`; `silent` writes nothing. */
  readonly level?: LogThreshold;
  /** The same for single components, such as `{ ws: "debug", hub: "warn" }`. */
  readonly levels?: Readonly<Record<string, LogThreshold>>;
  /** Default `json`. */
  readonly form?: LogForm;
  /** A file descriptor or a stream. Default 1, the standard output. */
  readonly destination?: number | LogStream;
  /** Bytes that may wait for a slow destination; events past it are dropped and counted. Default 1 MiB. */
  readonly maxBufferedBytes?: number;
  /** How often one message is written; the events past it are counted and told in one line. `false`: always. */
  readonly repeats?: RepeatLimits | false;
  readonly clock?: Clock;
}

/** What became of the events logged so far. */
export interface LogStats extends DestinationStats {
  /** Events left out because their message came too often. */
  readonly repeated: number;
}

/** A {@link Logger} that can be asked what became of its lines. */
export interface LogWriter extends Logger {
  isEnabled(level: LogLevel, component?: string): boolean;
  /**
   * From now on these levels decide what is written; what is not given is as by default.
   *
   * @throws PolywireError `invalid-argument` for a level that there is not; then nothing has changed.
   */
  setLevels(levels: Pick<LogOptions, "level" | "levels">): void;
  stats(): LogStats;
  /** The same as figures, to be put beside those of `network.metrics()`. */
  metrics(): readonly MetricFamily[];
  /**
   * Tells what was left out as repeated, and resolves when everything was written or given up, or after `timeoutMs`
   * (default 1,000). A file descriptor is flushed when the process exits; a stream has to be flushed before.
   */
  flush(timeoutMs?: number): Promise<void>;
  /** Flushes, and drops and counts what is logged from then on. The destination stays open. Idempotent. */
  close(timeoutMs?: number): Promise<void>;
}

/** Where an event's own time and the process's monotonic time differ by more than this, the wall clock was set. */
const MAX_CLOCK_DRIFT_MS = 2;

const DEFAULT_FLUSH_MS = 1_000;

/**
 * A logger in one of three forms. Secrets are told by their field's name, and in text by their place in a URL, and are
 * never written; nor is any character that a terminal would obey. One event is one line (`json`, `logfmt`) or one
 * block (`tree`) whatever its fields hold. `log` never throws and never waits for the destination.
 *
 * @throws PolywireError `invalid-argument` for a level, form or limit that there is not.
 */
export function createLogger(options: LogOptions = {}): LogWriter {
  return new PinoLogger(options);
}

class PinoLogger implements LogWriter {
  #levels: Levels;
  readonly #destination: Destination;
  readonly #output: PinoOutput;
  readonly #repeats: Repeats | undefined;
  #repeated = 0;
  readonly #tellLast = (): void => this.#repeats?.endAll();

  constructor(options: LogOptions) {
    const { level = "info", levels = {}, form = "json", maxBufferedBytes = 1024 * 1024, clock = systemClock } = options;
    checkOneOfOption("form", form, LOG_FORMS);
    checkCountOption("maxBufferedBytes", maxBufferedBytes);
    this.#levels = new Levels(level, levels);
    this.#destination = openDestination(options.destination ?? 1, maxBufferedBytes);
    this.#output = openPino(this.#levels.least, clock, (line) => this.#destination.write(inForm(form, line)));
    if (options.repeats !== false) {
      const limits = completeRepeats(options.repeats);
      this.#repeats = new Repeats({ limits, clock, tell: (repeated) => this.#tellRepeated(repeated) });
    }
    this.log = this.log.bind(this);
    this.isEnabled = this.isEnabled.bind(this);
  }

  log(level: LogLevel, component: string, message: string, fields: LogFields = {}): void {
    if (!this.#levels.isEnabled(level, component)) return;
    if (this.#repeats?.admits(level, component, message) === false) {
      this.#repeated++;
      atExit(this.#tellLast);
      return;
    }
    this.#write(level, { component, ...plainFields(fields) }, message);
  }

  isEnabled(level: LogLevel, component?: string): boolean {
    return this.#levels.isEnabled(level, component);
  }

  setLevels({ level = "info", levels = {} }: Pick<LogOptions, "level" | "levels">): void {
    this.#levels = new Levels(level, levels);
    this.#output.level = this.#levels.least;
  }

  stats(): LogStats {
    return { ...this.#destination.stats(), repeated: this.#repeated };
  }

  metrics(): readonly MetricFamily[] {
    return logFamilies(this.stats());
  }

  flush(timeoutMs: number = DEFAULT_FLUSH_MS): Promise<void> {
    this.#repeats?.endAll();
    return this.#destination.flush(timeoutMs);
  }

  async close(timeoutMs: number = DEFAULT_FLUSH_MS): Promise<void> {
    const flushed = this.flush(timeoutMs);
    this.#destination.close();
    await flushed;
  }

  #tellRepeated({ level, component, message, left }: Repeated): void {
    if (this.#repeats?.left === 0) notAtExit(this.#tellLast);
    this.#write(level, { component, repeated: left }, `${message} … repeated ${left} times`);
  }

  #write(level: LogLevel, fields: object, message: string): void {
    this.#output[level](fields, plainText(message));
  }
}

type PinoOutput = Pick<ReturnType<typeof pino>, LogLevel | "level">;

function openPino(level: LogThreshold, clock: Clock, write: (line: string) => void): PinoOutput {
  const timestamp = microsecondClock(clock);
  return pino(
    {
      level,
      base: null,
      messageKey: "message",
      timestamp: () => `,"time":"${formatTime(timestamp())}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {},
    },
    { write },
  );
}

function completeRepeats(given: RepeatLimits = {}): Required<RepeatLimits> {
  checkObjectOption("repeats", given);
  checkOptionNames("repeats", given, Object.keys(DEFAULT_REPEATS));
  const limits = { ...DEFAULT_REPEATS, ...given };
  for (const [name, value] of Object.entries(limits)) checkCountOption(`repeats.${name}`, value, MAX_DELAY_MS);
  return limits;
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
