// What programs use.
export { type CentrifugeHandler, type CentrifugeStats, centrifuge } from "./centrifuge.ts";
export type { DatagramStats } from "./datagrams.ts";
export type { CentrifugeOptions } from "./options.ts";
