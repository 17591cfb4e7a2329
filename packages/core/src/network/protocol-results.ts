// What a protocol hands back is held against its contract here, so that a broken one is told by its name.

import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Exchanger } from "../contract/exchange.ts";
import type { Traits } from "../contract/link.ts";
import type { Listener } from "../contract/listener.ts";
import type { AnyProtocol } from "./schemes.ts";

/** @throws PolywireError `internal` where the protocol throws, or tells no traits. */
export function traitsOf(protocol: AnyProtocol, endpoint: Endpoint): Traits {
  let traits: Traits | undefined;
  try {
    traits = protocol.traits(endpoint);
  } catch (thrown) {
    throw PolywireError.from(thrown, "internal", `traits of "${endpoint}"`);
  }
  if (typeof traits?.kind === "string") return traits;
  throw broken(protocol, `has no traits for "${endpoint}"`);
}

/** @throws PolywireError `internal` for what is no exchanger. */
export function checkExchanger(exchanger: Exchanger, protocol: AnyProtocol): Exchanger {
  const isOne =
    typeof exchanger?.request === "function" &&
    typeof exchanger.close === "function" &&
    typeof exchanger.closed?.then === "function";
  if (isOne) return exchanger;
  throw broken(protocol, "opened something that makes no requests");
}

/** @throws PolywireError `internal` for what is no listener. */
export function checkListener(listener: Listener, protocol: AnyProtocol): Listener {
  if (typeof listener?.close === "function" && typeof listener.endpoint?.display === "string") return listener;
  throw broken(protocol, "returned something that is no listener");
}

function broken({ name }: AnyProtocol, what: string): PolywireError {
  return new PolywireError("internal", `protocol "${name}" ${what}: it is broken`);
}
