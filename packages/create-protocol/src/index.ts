// What programs use that make plugins themselves.
export type { LicenseName } from "./license.ts";
export type { NameOptions } from "./names.ts";
export { type PluginOptions, writePlugin } from "./write-plugin.ts";
