import type { Server } from "node:http";
import type { Socket } from "node:net";

/** The handshakes of TLS that are under way on one server. They cost the most of all that a stranger can ask for. */
export class Handshakes {
  readonly #most: number;
  /** By the peer's address and port: Node does not say which connection has become which secure one. */
  readonly #underWay = new Map<string, Socket>();

  constructor(server: Server, most: number) {
    this.#most = most;
    server.on("secureConnection", (secured: Socket) => void this.#underWay.delete(peerOf(secured)));
  }

  /** Takes the connection, which begins its handshake now. False if there are too many: then it must go. */
  takes(connection: Socket): boolean {
    if (this.#underWay.size >= this.#most) return false;
    const peer = peerOf(connection);
    this.#underWay.set(peer, connection);
    connection.once("close", () => {
      if (this.#underWay.get(peer) === connection) this.#underWay.delete(peer);
    });
    return true;
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
