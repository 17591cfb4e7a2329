// What programs use that make plugins themselves.
export { type PluginOptions, writePlugin } from "./write-plugin.ts";
