// What programs use.
export { centrifuge } from "./centrifuge.ts";
export type { CentrifugeOptions } from "./options.ts";
