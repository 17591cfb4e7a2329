import { createServer, type Server, type Socket } from "node:net";
import { type Admission, type Endpoint, type Link, type ListenContext, type Listener, listenAt } from "@polywire/core";
import { SerialLink } from "./link.ts";

interface ListenerParts {
  readonly accept: (link: Link) => void;
  readonly context: ListenContext;
  readonly path: string;
}

/** A bound address: judges whoever comes and makes links of those that are welcome. */
export class SerialListener implements Listener {
  readonly endpoint: Endpoint;
  readonly #server: Server;
  readonly #accept: (link: Link) => void;
  readonly #context: ListenContext;
  /** Peers that are being judged. */
  readonly #arriving = new Set<Socket>();
  #links = 0;
  #isClosed = false;

  private constructor(server: Server, endpoint: Endpoint, { accept, context }: ListenerParts) {
    this.endpoint = endpoint;
    this.#server = server;
    this.#accept = accept;
    this.#context = context;
    server.on("connection", (socket: Socket) => this.#arrived(socket));
  }

  /** Fulfilled when bound. */
  static async open(endpoint: Endpoint, parts: ListenerParts): Promise<SerialListener> {
    const server = createServer({ pauseOnConnect: true });
    await listenAt(server, { path: parts.path }, endpoint);
    return new SerialListener(server, endpoint, parts);
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#server.close();
    for (const socket of this.#arriving) socket.destroy();
    return Promise.resolve();
  }

  #arrived(socket: Socket): void {
    socket.on("error", destroySocket);
    const { maxLinks, maxHandshakes, handshakeTimeoutMs } = this.#context.limits;
    const isFull = this.#links + this.#arriving.size >= maxLinks;
    if (isFull || this.#arriving.size >= maxHandshakes) {
      this.#context.turnedAway(isFull ? "full" : "busy");
      socket.destroy();
      return;
    }
    this.#arriving.add(socket);
    const timer = this.#context.clock.setTimer(() => socket.destroy(), handshakeTimeoutMs);
    const judged = (verdict: Admission): void => {
      timer.cancel();
      this.#arriving.delete(socket);
      if (!verdict.accepted || this.#isClosed) socket.destroy();
      else if (!socket.destroyed) this.#established(socket);
    };
    socket.once("close", () => {
      timer.cancel();
      this.#arriving.delete(socket);
    });
    const verdict = this.#context.admit({ address: "serial line", secure: false });
    if (verdict instanceof Promise) void verdict.then(judged);
    else judged(verdict);
  }

  #established(socket: Socket): void {
    this.#links++;
    const link = new SerialLink(socket, this.#context, () => {
      this.#links--;
    });
    socket.off("error", destroySocket);
    this.#accept(link);
    link.handOver();
  }
}

/** The error handler of a socket that is nobody else's yet. */
function destroySocket(this: Socket): void {
  this.destroy();
}
