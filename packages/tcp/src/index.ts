import {
  type Endpoint,
  type Exchanger,
  type HalfClosable,
  type Link,
  Lookups,
  PolywireError,
  type Protocol,
} from "@polywire/core";
import { dial } from "./dial.ts";
import { TcpListener } from "./listener.ts";
import {
  completeDialOptions,
  completeListenOptions,
  completeOptions,
  type TcpDialOptions,
  type TcpListenOptions,
  type TcpOptions,
} from "./options.ts";
import { socketPath } from "./socket-path.ts";
import { traitsFor } from "./traits.ts";

export type { FramingName } from "./frame.ts";
export type { TcpListener } from "./listener.ts";
export type { TcpDialOptions, TcpListenOptions, TcpOptions, TcpTlsDialOptions } from "./options.ts";

/** One TCP connection. */
export interface TcpLink extends Link, HalfClosable {}

export type TcpProtocol = Protocol<
  "tcp" | "tcps" | "unix",
  TcpLink,
  Exchanger,
  TcpDialOptions,
  TcpListenOptions,
  TcpListener
>;

/**
 * TCP, TLS over TCP and Unix sockets for a network: `new Network({ protocols: [tcp()] })`. The options given here hold for
 * every link; those given along with a URL win.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function tcp(options: TcpOptions = {}): TcpProtocol {
  const defaults = completeOptions(options);
  const lookups = new Lookups();
  return {
    name: "tcp",
    // The version this package was written for: never what the installed core says of itself.
    contractVersion: 1,
    schemes: ["tcp", "tcps", "unix"],
    traits: ({ options: given }) => traitsFor((given as TcpOptions).framing ?? defaults.framing),
    links: {
      async dial(endpoint, context) {
        checkAddress(endpoint);
        const complete = completeDialOptions(endpoint, defaults);
        return dial(endpoint, context, { ...complete, lookup: lookups.paced(complete.lookup, context) });
      },
      async listen(endpoint, accept, context) {
        checkAddress(endpoint);
        return TcpListener.open(endpoint, accept, { context, options: completeListenOptions(endpoint, defaults) });
      },
    },
  };
}

/** @throws PolywireError `invalid-argument` for an endpoint that is no place. */
function checkAddress(endpoint: Endpoint): void {
  if (endpoint.scheme === "unix") {
    socketPath(endpoint);
    return;
  }
  const { scheme, host, port, path, query } = endpoint;
  const example = `write it like ${scheme}://127.0.0.1:7000`;
  if (host === "") throw new PolywireError("invalid-argument", `"${endpoint}" names no host: ${example}`);
  if (port === undefined) throw new PolywireError("invalid-argument", `"${endpoint}" names no port: ${example}`);
  if ((path !== "" && path !== "/") || query !== "") {
    throw new PolywireError(
      "invalid-argument",
      `"${endpoint}" has a path or query, which TCP cannot carry: ${example}`,
    );
  }
}
