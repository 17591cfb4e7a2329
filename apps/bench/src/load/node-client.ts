import { connect, type Socket } from "node:net";
import { FrameReader, maskedFrame, opcodes } from "./frame-reader.ts";
import type { Wire } from "./wire.ts";

const maxHeadBytes = 16 * 1024;
const maxFrameBytes = 1024 * 1024;

export interface NodeClientEvents {
  ready(client: NodeClient): void;
  /** The body is borrowed. */
  message(client: NodeClient, body: Buffer): void;
  closed(client: NodeClient, why: string): void;
}

/** One load client: a raw socket, the upgrade, the greeting of its wire, then frames. */
export class NodeClient {
  readonly channel: string | undefined;
  nextSequence: number;
  isReady = false;
  readonly #wire: Wire;
  readonly #events: NodeClientEvents;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #head: Buffer | undefined = Buffer.alloc(0);
  #isClosed = false;

  constructor(
    port: number,
    wire: Wire,
    options: { channel: string | undefined; nextSequence: number; events: NodeClientEvents },
  ) {
    this.channel = options.channel;
    this.nextSequence = options.nextSequence;
    this.#wire = wire;
    this.#events = options.events;
    this.#reader = new FrameReader(maxFrameBytes, (opcode, body) => this.#frame(opcode, body));
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("connect", () => this.#upgrade(port));
    this.#socket.on("data", (chunk) => this.#read(chunk));
    this.#socket.on("error", (error) => this.#lose(error.message));
    this.#socket.on("close", () => this.#lose("end of stream"));
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(frames: Buffer): void {
    this.#socket.write(frames);
  }

  /** Resets the connection, so that thousands of ports come back at once. */
  drop(): void {
    this.#isClosed = true;
    this.#socket.resetAndDestroy();
  }

  #upgrade(port: number): void {
    this.#socket.write(
      `GET ${this.#wire.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cG9seXdpcmUtYmVuY2gtMQ==\r\n\r\n",
    );
  }

  #read(chunk: Buffer): void {
    try {
      this.#reader.push(this.#head === undefined ? chunk : this.#readHead(Buffer.concat([this.#head, chunk])));
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error));
    }
  }

  #readHead(head: Buffer): Buffer {
    const end = head.indexOf("\r\n\r\n");
    if (end === -1) {
      if (head.length > maxHeadBytes) throw new Error("the upgrade's head does not end");
      this.#head = head;
      return Buffer.alloc(0);
    }
    const status = head.toString("latin1", 9, 12);
    if (status !== "101") throw new Error(`the upgrade was refused with ${status}`);
    this.#head = undefined;
    this.#say(this.#wire.greeting(this.channel));
    return head.subarray(end + 4);
  }

  #say(messages: readonly string[]): void {
    for (const message of messages) this.#socket.write(maskedFrame(opcodes.text, Buffer.from(message)));
  }

  #frame(opcode: number, body: Buffer): void {
    if (this.#isClosed) return;
    if (opcode === opcodes.ping) this.#socket.write(maskedFrame(opcodes.pong, body));
    else if (opcode === opcodes.close)
      this.#lose(`close ${body.length > 1 ? body.readUInt16BE(0) : 1005} ${body.toString("utf8", 2)}`);
    else if (opcode < opcodes.close) this.#message(body);
  }

  #message(body: Buffer): void {
    if (!this.isReady) {
      const message = body.toString();
      const next = this.#wire.greet(message, this.channel);
      if (next === "refused") throw new Error(`refused: ${message}`);
      if (next === "ready") {
        this.isReady = true;
        this.#events.ready(this);
      } else if (next !== undefined) this.#say(next);
      return;
    }
    const pong = body.length <= 2 ? this.#wire.pong(body) : undefined;
    if (pong === undefined) this.#events.message(this, body);
    else this.#say([pong]);
  }

  #lose(why: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.destroy();
    this.#events.closed(this, why);
  }
}
