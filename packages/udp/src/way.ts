import type { Socket } from "node:dgram";
import type { Flushable, HostContext } from "@polywire/core";
import type { Source } from "./peer.ts";

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
  /** The datagram must not change while bytes are queued. */
  transmit(datagram: Buffer): void;
  /** Bytes that the system has not taken yet, those of other links of the socket included. */
  readonly queuedBytes: number;
  /** The process may end although the way is still there. */
  linger(): void;
  /** The link needs it no more. */
  leave(): void;
}

/**
 * Datagrams of a turn whose receipt is asked for: what the system says of these it says of the others. There are two, for
 * a socket tells of a peer's absence once: the first may leave before that is known, and the second be what it is told to.
 */
const RECEIPTS_PER_TURN = 2;
/** Every network carries so many bytes: 1,280 (RFC 8200, section 5) less two headers. A larger one may fail on its own. */
const SAFE_BYTES = 1_232;

/**
 * Datagrams through a socket. A receipt costs as much as all else here does together, so not every datagram has one; none
 * that is behind others in the system's queue goes without, and so the owner always hears of the queue's end.
 */
abstract class SocketWay implements Way, Flushable {
  owner: WayOwner | undefined = undefined;
  protected readonly socket: Socket;
  protected isLeft = false;
  readonly #turn: HostContext["turn"];
  readonly #receiptAboveBytes: number;
  /** Of this turn. */
  #receipts = 0;
  /** Receipts that were asked for and have not come. */
  #awaited = 0;
  /** Datagrams without a receipt may be in the queue. */
  #isUnsure = false;
  #isQueueing = false;

  constructor(socket: Socket, { turn, limits }: HostContext) {
    this.socket = socket;
    this.#turn = turn;
    this.#receiptAboveBytes = Math.min(SAFE_BYTES, limits.waitAboveBytes);
  }

  protected abstract send(datagram: Buffer, receipt?: (error: Error | null) => void): void;
  abstract linger(): void;
  abstract leave(): void;

  transmit(datagram: Buffer): void {
    if (this.isLeft) return;
    if (this.#receipts === RECEIPTS_PER_TURN && !this.#isQueueing && datagram.length <= this.#receiptAboveBytes) {
      this.#isUnsure = true;
      return this.send(datagram);
    }
    if (this.#receipts === 0) this.#turn.schedule(this);
    if (this.#receipts < RECEIPTS_PER_TURN) this.#receipts++;
    this.#awaited++;
    this.send(datagram, this.#received);
  }

  get queuedBytes(): number {
    if (this.isLeft || (this.#awaited === 0 && !this.#isUnsure)) return 0;
    const queuedBytes = this.socket.getSendQueueSize();
    this.#isQueueing = queuedBytes > 0;
    if (!this.#isQueueing) this.#isUnsure = false;
    return queuedBytes;
  }

  /** The turn is over. */
  flush(): void {
    this.#receipts = 0;
  }

  readonly #received = (error: Error | null): void => {
    this.#awaited--;
    if (error === null) this.owner?.sent();
    else this.owner?.failed(error);
  };
}

/** A socket of the link's own, connected to the peer. */
export class OwnWay extends SocketWay {
  linger(): void {
    this.socket.unref();
  }

  leave(): void {
    if (this.isLeft) return;
    this.isLeft = true;
    this.socket.close();
  }

  protected send(datagram: Buffer, receipt?: (error: Error | null) => void): void {
    this.socket.send(datagram, receipt);
  }
}

/** The socket of a listener, towards one of its peers. */
export class SharedWay extends SocketWay {
  readonly #port: number;
  readonly #address: string;

  constructor(socket: Socket, host: HostContext, { port, address }: Source) {
    super(socket, host);
    this.#port = port;
    this.#address = address;
  }

  linger(): void {}

  leave(): void {
    this.isLeft = true;
  }

  protected send(datagram: Buffer, receipt?: (error: Error | null) => void): void {
    this.socket.send(datagram, this.#port, this.#address, receipt);
  }
}
