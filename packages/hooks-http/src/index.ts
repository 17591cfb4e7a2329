export { HttpHooks } from "./http-hooks.ts";
export type { HookEvent, HookOptions, HttpHooksOptions } from "./options.ts";
