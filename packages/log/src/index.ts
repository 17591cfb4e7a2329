// For programs that write logs.

// For those who bring a destination, or write their own form.
export type { DestinationStats, LogStream } from "./destination.ts";
export { escapeText } from "./escape.ts";
export { createLogger, LOG_FORMS, type LogForm, type LogOptions, type LogWriter } from "./logger.ts";
export { isSecretName, REDACTED, redactText } from "./redact.ts";
