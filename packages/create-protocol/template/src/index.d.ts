import type { Exchanger, Link, Protocol } from "@polywire/core";
import { type MywireOptions } from "./options.ts";

export type { MywireOptions } from "./options.ts";
export type MywireProtocol = Protocol<"mywire", Link, Exchanger, MywireOptions, MywireOptions>;
/** The wire for a network: `new Network({ protocols: [mywire()] })`. Work begins with `connect` and `listen`. */
export declare function mywire(): MywireProtocol;
//# sourceMappingURL=index.d.ts.map
