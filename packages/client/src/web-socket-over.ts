import type { AnyProtocol, Network } from "@polywire/core";
import { completeOptions, type WebSocketOverOptions } from "./options.ts";
import { LinkWebSocket } from "./web-socket.ts";

/** What the SDK's option `websocket` takes. */
export interface LinkWebSocketClass {
  new (url: string, subprotocols?: string | readonly string[]): LinkWebSocket;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
}

/**
 * A WebSocket class over the network's wires, for the option `websocket` of the official SDK:
 *
 * `new Centrifuge("tcp://127.0.0.1:7000", { websocket: webSocketOver(network) })`
 *
 * Reconnecting and recovery stay the SDK's. A dial that no retry can help (a wrong option, a scheme that no protocol
 * carries) ends the client for good: its `disconnected` event has code 4500 and says what is wrong.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function webSocketOver<const Protocols extends readonly AnyProtocol[]>(
  network: Network<Protocols>,
  options: WebSocketOverOptions<Protocols> = {},
): LinkWebSocketClass {
  const settings = completeOptions(options as WebSocketOverOptions);
  const dialling = network as unknown as Network<readonly AnyProtocol[]>;
  return class NetworkWebSocket extends LinkWebSocket {
    constructor(url: string, subprotocols: string | readonly string[] = []) {
      super(url, { network: dialling, settings, subprotocols: [subprotocols].flat() });
    }
  };
}
