import type { AnyProtocol, Request } from "@polywire/core";

/** What the laws are held against: a protocol, and how to reach it on this machine. */
export interface Subject {
  /** A fresh protocol for every law, as a program would make it. */
  protocol(): AnyProtocol;
  /** Where to listen. With port 0, so that laws never meet: `ws://127.0.0.1:0/conformance`. No law listens twice at once. */
  readonly url: string;
  /**
   * The protocol's own options for every dial, such as the certificate to trust. Where bodies are bounded, and `traits.duplex`
   * is true, both sides need room for 64 MiB.
   */
  readonly dialOptions?: Readonly<Record<string, unknown>>;
  /** The protocol's own options for every listener, such as key and certificate. */
  readonly listenOptions?: Readonly<Record<string, unknown>>;
  /** Dial options with which the listener's certificate is not to be trusted. Only for wires with TLS. */
  readonly untrusting?: Readonly<Record<string, unknown>>;
  /** Dial options that offer these subprotocols. Only for wires that have subprotocols. */
  readonly offering?: (subprotocols: readonly string[]) => Readonly<Record<string, unknown>>;
  /**
   * How this wire names what a request is for, where that is not an HTTP method and a path: gRPC's method is a path of
   * its own. `path` may have a query.
   */
  readonly naming?: (method: string, path: string) => Pick<Request, "method" | "path">;
  /** Multiplies every deadline: below 1 for a machine in a hurry, above for a busy one. */
  readonly patience?: number;
}
