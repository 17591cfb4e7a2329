import type { Exchanger, Link, Protocol } from "@polywire/core";
import { dial } from "./dial.ts";
import { SerialListener } from "./listener.ts";
import { socketPathOf } from "./options.ts";
import { traitsFor } from "./traits.ts";

export type SerialProtocol = Protocol<"serial", Link, Exchanger, object, object>;

/** Serial lines for a network: `new Network({ protocols: [serial()] })`. Work begins with `connect` and `listen`. */
export function serial(): SerialProtocol {
  return {
    name: "serial",
    // The version of the contract that this was written for: a network refuses another.
    contractVersion: 1,
    schemes: ["serial"],
    traits: () => traitsFor(),
    links: {
      async dial(endpoint, context) {
        return dial(endpoint, context, socketPathOf(endpoint));
      },
      async listen(endpoint, accept, context) {
        return SerialListener.open(endpoint, { accept, context, path: socketPathOf(endpoint) });
      },
    },
  };
}
