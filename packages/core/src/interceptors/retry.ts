import { BACKOFF_PRESETS, type Backoff, backoffDelay } from "../connection/backoff.ts";
import type { DialStep, ExchangeCall, ExchangeStep, Interceptor, InterceptorHost } from "../connection/interceptors.ts";
import { checkedBackoff } from "../connection/options.ts";
import type { Clock } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import type { Response } from "../contract/exchange.ts";
import { unlessAborted } from "../wire/cancellation.ts";
import {
  checkBooleanOption,
  checkFunctionOption,
  checkObjectOption,
  checkOptionNames,
  wrongOption,
} from "../wire/option-checks.ts";
import { retryAfterMs } from "../wire/retry-after.ts";
import { PerEndpoint } from "./per-endpoint.ts";
import { discardResponse, type IdempotenceOptions, isIdempotent, repeatable, wasNotSent } from "./repeatable.ts";
import { completeRetryBudget, RetryBudget, type RetryBudgetOptions } from "./retry-budget.ts";

/** What is tried again, how often and when. */
export interface RetryOptions extends IdempotenceOptions, Partial<Omit<Backoff, "maxAttempts">> {
  /** Most attempts, the first one included. 3. */
  readonly maxAttempts?: number;
  /** Statuses that are tried again. 429, 502, 503, 504. */
  readonly statuses?: readonly number[];
  /** Dials too. False: a connection dials again by itself once it had a link, and a pool does always. */
  readonly dials?: boolean;
  readonly budget?: RetryBudgetOptions;
}

type CompleteRetry = Backoff &
  IdempotenceOptions & {
    readonly statuses: ReadonlySet<number>;
    readonly dials: boolean;
    readonly budget: Required<RetryBudgetOptions>;
  };

/** Shorter than between the links of a connection: somebody waits for the answer. */
const BACKOFF: Backoff = { ...BACKOFF_PRESETS.centrifuge, baseMs: 100, capMs: 5_000, maxAttempts: 3 };
const BACKOFF_NAMES = ["baseMs", "capMs", "factor", "jitter", "maxAttempts"];
const NAMES = [...BACKOFF_NAMES, "statuses", "dials", "budget", "methods", "isIdempotent"];
const STATUSES = [429, 502, 503, 504];
/** What a wire takes where a request names none: see `RequestOptions`. */
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Makes a request again that failed for a reason that may pass, or was answered with a status that says so: only where that is
 * safe. Safe are idempotent methods, and any method where the peer was not reached at all. A body that comes in chunks can be
 * sent once. The waits grow, with full jitter, and are no shorter than the peer's `Retry-After` or `grpc-retry-pushback-ms`, of
 * which a negative one ends the attempts; the deadline of the request holds for all attempts together: one that could only be
 * too late is not waited for. The last outcome is the caller's.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function retry(options: RetryOptions = {}): Interceptor {
  const complete = completeRetry(options);
  const budgets = new PerEndpoint((host) => new RetryBudget(complete.budget, host.clock.now()));
  return {
    exchange: (next, host) => retriedExchange(next, { host, options: complete, budgets }),
    ...(complete.dials && { dial: (next, host) => retriedDial(next, { host, options: complete, budgets }) }),
  };
}

interface Retrying {
  readonly host: InterceptorHost;
  readonly options: CompleteRetry;
  readonly budgets: PerEndpoint<RetryBudget>;
}

