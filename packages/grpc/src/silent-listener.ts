import { type Endpoint, type Listener, withPort } from "@polywire/core";
import type { GrpcServer } from "./server.ts";

/** A listener without a path: what a handler of both kinds gets for the kind that its path does not carry. */
export class SilentListener implements Listener {
  readonly endpoint: Endpoint;
  readonly #server: GrpcServer;

  constructor(endpoint: Endpoint, server: GrpcServer) {
    this.#server = server;
    this.endpoint = server.port === undefined ? endpoint : withPort(endpoint, server.port);
  }

  close(): Promise<void> {
    this.#server.release();
    return Promise.resolve();
  }
}
