import { type Endpoint, PolywireError } from "@polywire/core";

/** Longest path of a Unix socket, on every system. */
const MAX_PATH_BYTES = 103;

/**
 * The file of a Unix socket: `unix:/run/polywire.sock`.
 *
 * @throws PolywireError `invalid-argument`.
 */
export function socketPath(endpoint: Endpoint): string {
  const path = decodeURIComponent(endpoint.path);
  if (endpoint.host !== "" || !path.startsWith("/") || path.endsWith("/")) {
    throw new PolywireError("invalid-argument", `"${endpoint}" names no socket: write it like unix:/run/polywire.sock`);
  }
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new PolywireError(
      "invalid-argument",
      `the path of "${endpoint}" is over ${MAX_PATH_BYTES} bytes: shorten it`,
    );
  }
  return path;
}
