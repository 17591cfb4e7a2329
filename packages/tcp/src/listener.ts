import type { Server, Socket } from "node:net";
import {
  type Admission,
  type Endpoint,
  type ListenContext,
  type Listener,
  PolywireError,
  type Timer,
  type TurnedAway,
  withPort,
} from "@polywire/core";
import { FRAMINGS } from "./frame.ts";
import { type LinkPlace, TcpLink } from "./link.ts";
import type { CompleteListenOptions } from "./options.ts";
import { SocketPeer } from "./peer.ts";
import { bind, createServer } from "./server.ts";
import { traitsFor } from "./traits.ts";

/** A bound address: judges peers and turns their connections into links. */
export class TcpListener implements Listener {
  readonly endpoint: Endpoint;
  readonly server: Server;
  readonly #accept: (link: TcpLink) => void;
  readonly #context: ListenContext;
  readonly #place: LinkPlace;
  /** Connections without a link yet: in the middle of TLS, or being judged. */
  readonly #handshakes = new Map<Socket, Timer>();
  #links = 0;
  #isClosed = false;

  private constructor(
    endpoint: Endpoint,
    accept: (link: TcpLink) => void,
    { server, context, options }: { server: Server; context: ListenContext; options: CompleteListenOptions },
  ) {
    const { clock, limits, logger, turn } = context;
    const address = server.address();
    this.endpoint = typeof address === "object" && address !== null ? withPort(endpoint, address.port) : endpoint;
    this.server = server;
    this.#accept = accept;
    this.#context = context;
    this.#place = {
      traits: traitsFor(options.framing, limits),
      framing: FRAMINGS[options.framing],
      limits,
      clock,
      turn,
      logger,
      deadlines: options,
      canReset: endpoint.scheme === "tcp",
      gone: () => {
        this.#links--;
      },
    };
    server.on("connection", (socket: Socket) => this.#connected(socket));
    if (endpoint.scheme === "tcps") {
      // The raw socket's place goes over to the one that TLS made of it.
      server.on("secureConnection", (socket: Socket) => this.#secured(socket));
      server.on("tlsClientError", (thrown: Error, socket: Socket) => {
        const error = PolywireError.from(thrown, "handshake-failed", `TLS with a peer of "${this.endpoint}"`);
        logger.log("debug", "tcp", "a TLS handshake failed", { error });
        this.#turnAway(socket, "malformed");
      });
    }
  }

  /** Fulfilled when bound. */
  static async open(
    endpoint: Endpoint,
    accept: (link: TcpLink) => void,
    { context, options }: { context: ListenContext; options: CompleteListenOptions },
  ): Promise<TcpListener> {
    const server = createServer(endpoint, options, context.limits);
    await bind(server, endpoint, options);
    return new TcpListener(endpoint, accept, { server, context, options });
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.server.close();
    for (const socket of this.#handshakes.keys()) socket.destroy();
    return Promise.resolve();
  }

  #connected(socket: Socket): void {
    // Somebody who watches the server too has refused it.
    if (socket.destroyed) return;
    socket.on("error", destroySocket);
    const { maxLinks, maxHandshakes, handshakeTimeoutMs } = this.#context.limits;
    const isFull = this.#links + this.#handshakes.size >= maxLinks;
    if (isFull || this.#handshakes.size >= maxHandshakes) return this.#turnAway(socket, isFull ? "full" : "busy");
    const timer = this.#context.clock.setTimer(() => this.#turnAway(socket, "late"), handshakeTimeoutMs);
    this.#handshakes.set(socket, timer);
    socket.once("close", () => this.#handshakeOver(socket));
    if (this.endpoint.scheme !== "tcps") this.#judge(socket, socket);
  }

  #turnAway(socket: Socket, cause: TurnedAway): void {
    this.#context.turnedAway(cause);
    socket.destroy();
  }

  #secured(socket: Socket): void {
    socket.on("error", destroySocket);
    const raw = [...this.#handshakes.keys()].find((each) => isSameConnection(each, socket));
    if (raw === undefined) socket.destroy();
    else this.#judge(socket, raw);
  }

  /** @param connection whose place in the handshakes it has */
  #judge(socket: Socket, connection: Socket): void {
    socket.pause();
    const verdict = this.#context.admit(new SocketPeer(socket));
    if (verdict instanceof Promise) void verdict.then((given) => this.#answer(socket, connection, given));
    else this.#answer(socket, connection, verdict);
  }

  #answer(socket: Socket, connection: Socket, verdict: Admission): void {
    if (socket.destroyed) return;
    this.#handshakeOver(connection);
    // TCP has no words for a refusal.
    if (this.#isClosed || !verdict.accepted) {
      socket.destroy();
      return;
    }
    this.#links++;
    const link = new TcpLink(socket, new SocketPeer(socket), this.#place);
    socket.off("error", destroySocket);
    try {
      this.#accept(link);
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", `accept on "${this.endpoint}"`);
      this.#context.logger.log("error", "tcp", "a link could not be handed over", { error });
      socket.destroy();
    }
    link.handOver();
  }

  #handshakeOver(socket: Socket): void {
    this.#handshakes.get(socket)?.cancel();
    this.#handshakes.delete(socket);
  }
}

function isSameConnection(one: Socket, other: Socket): boolean {
  return one.remotePort === other.remotePort && one.remoteAddress === other.remoteAddress;
}

/** The error handler of a socket that is nobody else's yet. */
function destroySocket(this: Socket): void {
  this.destroy();
}
