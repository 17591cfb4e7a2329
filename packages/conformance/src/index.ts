// What whoever writes a protocol uses.
export type { Law } from "./law.ts";
export { laws } from "./laws.ts";
export type { Subject } from "./subject.ts";
