// For the tests of whatever is built on core.

export { ManualClock } from "./testing/manual-clock.ts";
