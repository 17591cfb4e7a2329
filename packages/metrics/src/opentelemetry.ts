// For programs whose figures OpenTelemetry collects.

export { type Measured, observe } from "./observe.ts";

// For programs whose traces it collects.

export { tracing } from "./tracing.ts";
