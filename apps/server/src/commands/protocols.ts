import type { AnyProtocol } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";

/** Every wire that `connect`, `pub` and `sub` can dial. */
export function clientProtocols(): readonly AnyProtocol[] {
  return [ws(), tcp(), udp(), grpc(), http()];
}
