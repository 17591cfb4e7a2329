import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type Accepted, certificateOf, keptHeaders, type Peer, type PeerCertificate } from "@polywire/core";
import { RequestHeaders } from "./request-headers.ts";
import type { Target } from "./upgrade.ts";

/** What the peer of a link asked for. */
export interface PeerRequest {
  readonly path: string;
  readonly query: string;
  readonly subprotocol: string | undefined;
  readonly headers: ReadonlyMap<string, string> | undefined;
}

/**
 * The other side of a socket. Its address and certificate are looked up when they are asked for, because each costs a
 * system call that most links never need.
 */
export class SocketPeer implements Peer {
  readonly path: string;
  readonly query: string;
  readonly subprotocol: string | undefined;
  readonly headers: ReadonlyMap<string, string> | undefined;
  readonly #socket: Socket;

  constructor(socket: Socket, { path, query, subprotocol, headers }: PeerRequest) {
    this.#socket = socket;
    this.path = path;
    this.query = query;
    this.subprotocol = subprotocol;
    this.headers = headers;
  }

  get secure(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  get address(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get port(): number | undefined {
    return this.#socket.remotePort;
  }

  get certificate(): PeerCertificate | undefined {
    return this.#socket instanceof TLSSocket && this.#socket.authorized
      ? certificateOf(this.#socket.getPeerX509Certificate())
      : undefined;
  }
}

/** The peer of a handshake, with everything its request says. */
export class UpgradePeer extends SocketPeer {
  constructor(request: IncomingMessage, target: Target) {
    const { path, query } = target;
    super(request.socket, { path, query, subprotocol: undefined, headers: new RequestHeaders(request.headers) });
  }

  get offeredSubprotocols(): readonly string[] {
    const list = this.headers?.get("sec-websocket-protocol");
    return list === undefined ? [] : list.split(",").map((name) => name.trim());
  }

  /** The peer of the link: it holds no headers that admission did not ask for. */
  kept(socket: Socket, { subprotocol, keepHeaders }: Partial<Accepted> = {}): SocketPeer {
    const { path, query } = this;
    return new SocketPeer(socket, { path, query, subprotocol, headers: keptHeaders(this.headers, keepHeaders) });
  }
}
