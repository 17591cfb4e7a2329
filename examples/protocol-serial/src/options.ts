import { checkOptionNames, type Endpoint, PolywireError } from "@polywire/core";

/** Longest path of a Unix socket, on every system. */
const MAX_PATH_BYTES = 103;

/**
 * The Unix socket on which a terminal server offers the line: `serial:/run/line-1`.
 *
 * @throws PolywireError `invalid-argument` for an endpoint that names none, or for options, for there are none.
 */
export function socketPathOf(endpoint: Endpoint): string {
  checkOptionNames("", endpoint.options, []);
  const { host, query } = endpoint;
  const path = decoded(endpoint.path);
  const isFile = /^\/.*[^/]$/.test(path) && !path.includes("\0");
  if (host !== "" || query !== "" || !isFile)
    throw unfit(endpoint, "names no socket: write it like serial:/run/line-1");
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw unfit(endpoint, `is over ${MAX_PATH_BYTES} bytes: shorten it`);
  return path;
}

/** Nothing for an escape that is none. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "";
  }
}

function unfit(endpoint: Endpoint, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `"${endpoint}" ${problem}`);
}
