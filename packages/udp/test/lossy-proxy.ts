import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { seeded } from "./lossy-wire.ts";

/** What the proxy does to datagrams, both ways. */
export interface ProxyWeather {
  /** Share that gets lost. */
  loss: number;
  /** Share that is held back until the next one has passed. */
  reorder: number;
}

export interface LossyProxy extends AsyncDisposable {
  readonly port: number;
  /** Where the server is. */
  serverPort: number;
  readonly weather: ProxyWeather;
  /** Datagrams of the client that it has looked at. */
  readonly forwarded: number;
  /** Sends something of its own to the client. */
  inject(datagram: Uint8Array): void;
}

/** A user-space router between one client and a server on this machine, with a seed. */
export async function lossyProxy(
  towards: number,
  { seed, ...weather }: ProxyWeather & { readonly seed: number },
): Promise<LossyProxy> {
  const random = seeded(seed);
  const [front, back] = [await bound(), await bound()];
  let clientPort = 0;
  let forwarded = 0;
  const pass = (send: (datagram: Buffer) => void): ((datagram: Buffer) => void) => {
    let heldBack: Buffer | undefined;
    return (datagram) => {
      if (random() < weather.loss) return;
      if (heldBack === undefined && random() < weather.reorder) {
        heldBack = datagram;
        return;
      }
      send(datagram);
      if (heldBack !== undefined) send(heldBack);
      heldBack = undefined;
    };
  };
  const there = pass((datagram) => back.send(datagram, proxy.serverPort, "127.0.0.1"));
  const home = pass((datagram) => front.send(datagram, clientPort, "127.0.0.1"));
  front.on("message", (datagram, from) => {
    clientPort = from.port;
    forwarded++;
    there(datagram);
  });
  back.on("message", (datagram) => home(datagram));
  const proxy: LossyProxy = {
    serverPort: towards,
    port: front.address().port,
    weather,
    get forwarded() {
      return forwarded;
    },
    inject: (datagram) => void front.send(datagram, clientPort, "127.0.0.1"),
    async [Symbol.asyncDispose]() {
      await Promise.all([front, back].map((socket) => new Promise<void>((resolve) => void socket.close(resolve))));
    },
  };
  return proxy;
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}
