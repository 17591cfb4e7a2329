import { connect } from "node:net";
import { type DialContext, type Endpoint, type Link, PolywireError } from "@polywire/core";
import { SerialLink } from "./link.ts";

/** Fulfilled with an open link. The context's signal ends it early, with its own reason. */
export function dial(endpoint: Endpoint, context: DialContext, path: string): Promise<Link> {
  const purpose = `connect to "${endpoint}"`;
  return new Promise((resolve, reject) => {
    context.signal.throwIfAborted();
    const socket = connect({ path });
    // Nothing is read before the link is opened.
    socket.pause();
    const fail = (error: unknown): void => {
      context.signal.removeEventListener("abort", abort);
      reject(error);
      socket.destroy();
    };
    const abort = (): void => fail(context.signal.reason);
    const failed = (thrown: Error & { code?: string }): void => {
      // A socket that is not there is a terminal server that is not there.
      const isMissing = thrown.code === "ENOENT";
      const refused = new PolywireError("connection-refused", `${purpose}: there is no such socket`, { cause: thrown });
      fail(isMissing ? refused : PolywireError.from(thrown, "handshake-failed", purpose));
    };
    context.signal.addEventListener("abort", abort, { once: true });
    socket.on("error", failed);
    socket.once("connect", () => {
      context.signal.removeEventListener("abort", abort);
      context.mark("connect");
      const link = new SerialLink(socket, context, () => {});
      socket.off("error", failed);
      link.handOver();
      resolve(link);
    });
  });
}
