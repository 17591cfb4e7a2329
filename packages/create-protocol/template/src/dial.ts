import { connect } from "node:net";
import { type DialContext, type Endpoint, type Link, PolywireError } from "@polywire/core";
import { MywireLink } from "./link.ts";
import type { MywireOptions } from "./options.ts";

/** Fulfilled with an open link. The context's signal ends it early, with its own reason. */
export function dial(endpoint: Endpoint, context: DialContext, { noDelay }: Required<MywireOptions>): Promise<Link> {
  const { host, port = 0 } = endpoint;
  const purpose = `connect to "${endpoint}"`;
  return new Promise((resolve, reject) => {
    context.signal.throwIfAborted();
    const socket = connect({ host, port, noDelay });
    // Nothing is read before the link is opened.
    socket.pause();
    const fail = (error: unknown): void => {
      context.signal.removeEventListener("abort", abort);
      reject(error);
      socket.destroy();
    };
    const abort = (): void => fail(context.signal.reason);
    const failed = (thrown: Error): void => fail(PolywireError.from(thrown, "handshake-failed", purpose));
    context.signal.addEventListener("abort", abort, { once: true });
    socket.on("error", failed);
    socket.once("connect", () => {
      context.signal.removeEventListener("abort", abort);
      context.mark("connect");
      const link = new MywireLink(socket, context, () => {});
      socket.off("error", failed);
      link.handOver();
      resolve(link);
    });
  });
}
