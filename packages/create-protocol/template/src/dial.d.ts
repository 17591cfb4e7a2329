import { type DialContext, type Endpoint, type Link } from "@polywire/core";
import type { MywireOptions } from "./options.ts";
/** Fulfilled with an open link. The context's signal ends it early, with its own reason. */
export declare function dial(
  { host, port, ...endpoint }: Endpoint,
  context: DialContext,
  { noDelay }: Required<MywireOptions>,
): Promise<Link>;
//# sourceMappingURL=dial.d.ts.map
