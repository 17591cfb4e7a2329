import { createServer, type Server, type Socket } from "node:net";
import {
  type Admission,
  type Endpoint,
  type Link,
  type ListenContext,
  type Listener,
  listenAt,
  type TurnedAway,
  withPort,
} from "@polywire/core";
import { MywireLink } from "./link.ts";
import type { MywireOptions } from "./options.ts";

interface ListenerParts {
  readonly accept: (link: Link) => void;
  readonly context: ListenContext;
  readonly options: Required<MywireOptions>;
}

/** A bound address: judges whoever comes and makes links of those that are welcome. */
export class MywireListener implements Listener {
  readonly endpoint: Endpoint;
  readonly #server: Server;
  readonly #accept: (link: Link) => void;
  readonly #context: ListenContext;
  /** Peers that are being judged. */
  readonly #arriving = new Set<Socket>();
  #links = 0;
  #isClosed = false;

  private constructor(server: Server, endpoint: Endpoint, { accept, context }: ListenerParts) {
    const address = server.address();
    this.endpoint = typeof address === "object" && address !== null ? withPort(endpoint, address.port) : endpoint;
    this.#server = server;
    this.#accept = accept;
    this.#context = context;
    server.on("connection", (socket: Socket) => this.#arrived(socket));
  }

  /** Fulfilled when bound. */
  static async open(endpoint: Endpoint, parts: ListenerParts): Promise<MywireListener> {
    const server = createServer({ pauseOnConnect: true, noDelay: parts.options.noDelay });
    await listenAt(server, { host: endpoint.host, port: endpoint.port ?? 0 }, endpoint);
    return new MywireListener(server, endpoint, parts);
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#server.close();
    for (const socket of this.#arriving) socket.destroy();
    return Promise.resolve();
  }

  #turnAway(socket: Socket, cause: TurnedAway): void {
    this.#context.turnedAway(cause);
    socket.destroy();
  }

  #arrived(socket: Socket): void {
    socket.on("error", destroySocket);
    const { maxLinks, maxHandshakes, handshakeTimeoutMs } = this.#context.limits;
    // Break me: without the next line one law is broken, and its name says which.
    if (this.#links + this.#arriving.size >= maxLinks) return this.#turnAway(socket, "full");
    if (this.#arriving.size >= maxHandshakes) return this.#turnAway(socket, "busy");
    this.#arriving.add(socket);
    const timer = this.#context.clock.setTimer(() => this.#turnAway(socket, "late"), handshakeTimeoutMs);
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
    const { remoteAddress: address, remotePort: port } = socket;
    const verdict = this.#context.admit({ address, port, secure: false });
    if (verdict instanceof Promise) void verdict.then(judged);
    else judged(verdict);
  }

  #established(socket: Socket): void {
    this.#links++;
    const link = new MywireLink(socket, this.#context, () => {
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
