import { checkBooleanOption, checkOptionNames, type Endpoint, PolywireError } from "@polywire/core";

/** Goes with `network.connect("mywire://…")` and `network.listen("mywire://…")`. */
export interface MywireOptions {
  /** Small writes leave at once instead of waiting for company. True. */
  readonly noDelay?: boolean;
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function readOptions({ options }: Endpoint): Required<MywireOptions> {
  checkOptionNames("", options, ["noDelay"]);
  const { noDelay = true } = options as MywireOptions;
  checkBooleanOption("noDelay", noDelay);
  return { noDelay };
}

/** @throws PolywireError `invalid-argument` for an endpoint that is no place. */
export function checkAddress(endpoint: Endpoint): void {
  if (endpoint.host !== "" && endpoint.port !== undefined) return;
  throw new PolywireError(
    "invalid-argument",
    `"${endpoint}" names no host and port: write it like mywire://127.0.0.1:7000`,
  );
}
