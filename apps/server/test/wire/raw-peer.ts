import { connect, type Socket } from "node:net";

/** Opcodes of RFC 6455, section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const TAKEN_BY_HEAD = "\r\n\r\n";

/** A peer over plain TCP that sends whatever bytes it is told to. */
export class RawPeer implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.#closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
  }

  static async connect(port: number): Promise<RawPeer> {
    const socket = connect(port, "127.0.0.1");
    const peer = new RawPeer(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return peer;
  }

  write(...bytes: readonly (string | Uint8Array)[]): void {
    for (const part of bytes) this.#socket.write(part);
  }

  /** The first line of an HTTP response; the rest of its head is taken, too. */
  async statusLine(): Promise<string> {
    await this.#until(() => this.#received.includes(TAKEN_BY_HEAD), "a response");
    const end = this.#received.indexOf(TAKEN_BY_HEAD) + TAKEN_BY_HEAD.length;
    const head = this.#take(end).toString("latin1");
    return head.slice(0, head.indexOf("\r\n"));
  }

  /** The code of the close frame, whatever frames come before it. */
  async closeCode(): Promise<number> {
    for (;;) {
      await this.#until(() => this.#received.length >= 2, "a frame");
      const [first = 0, second = 0] = this.#received;
      const extended = second === 126 ? 2 : second === 127 ? 8 : 0;
      await this.#until(() => this.#received.length >= 2 + extended, "a frame's length");
      const length = extended === 0 ? second : Number(`0x${this.#received.toString("hex", 2, 2 + extended)}`);
      await this.#until(() => this.#received.length >= 2 + extended + length, "a frame's payload");
      const payload = this.#take(2 + extended + length).subarray(2 + extended);
      if ((first & 0xf) === OPCODE.close) return payload.length === 0 ? 1005 : payload.readUInt16BE();
    }
  }

  closed(): Promise<void> {
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.#closed;
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  async #until(isTrue: () => boolean, what: string): Promise<void> {
    while (!isTrue()) {
      if (this.#isClosed) throw new Error(`closed while waiting for ${what}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export interface UpgradeChanges {
  readonly method?: string;
  readonly path?: string;
  /** `undefined` leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** A right handshake but for the changes. */
export function upgrade({ method = "GET", path = "/connection/websocket", headers }: UpgradeChanges = {}): string {
  const all = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== undefined);
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

export interface FrameChanges {
  readonly isFinal?: boolean;
  /** The reserved bits, as they lie in the first byte. */
  readonly reserved?: number;
  readonly isMasked?: boolean;
}

/** A client's frame; its mask is zeros, which mask nothing. */
export function frame(opcode: number, payload: Uint8Array | string = "", changes: FrameChanges = {}): Buffer {
  const { isFinal = true, reserved = 0, isMasked = true } = changes;
  const body = Buffer.from(payload);
  const head = Buffer.alloc(10);
  head[0] = (isFinal ? 0x80 : 0) | reserved | opcode;
  const mask = isMasked ? 0x80 : 0;
  let headBytes = 2;
  if (body.length < 126) head[1] = mask | body.length;
  else if (body.length < 65_536) {
    head[1] = mask | 126;
    headBytes = 2 + 2;
    head.writeUInt16BE(body.length, 2);
  } else {
    head[1] = mask | 127;
    headBytes = 2 + 8;
    head.writeBigUInt64BE(BigInt(body.length), 2);
  }
  return Buffer.concat([head.subarray(0, headBytes), Buffer.alloc(isMasked ? 4 : 0), body]);
}