function retriedExchange(next: ExchangeStep, { host, options, budgets }: Retrying): ExchangeStep {
  const { clock, random } = host;
  return async function retried(call) {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = call.options;
    const deadlineMs = clock.now() + timeoutMs;
    const budget = budgets.of(host, call.endpoint);
    budget.called(clock.now());
    const request = repeatable(call.request);
    if (request === undefined) return next(call);
    let current: ExchangeCall = { ...call, request };
    for (let attempt = 1; ; attempt++) {
      const outcome = await settled(() => next(current));
      if (attempt >= options.maxAttempts || signal?.aborted === true) return theOutcome(outcome);
      if (!isWorthAnother(outcome, call, options)) return theOutcome(outcome);
      const askedMs = "response" in outcome ? (retryAfterMs(outcome.response.headers, clock.wallTime()) ?? 0) : 0;
      const delayMs = Math.max(askedMs, backoffDelay(options, attempt - 1, random));
      if (clock.now() + delayMs + 1 > deadlineMs || !budget.take(clock.now())) return theOutcome(outcome);
      if ("response" in outcome) discardResponse(outcome.response);
      await pause(clock, delayMs, signal);
      const remainingMs = deadlineMs - clock.now();
      if (remainingMs < 1) throw lateError(call, timeoutMs, outcome);
      current = { ...current, options: { ...call.options, timeoutMs: remainingMs } };
    }
  };
}

function retriedDial(next: DialStep, { host, options, budgets }: Retrying): DialStep {
  const { clock, random } = host;
  return async function retried(call) {
    const budget = budgets.of(host, call.endpoint);
    budget.called(clock.now());
    for (let attempt = 1; ; attempt++) {
      try {
        // What the steps below add to the metadata is added to this attempt's alone.
        return await next({ ...call, metadata: new Map(call.metadata) });
      } catch (thrown) {
        const { retryable } = PolywireError.from(thrown);
        if (!retryable || attempt >= options.maxAttempts || call.signal.aborted) throw thrown;
        if (!budget.take(clock.now())) throw thrown;
        await pause(clock, backoffDelay(options, attempt - 1, random), call.signal);
      }
    }
  };
}

type Outcome = { readonly response: Response } | { readonly error: unknown };

async function settled(work: () => Promise<Response>): Promise<Outcome> {
  try {
    return { response: await work() };
  } catch (error) {
    return { error };
  }
}

function theOutcome(outcome: Outcome): Response {
  if ("response" in outcome) return outcome.response;
  throw outcome.error;
}

function isWorthAnother(outcome: Outcome, call: ExchangeCall, options: CompleteRetry): boolean {
  if ("response" in outcome) return options.statuses.has(outcome.response.status) && isIdempotent(call, options);
  const { code, retryable } = PolywireError.from(outcome.error);
  return wasNotSent(code) || (retryable && isIdempotent(call, options));
}

function lateError({ request, endpoint }: ExchangeCall, timeoutMs: number, outcome: Outcome): PolywireError {
  const problem = `${request.method} "${endpoint}": no time for another attempt within ${timeoutMs} ms`;
  return new PolywireError("timed-out", problem, "error" in outcome ? { cause: outcome.error } : {});
}

/** @throws PolywireError why the caller gave up. */
async function pause(clock: Clock, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = clock.setTimer(over.resolve, delayMs, { keepsAlive: true });
  try {
    await (signal === undefined ? over.promise : unlessAborted(over.promise, signal));
  } catch (thrown) {
    throw PolywireError.from(thrown, "aborted", "aborted by the caller between two attempts");
  } finally {
    timer.cancel();
  }
}

function completeRetry(given: RetryOptions): CompleteRetry {
  checkObjectOption("retry options", given);
  checkOptionNames("", given, NAMES);
  const { statuses = STATUSES, dials = false, budget, methods, isIdempotent: judged, ...backoff } = given;
  if (!Array.isArray(statuses) || !statuses.every((one) => Number.isInteger(one) && one >= 100 && one <= 599)) {
    throw wrongOption("statuses", statuses, "give an array of statuses from 100 to 599");
  }
  checkBooleanOption("dials", dials);
  if (judged !== undefined) checkFunctionOption("isIdempotent", judged);
  if (methods !== undefined && !(Array.isArray(methods) && methods.every((one) => typeof one === "string"))) {
    throw wrongOption("methods", methods, "give an array of methods");
  }
  return {
    ...checkedBackoff("", { ...BACKOFF, ...backoff }),
    ...(methods !== undefined && { methods: [...methods] }),
    ...(judged !== undefined && { isIdempotent: judged }),
    statuses: new Set(statuses),
    dials,
    budget: completeRetryBudget(budget),
  };
}
