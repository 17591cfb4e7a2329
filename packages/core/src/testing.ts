// For the tests of whatever is built on core.

export { ManualClock } from "./manual-clock.ts";
