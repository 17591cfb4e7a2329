import type { DialStep, ExchangeStep, Interceptor, InterceptorHost } from "../connection/interceptors.ts";
import { PolywireError } from "../contract/error.ts";
import type { LogFields, Logger, LogLevel } from "../contract/log.ts";
import { checkObjectOption, checkOneOfOption, checkOptionNames, wrongOption } from "../wire/option-checks.ts";

export interface LoggingOptions {
  /** For what went well. `debug`. */
  readonly level?: LogLevel;
  /** For what failed, and for responses of 500 and above. `warn`. */
  readonly failureLevel?: LogLevel;
  /** Instead of the network's own. */
  readonly logger?: Logger;
}

const COMPONENT = "network";
const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

/**
 * Writes down every dial and every request: where to, how long it took and how it ended. Never what was in it: no body, no
 * header, no metadata, no query. Messages of connections are not written down, for there are too many of them.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function logging(options: LoggingOptions = {}): Interceptor {
  checkObjectOption("logging options", options);
  checkOptionNames("", options, ["level", "failureLevel", "logger"]);
  const { level = "debug", failureLevel = "warn", logger } = options;
  checkOneOfOption("level", level, LEVELS);
  checkOneOfOption("failureLevel", failureLevel, LEVELS);
  if (logger !== undefined && typeof logger?.log !== "function") {
    throw wrongOption("logger", logger, "give an object with a log function");
  }
  const journalOf = (host: InterceptorHost): Journal => new Journal(host, { logger, level, failureLevel });
  return {
    dial: (next, host) => loggedDial(next, journalOf(host)),
    exchange: (next, host) => loggedExchange(next, journalOf(host)),
  };
}

interface JournalOptions {
  readonly logger: Logger | undefined;
  readonly level: LogLevel;
  readonly failureLevel: LogLevel;
}

/** Where things are written down, and when they began. */
class Journal {
  readonly #host: InterceptorHost;
  readonly #logger: Logger;
  readonly #options: JournalOptions;

  constructor(host: InterceptorHost, options: JournalOptions) {
    this.#host = host;
    this.#logger = options.logger ?? host.logger;
    this.#options = options;
  }

  now(): number {
    return this.#host.clock.now();
  }

  succeeded(message: string, startMs: number, fields: LogFields): void {
    this.#write(this.#options.level, message, { startMs, fields });
  }

  failed(message: string, startMs: number, fields: LogFields): void {
    this.#write(this.#options.failureLevel, message, { startMs, fields });
  }

  #write(level: LogLevel, message: string, { startMs, fields }: { startMs: number; fields: LogFields }): void {
    if (this.#logger.isEnabled?.(level, COMPONENT) === false) return;
    this.#logger.log(level, COMPONENT, message, { ...fields, durationMs: Math.round(this.now() - startMs) });
  }
}

function loggedDial(next: DialStep, journal: Journal): DialStep {
  return async function logged(call) {
    const startMs = journal.now();
    const place = { endpoint: call.endpoint, protocol: call.protocol };
    try {
      const link = await next(call);
      journal.succeeded("dialled", startMs, place);
      return link;
    } catch (thrown) {
      journal.failed("dial failed", startMs, { ...place, ...errorFields(thrown) });
      throw thrown;
    }
  };
}

function loggedExchange(next: ExchangeStep, journal: Journal): ExchangeStep {
  return async function logged(call) {
    const startMs = journal.now();
    const { endpoint, protocol, request } = call;
    const place = { endpoint, protocol, method: request.method, ...pathFields(request.path) };
    try {
      const response = await next(call);
      const { status } = response;
      if (status < 500) journal.succeeded("request answered", startMs, { ...place, status });
      else journal.failed("request answered with a failure", startMs, { ...place, status });
      return response;
    } catch (thrown) {
      journal.failed("request failed", startMs, { ...place, ...errorFields(thrown) });
      throw thrown;
    }
  };
}

/** A query may carry anything. */
function pathFields(path: string | undefined): LogFields {
  return typeof path === "string" ? { path: path.replace(/[?#].*/s, "") } : {};
}

function errorFields(thrown: unknown): LogFields {
  const { code, retryable } = PolywireError.from(thrown);
  return { code, retryable };
}
