import { isJsonText } from "./json-text.ts";

/** Most bytes that a program may attach to a connection or a subscription for others to see. */
export const MAX_INFO_BYTES = 2_048;

const MAX_INFO_DEPTH = 64;

/** Whether others may be shown it: JSON clients see it inside their messages, so it must be JSON. */
export function isShowable(info: Uint8Array): boolean {
  return info instanceof Uint8Array && info.length <= MAX_INFO_BYTES && isJsonText(info, MAX_INFO_DEPTH);
}
