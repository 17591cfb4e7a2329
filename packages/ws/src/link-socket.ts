import { WebSocket } from "ws";

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

/** The library's socket, with who listens to it: the functions below serve all sockets, so that one costs no closures. */
export class LinkSocket extends WebSocket {
  #listener: SocketListener | undefined = undefined;

  listen(listener: SocketListener): void {
    this.#listener = listener;
    this.on("message", onMessage);
    this.on("ping", onPing);
    this.on("pong", onPong);
    this.on("error", onError);
    this.on("close", onClose);
  }

  static listenerOf(socket: WebSocket): SocketListener {
    return (socket as LinkSocket).#listener as SocketListener;
  }
}

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  LinkSocket.listenerOf(this).received(data as Buffer, isBinary);
}

function onPing(this: WebSocket, data: Buffer): void {
  LinkSocket.listenerOf(this).pinged(data);
}

function onPong(this: WebSocket, data: Buffer): void {
  LinkSocket.listenerOf(this).ponged(data);
}

function onError(this: WebSocket, error: Error): void {
  LinkSocket.listenerOf(this).failed(error);
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  LinkSocket.listenerOf(this).lost(code, reason);
}
