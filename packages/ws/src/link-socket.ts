import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { SocketSettings } from "./settings.ts";

/** What the library tells of one socket. */
export interface SocketListener {
  /** A whole message. */
  received(data: Buffer, isBinary: boolean): void;
  pinged(data: Buffer): void;
  ponged(data: Buffer): void;
  /** The peer sent what may not be sent. The library has answered with the close frame. */
  failed(thrown: Error): void;
  /** The socket is gone. */
  lost(code: number, reason: Buffer): void;
}

/**
 * The library's socket. What it tells goes straight to its one listener: five registrations for each socket would take
 * more time and memory than all else that a link adds to it.
 */
export class LinkSocket extends WebSocket {
  #listener: SocketListener | undefined = undefined;

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  override emit(name: string | symbol, first?: unknown, second?: unknown): boolean {
    const listener = this.#listener;
    if (listener === undefined) return super.emit(name, first, second);
    switch (name) {
      case "message":
        listener.received(first as Buffer, second as boolean);
        return true;
      case "ping":
        listener.pinged(first as Buffer);
        return true;
      case "pong":
        listener.ponged(first as Buffer);
        return true;
      case "error":
        listener.failed(first as Error);
        return true;
      case "close":
        listener.lost(first as number, second as Buffer);
        return true;
      default:
        return super.emit(name, first, second);
    }
  }
}

/** What the library itself does with a socket after the handshake. Its sources describe it, its manual does not. */
interface Adopting {
  setSocket(socket: Socket, head: Buffer, settings: SocketSettings): void;
}

const Unopened = LinkSocket as unknown as new (
  address: null,
  subprotocols: undefined,
  settings: SocketSettings,
) => LinkSocket & Adopting;

/** Whether the installed version of the library has what {@link adopt} needs. Without it all is left to the library. */
export const canAdopt: boolean = typeof (LinkSocket.prototype as Partial<Adopting>).setSocket === "function";

/** A socket whose handshake was answered here: the library takes it over as it does after a handshake of its own. */
export function adopt(socket: Socket, head: Buffer, settings: SocketSettings): LinkSocket {
  const webSocket = new Unopened(null, undefined, settings);
  webSocket.setSocket(socket, head, settings);
  return webSocket;
}
