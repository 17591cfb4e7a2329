import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { parseEndpoint } from "@polywire/core";
import { helloPacket, requestBytes } from "../src/hello.ts";
import { type ConnectionId, HEADER_BYTES, readId, TYPE, typeOf } from "../src/packet.ts";

const ID: ConnectionId = { high: 0x01020304, low: 0x05060708 };

/** A peer that says whatever it is told to, byte by byte. */
export class RawPeer implements AsyncDisposable {
  readonly socket: Socket;
  readonly received: Buffer[] = [];
  readonly #port: number;
  #wake: () => void = () => {};

  private constructor(socket: Socket, port: number) {
    this.socket = socket;
    this.#port = port;
    socket.on("message", (datagram) => {
      this.received.push(datagram);
      this.#wake();
    });
  }

  static async to(port: number, address: string = "127.0.0.1"): Promise<RawPeer> {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.bind(0, address);
    await once(socket, "listening");
    return new RawPeer(socket, port);
  }

  send(datagram: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const { address } = this.socket.address();
      this.socket.send(datagram, this.#port, address, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** The next datagram that comes. */
  async next(): Promise<Buffer> {
    while (this.received.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.received.shift() as Buffer;
  }

  /** The next datagram of this type; others stay where they are. */
  async nextOf(type: number): Promise<Buffer> {
    for (;;) {
      const index = this.received.findIndex((datagram) => datagram.length > 1 && typeOf(datagram) === type);
      if (index >= 0) return this.received.splice(index, 1)[0] as Buffer;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A hello as a client of ours sends it. */
  hello(mode: "sequenced" | "reliable" = "reliable", cookie: Buffer = Buffer.alloc(0), id: ConnectionId = ID): Buffer {
    const request = requestBytes({ path: "/raw", query: "", subprotocols: [], headers: new Map() });
    const endpoint = parseEndpoint("udp://127.0.0.1:1");
    return helloPacket({ id, mode, maxDatagramBytes: 1_200, cookie, request, endpoint });
  }

  /** Asks for a cookie. */
  async cookie(mode: "sequenced" | "reliable" = "reliable", id: ConnectionId = ID): Promise<Buffer> {
    await this.send(this.hello(mode, undefined, id));
    const answer = await this.nextOf(TYPE.cookie);
    return Buffer.from(answer.subarray(HEADER_BYTES));
  }

  /** Shakes hands; returns the id that the listener gave. */
  async connect(mode: "sequenced" | "reliable" = "reliable", id: ConnectionId = ID): Promise<ConnectionId> {
    await this.send(this.hello(mode, await this.cookie(mode, id), id));
    const answer = await this.nextOf(TYPE.welcome);
    return readId(answer, HEADER_BYTES);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => void this.socket.close(resolve));
  }
}
