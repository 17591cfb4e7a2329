import type { AnyProtocol } from "@polywire/core";
import { ws } from "@polywire/ws";

/** Every wire that `connect`, `pub` and `sub` can dial. */
export function clientProtocols(): readonly AnyProtocol[] {
  return [ws()];
}
