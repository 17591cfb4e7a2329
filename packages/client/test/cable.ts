import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Cable extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection between any two bytes; new ones are let through. */
  cut(): void;
}

/** A TCP proxy that can be cut. Without a target it drops whoever comes. */
export async function cableTo(target: () => number | undefined): Promise<Cable> {
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const port = target();
    if (port === undefined) {
      near.on("error", () => {});
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (proxy.address() as AddressInfo).port,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
