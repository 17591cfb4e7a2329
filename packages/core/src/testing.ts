// For the tests of whatever is built on core.

export { FastClock } from "./testing/fast-clock.ts";
export { ManualClock } from "./testing/manual-clock.ts";
