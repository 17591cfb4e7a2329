import { type Endpoint, type Link, type ListenContext, type Listener } from "@polywire/core";
import type { MywireOptions } from "./options.ts";

interface ListenerParts {
  readonly context: ListenContext;
  readonly options: Required<MywireOptions>;
}
/** A bound address: judges whoever comes and makes links of those that are welcome. */
export declare class MywireListener implements Listener {
  #private;
  readonly endpoint: Endpoint;
  private constructor();
  /** Fulfilled when bound. */
  static open(
    endpoint: Endpoint,
    accept: (link: Link) => void,
    { context, options }: ListenerParts,
  ): Promise<MywireListener>;
  close(): Promise<void>;
}
export {};
//# sourceMappingURL=listener.d.ts.map
