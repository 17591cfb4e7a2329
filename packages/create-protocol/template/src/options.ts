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

/** @throws PolywireError `invalid-argument` for an endpoint that is no place, or says more than this wire can tell. */
export function checkAddress(endpoint: Endpoint): void {
  const { host, port, path, query } = endpoint;
  const isPlace = host !== "" && port !== undefined;
  if (isPlace && path.replace("/", "") === "" && query === "") return;
  const problem = isPlace ? "has a path or query, which this wire does not carry" : "names no host and port";
  throw new PolywireError("invalid-argument", `"${endpoint}" ${problem}: write it like mywire://127.0.0.1:7000`);
}
