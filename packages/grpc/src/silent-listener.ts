import type { Http2Server } from "node:http2";
import { type Endpoint, withPort } from "@polywire/core";
import type { GrpcListener } from "./listener.ts";
import type { GrpcServer } from "./server.ts";

/** A listener without a path: what a handler of both kinds gets for the kind that its path does not carry. */
export class SilentListener implements GrpcListener {
  readonly endpoint: Endpoint;
  readonly server: Http2Server;
  readonly #server: GrpcServer;

  constructor(endpoint: Endpoint, server: GrpcServer) {
    this.#server = server;
    this.server = server.server;
    this.endpoint = server.port === undefined ? endpoint : withPort(endpoint, server.port);
  }

  close(): Promise<void> {
    this.#server.release();
    return Promise.resolve();
  }
}
