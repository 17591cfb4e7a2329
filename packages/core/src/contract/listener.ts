import type { Endpoint } from "./endpoint.ts";

/** A bound address that turns arriving peers into links or exchanges. Made by a protocol plugin. */
export interface Listener {
  /** What it is bound to, with the port that the system gave for port 0. */
  readonly endpoint: Endpoint;
  /** What it listens with, where another protocol can share it: a Node HTTP server, for one. */
  readonly server?: unknown;
  /**
   * Stops accepting at once; fulfilled when the address is free again. Established links live on: they belong to who
   * holds them. Handshakes under way are refused. Idempotent.
   */
  close(): Promise<void>;
}
