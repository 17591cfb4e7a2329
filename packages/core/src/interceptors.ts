// What a program puts between itself and its wires without writing it: `new Network({ interceptors: [retry(), breaker()] })`.

export { type BreakerOptions, breaker, type CircuitChange } from "./interceptors/breaker.ts";
export type { CircuitState } from "./interceptors/circuit.ts";
export { type LoggingOptions, logging } from "./interceptors/logging.ts";
export type { IdempotenceOptions } from "./interceptors/repeatable.ts";
export { type RetryOptions, retry } from "./interceptors/retry.ts";
export type { RetryBudgetOptions } from "./interceptors/retry-budget.ts";
export { type TimeoutOptions, timeout } from "./interceptors/timeout.ts";
