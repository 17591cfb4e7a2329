import type { Exchanger, Link, Protocol } from "@polywire/core";
import { dial } from "./dial.ts";
import { MywireListener } from "./listener.ts";
import { checkAddress, type MywireOptions, readOptions } from "./options.ts";
import { traitsFor } from "./traits.ts";

export type { MywireOptions } from "./options.ts";

export type MywireProtocol = Protocol<"mywire", Link, Exchanger, MywireOptions, MywireOptions>;

/** The wire for a network: `new Network({ protocols: [mywire()] })`. Work begins with `connect` and `listen`. */
export function mywire(): MywireProtocol {
  return {
    name: "mywire",
    // The version of the contract that this was written for: a network refuses another.
    contractVersion: 1,
    schemes: ["mywire"],
    traits: () => traitsFor(),
    links: {
      async dial(endpoint, context) {
        checkAddress(endpoint);
        return dial(endpoint, context, readOptions(endpoint));
      },
      async listen(endpoint, accept, context) {
        checkAddress(endpoint);
        return MywireListener.open(endpoint, { accept, context, options: readOptions(endpoint) });
      },
    },
  };
}
