// For programs that write logs.

// For those who bring a destination, or write their own form.
export type { DestinationStats, LogStream } from "./destination.ts";
export { escapeText } from "./escape.ts";
export type { LogThreshold } from "./levels.ts";
export { createLogger, LOG_FORMS, type LogForm, type LogOptions, type LogStats, type LogWriter } from "./logger.ts";
export { redactText } from "./redact.ts";
export type { RepeatLimits } from "./repeats.ts";
export { isSecretName, REDACTED } from "./secret-name.ts";
