import type { AnyProtocol } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { ws } from "@polywire/ws";

/** Every wire that `connect`, `pub` and `sub` can dial. */
export function clientProtocols(): readonly AnyProtocol[] {
  return [ws(), grpc()];
}
