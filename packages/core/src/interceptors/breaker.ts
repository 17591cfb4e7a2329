import type { DialStep, ExchangeStep, Interceptor, InterceptorHost } from "../connection/interceptors.ts";
import { MAX_DELAY_MS } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import type { ErrorCode } from "../contract/error-table.ts";
import {
  checkBooleanOption,
  checkCountOption,
  checkFunctionOption,
  checkObjectOption,
  checkOptionNames,
  wrongOption,
} from "../wire/option-checks.ts";
import { Circuit, type CircuitOptions, type CircuitState, type Verdict } from "./circuit.ts";
import { PerEndpoint } from "./per-endpoint.ts";

/** A circuit went from one state to another. */
export interface CircuitChange {
  readonly endpoint: string;
  readonly from: CircuitState;
  readonly to: CircuitState;
  /** When it is tried again, where `to` is `open`: in milliseconds from now. */
  readonly openForMs: number | undefined;
}

export interface BreakerOptions {
  /** Failures in a row that open the circuit. 5. */
  readonly consecutiveFailures?: number;
  /** The share of failures that opens it, more than 0 to 1. 0.5. */
  readonly errorRate?: number;
  /** Calls that must have ended within the window before the share counts. 20. */
  readonly minimumVolume?: number;
  /** How far back calls count, in milliseconds. 10,000. */
  readonly windowMs?: number;
  /** How long it stays open before a trial, in milliseconds, give or take a tenth; once as much longer after each trial that failed, up to ten times. 30,000. */
  readonly openMs?: number;
  /** Responses that are failures of the other side. 500 and above, 501 excepted. */
  readonly isFailure?: (status: number) => boolean;
  /** Dials too, with circuits of their own. False: connections and pools wait between their dials by themselves. */
  readonly dials?: boolean;
  /** Hears of every change. It is written down besides, as `circuit opened`, `circuit half-open` and `circuit closed`. */
  readonly onChange?: (change: CircuitChange) => void;
}

type CompleteBreaker = CircuitOptions &
  Required<Pick<BreakerOptions, "isFailure" | "dials">> &
  Pick<BreakerOptions, "onChange">;

const NAMES = [
  "consecutiveFailures",
  "errorRate",
  "minimumVolume",
  "windowMs",
  "openMs",
  "isFailure",
  "dials",
  "onChange",
];

/** Errors that are the other side's or the network's. All others say nothing of them. */
const FAILURES: ReadonlySet<ErrorCode> = new Set([
  "timed-out",
  "connection-refused",
  "host-unreachable",
  "host-not-found",
  "connection-reset",
  "handshake-failed",
  "tls-verify-failed",
  "protocol-violation",
  "not-available",
]);

/**
 * A circuit breaker: stops calling an endpoint that fails, so that neither side is kept busy with what cannot succeed, and finds
 * out with one call at a time when it is back. What it holds up fails at once with `not-available`, which is retryable, and says
 * when it is tried again. Every endpoint has a circuit of its own, up to 1,000 in a network.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function breaker(options: BreakerOptions = {}): Interceptor {
  const complete = completeBreaker(options);
  const makeGuard = (host: InterceptorHost, endpoint: string): Guard => new Guard(host, endpoint, complete);
  const exchanges = new PerEndpoint(makeGuard);
  const dials = new PerEndpoint(makeGuard);
  return {
    exchange: (next, host) => guardedExchange(next, { host, guards: exchanges, isFailure: complete.isFailure }),
    ...(complete.dials && { dial: (next, host) => guardedDial(next, { host, guards: dials }) }),
  };
}

interface Guarding {
  readonly host: InterceptorHost;
  readonly guards: PerEndpoint<Guard>;
}

function guardedExchange(
  next: ExchangeStep,
  { host, guards, isFailure }: Guarding & { readonly isFailure: (status: number) => boolean },
): ExchangeStep {
  return async function guarded(call) {
    return guards.of(host, call.endpoint).pass(
      () => next(call),
      ({ status }) => isFailure(status),
    );
  };
}

function guardedDial(next: DialStep, { host, guards }: Guarding): DialStep {
  return async function guarded(call) {
    return guards.of(host, call.endpoint).pass(
      () => next(call),
      () => false,
    );
  };
}

/** The circuit of one endpoint, and who hears of it. */
class Guard {
  readonly #host: InterceptorHost;
  readonly #endpoint: string;
  readonly #circuit: Circuit;
  readonly #onChange: BreakerOptions["onChange"];
  #toldState: CircuitState = "closed";
  #lastFailure: PolywireError | undefined = undefined;

