import { once } from "node:events";
import net from "node:net";

export interface Cable extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection and lets none through until it is mended. */
  cut(): void;
  mend(): void;
}

/** A TCP proxy that can be cut like a cable. */
export async function cableTo(target: () => number): Promise<Cable> {
  const sockets = new Set<net.Socket>();
  let isCut = false;
  const proxy = net.createServer((near) => {
    if (isCut) return near.destroy();
    const far = net.connect(target(), "127.0.0.1");
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
    return undefined;
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (proxy.address() as net.AddressInfo).port,
    cut,
    mend: () => void (isCut = false),
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
