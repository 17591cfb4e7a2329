// For programs whose figures OpenTelemetry collects.

export { type Measured, observe } from "./observe.ts";