  constructor(host: InterceptorHost, endpoint: string, options: CompleteBreaker) {
    this.#host = host;
    this.#endpoint = endpoint;
    this.#circuit = new Circuit(options, host.random, host.clock.now());
    this.#onChange = options.onChange;
  }

  /** @throws PolywireError `not-available` while the circuit is open. */
  async pass<Result>(work: () => Promise<Result>, isFailure: (result: Result) => boolean): Promise<Result> {
    const { clock } = this.#host;
    const passage = this.#circuit.enter(clock.now());
    this.#tell();
    if (passage === undefined) throw this.#openError();
    let verdict: Verdict = "neutral";
    try {
      const result = await work();
      verdict = isFailure(result) ? "failure" : "success";
      if (verdict === "failure") this.#lastFailure = undefined;
      return result;
    } catch (thrown) {
      const error = PolywireError.from(thrown);
      if (FAILURES.has(error.code)) {
        verdict = "failure";
        this.#lastFailure = error;
      }
      throw thrown;
    } finally {
      this.#circuit.leave(passage, verdict, clock.now());
      this.#tell();
    }
  }

  #openError(): PolywireError {
    const waitMs = this.#circuit.openUntilMs - this.#host.clock.now();
    const when = waitMs > 0 ? `it is tried again in ${seconds(waitMs)}` : "it is being tried by one call now";
    const problem = `the circuit to "${this.#endpoint}" is open, for too many calls failed: ${when}`;
    return new PolywireError("not-available", problem, { cause: this.#lastFailure, retryable: true });
  }

  #tell(): void {
    const { clock, logger } = this.#host;
    const from = this.#toldState;
    const to = this.#circuit.state(clock.now());
    if (from === to) return;
    this.#toldState = to;
    const openForMs = to === "open" ? this.#circuit.openUntilMs - clock.now() : undefined;
    const fields = {
      endpoint: this.#endpoint,
      ...(openForMs !== undefined && { openForMs: Math.round(openForMs) }),
      ...(to === "open" && this.#lastFailure !== undefined && { code: this.#lastFailure.code }),
    };
    logger.log(to === "open" ? "warn" : "info", "network", TOLD[to], fields);
    try {
      this.#onChange?.({ endpoint: this.#endpoint, from, to, openForMs });
    } catch (thrown) {
      // The call has an outcome of its own.
      logger.log("error", "network", "program code threw", { error: PolywireError.from(thrown) });
    }
  }
}

const TOLD: Readonly<Record<CircuitState, string>> = {
  open: "circuit opened",
  "half-open": "circuit half-open",
  closed: "circuit closed",
};

function seconds(waitMs: number): string {
  return `${(Math.ceil(waitMs / 100) / 10).toFixed(1)} s`;
}

function completeBreaker(given: BreakerOptions): CompleteBreaker {
  checkObjectOption("breaker options", given);
  checkOptionNames("", given, NAMES);
  const { consecutiveFailures = 5, errorRate = 0.5, minimumVolume = 20, windowMs = 10_000, openMs = 30_000 } = given;
  const { isFailure = isServerFailure, dials = false, onChange } = given;
  if (consecutiveFailures !== Infinity) checkCountOption("consecutiveFailures", consecutiveFailures);
  if (!(typeof errorRate === "number" && errorRate > 0 && errorRate <= 1)) {
    throw wrongOption("errorRate", errorRate, "give a share of more than 0, up to 1");
  }
  checkCountOption("minimumVolume", minimumVolume);
  checkCountOption("windowMs", windowMs, MAX_DELAY_MS);
  checkCountOption("openMs", openMs, MAX_DELAY_MS);
  checkFunctionOption("isFailure", isFailure);
  checkBooleanOption("dials", dials);
  if (onChange !== undefined) checkFunctionOption("onChange", onChange);
  const circuit = { consecutiveFailures, errorRate, minimumVolume, windowMs, openMs };
  return { ...circuit, isFailure, dials, ...(onChange !== undefined && { onChange }) };
}

function isServerFailure(status: number): boolean {
  return status >= 500 && status !== 501;
}
