import { type Endpoint } from "@polywire/core";
/** Goes with `network.connect("mywire://…")` and `network.listen("mywire://…")`. */
export interface MywireOptions {
  /** Small writes leave at once instead of waiting for company. True. */
  readonly noDelay?: boolean;
}
/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export declare function readOptions({ options }: Endpoint): Required<MywireOptions>;
/** @throws PolywireError `invalid-argument` for an endpoint that is no place. */
export declare function checkAddress(endpoint: Endpoint): void;
//# sourceMappingURL=options.d.ts.map
