import { type LinkLimits, type Traits } from "@polywire/core";
/** What every link promises. Each claim is a law that `npm test` holds the protocol to. */
export declare function traitsFor({ maxMessageBytes }?: LinkLimits): Traits;
//# sourceMappingURL=traits.d.ts.map
