import type { Socket } from "node:dgram";

/** Who is told what becomes of datagrams. */
export interface WayOwner {
  /** The system took a datagram. Not told of each one. */
  sent(): void;
  /** The system could not send one. */
  failed(error: Error): void;
}

/** How the datagrams of one link leave. */
export interface Way {
  owner: WayOwner | undefined;
  /** The datagram must not change from here on. */
  transmit(datagram: Buffer): void;
  /** Bytes that the system has not taken yet. Asks the system, unless {@link isSettled} tells. */
  readonly queuedBytes: number;
  /** The system has taken every datagram of this link. */
  readonly isSettled: boolean;
  /** The process may end although the way is still there. */
  linger(): void;
  /** The link needs it no more. */
  leave(): void;
}

/** A socket of the link's own, connected to the peer. */
export class OwnWay implements Way {
  owner: WayOwner | undefined = undefined;
  readonly #socket: Socket;
  /** Datagrams that the system has not said to have taken. */
  #unsettled = 0;
  #isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  transmit(datagram: Buffer): void {
    if (this.#isClosed) return;
    this.#unsettled++;
    this.#socket.send(datagram, this.#sent);
  }

  get queuedBytes(): number {
    return this.#isClosed || this.#unsettled === 0 ? 0 : this.#socket.getSendQueueSize();
  }

  get isSettled(): boolean {
    return this.#unsettled === 0;
  }

  linger(): void {
    this.#socket.unref();
  }

  leave(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  readonly #sent = (error: Error | null): void => {
    this.#unsettled--;
    if (error === null) this.owner?.sent();
    else this.owner?.failed(error);
  };
}

/** The socket of a listener, towards one of its peers. */
export class SharedWay implements Way {
  owner: WayOwner | undefined = undefined;
  readonly #socket: Socket;
  readonly #port: number;
  readonly #address: string;
  #unsettled = 0;
  #isLeft = false;

  constructor(socket: Socket, port: number, address: string) {
    this.#socket = socket;
    this.#port = port;
    this.#address = address;
  }

  transmit(datagram: Buffer): void {
    if (this.#isLeft) return;
    this.#unsettled++;
    this.#socket.send(datagram, this.#port, this.#address, this.#sent);
  }

  get queuedBytes(): number {
    return this.#isLeft || this.#unsettled === 0 ? 0 : this.#socket.getSendQueueSize();
  }

  get isSettled(): boolean {
    return this.#unsettled === 0;
  }

  linger(): void {}

  leave(): void {
    this.#isLeft = true;
  }

  readonly #sent = (error: Error | null): void => {
    this.#unsettled--;
    if (error === null) this.owner?.sent();
    else this.owner?.failed(error);
  };
}
