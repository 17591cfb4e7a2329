import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server that can be cut. */
export interface Cable extends AsyncDisposable {
  /** Of 127.0.0.1: where clients connect instead of to the server. */
  readonly port: number;
  /** Ends every connection, between any two bytes, and lets none through until it is mended. */
  cut(): void;
  mend(): void;
}

/**
 * A TCP proxy to a server of this machine.
 *
 * @param target the server's port, asked for each connection; `undefined` while nobody listens.
 */
export async function cableTo(target: () => number | undefined): Promise<Cable> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const hold = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.on("error", ignore);
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  };
  const proxy = createServer((near) => {
    const port = isCut ? undefined : target();
    if (port === undefined) return void near.on("error", ignore).destroy();
    const far = connect(port, "127.0.0.1");
    hold(near, far);
    hold(far, near);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (proxy.address() as AddressInfo).port,
    cut,
    mend() {
      isCut = false;
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

function ignore(): void {}
