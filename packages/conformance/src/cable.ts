import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server that can be cut, and that can be slow. */
export interface Cable extends AsyncDisposable {
  /** Of 127.0.0.1: where clients connect instead of to the server. */
  readonly port: number;
  /** So long does everything take each way, in milliseconds. 0. */
  delayMs: number;
  /** Ends every connection, between any two bytes, and lets none through until it is mended. */
  cut(): void;
  /** Swallows whatever comes and tells nobody, until it is mended. A connection that has lost bytes passes nothing ever after. */
  swallow(): void;
  mend(): void;
}

/** One connection through the cable. */
interface Way {
  /** Nothing passes any more, and no end is told. */
  isLost: boolean;
}

/**
 * A TCP proxy to a server of this machine.
 *
 * @param target the server's port, asked for each connection; `undefined` while nobody listens.
 */
export async function cableTo(target: () => number | undefined): Promise<Cable> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let isSwallowing = false;
  const isSwallowed = (way: Way): boolean => {
    way.isLost ||= isSwallowing;
    return way.isLost;
  };
  const hold = (socket: Socket, other: Socket, way: Way): void => {
    sockets.add(socket);
    socket.on("error", ignore);
    socket.on("close", () => {
      sockets.delete(socket);
      if (!isSwallowed(way)) other.destroy();
    });
    const pass = inOrder(() => cable.delayMs);
    socket.on("data", (chunk) => {
      pass(() => {
        if (isSwallowed(way) || other.write(chunk)) return;
        socket.pause();
        other.once("drain", () => socket.resume());
      });
    });
    socket.on("end", () => pass(() => isSwallowed(way) || other.end()));
  };
  const proxy = createServer((near) => {
    const port = isCut ? undefined : target();
    if (port === undefined) return void near.on("error", ignore).destroy();
    const far = connect(port, "127.0.0.1");
    const way: Way = { isLost: false };
    hold(near, far, way);
    hold(far, near, way);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const cable: Cable = {
    port: (proxy.address() as AddressInfo).port,
    delayMs: 0,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    swallow() {
      isSwallowing = true;
    },
    mend() {
      isCut = false;
      isSwallowing = false;
    },
    async [Symbol.asyncDispose]() {
      cable.cut();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
  return cable;
}

/** Does one thing after the other, each after the delay that there is when it comes. */
function inOrder(delayMs: () => number): (work: () => void) => void {
  let last = 0;
  let waiting = 0;
  return (work) => {
    if (waiting === 0 && delayMs() === 0) return work();
    const dueMs = Math.max(last, performance.now() + delayMs());
    last = dueMs;
    waiting++;
    setTimeout(() => {
      waiting--;
      work();
    }, dueMs - performance.now());
  };
}

function ignore(): void {}
