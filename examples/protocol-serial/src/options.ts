import { checkOptionNames, type Endpoint, PolywireError } from "@polywire/core";

/**
 * The pipe on which a terminal server offers the line: `serial:/run/line-1`.
 *
 * @throws PolywireError `invalid-argument` for an endpoint that is none, or for options, for there are none.
 */
export function pipeOf(endpoint: Endpoint): string {
  checkOptionNames("", endpoint.options, []);
  const path = decodeURIComponent(endpoint.path);
  if (endpoint.host === "" && /^\/.*[^/]$/.test(path)) return path;
  throw new PolywireError("invalid-argument", `"${endpoint}" names no pipe: write it like serial:/run/line-1`);
}
