import { connect, type Socket } from "node:net";

/** A client over plain TCP that sends whatever it is told to, right or wrong. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket;
  readonly #closed: Promise<void>;
  #received = Buffer.alloc(0);
  #wake: () => void = () => {};
  isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.isClosed = true;
        this.#wake();
        resolve();
      });
    });
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return client;
  }

  /** Connected and through the handshake. */
  static async upgraded(port: number, path = "/"): Promise<RawClient> {
    const client = await RawClient.connect(port);
    client.write(upgradeRequest({ path }));
    const head = await client.head();
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`no upgrade: ${head}`);
    return client;
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  /** Everything up to the blank line that ends a response's head. */
  async head(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf("\r\n\r\n");
      if (end >= 0) return this.#take(end + 4).toString("latin1");
      await this.#more("a response");
    }
  }

  async bytes(length: number): Promise<Buffer> {
    while (this.#received.length < length) await this.#more(`${length} bytes`);
    return this.#take(length);
  }

  /** The next frame, which a server may not mask. */
  async frame(): Promise<{ readonly opcode: number; readonly payload: Buffer }> {
    const [first = 0, second = 0] = await this.bytes(2);
    const length =
      second === 126
        ? (await this.bytes(2)).readUInt16BE()
        : second === 127
          ? Number((await this.bytes(8)).readBigUInt64BE())
          : second;
    return { opcode: first & 0xf, payload: await this.bytes(length) };
  }

  /** The code of the close frame, whatever frames come before it. */
  async closeCode(): Promise<number> {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode === 8) return payload.length === 0 ? 1005 : payload.readUInt16BE();
    }
  }

  async closed(): Promise<void> {
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.#closed;
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  async #more(wanted: string): Promise<void> {
    if (this.isClosed) throw new Error(`closed while waiting for ${wanted}; got ${this.#received.toString("latin1")}`);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A right handshake, with what the test wants otherwise; `undefined` leaves a header out. */
export function upgradeRequest(
  options: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string | undefined>>;
    readonly body?: string;
  } = {},
): string {
  const { method = "GET", path = "/", headers = {}, body = "" } = options;
  const all: Record<string, string | undefined> = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]));
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/** A masked frame; the mask is zeros, which masks nothing. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array | string = "",
  options: { readonly isFinal?: boolean; readonly reserved?: number; readonly isMasked?: boolean } = {},
): Buffer {
  const { isFinal = true, reserved = 0, isMasked = true } = options;
  const bytes = Buffer.from(payload);
  const { length } = bytes;
  const first = (isFinal ? 0x80 : 0) | reserved | opcode;
  const mask = isMasked ? 0x80 : 0;
  const head =
    length <= 125
      ? Buffer.from([first, mask | length])
      : length <= 0xffff
        ? Buffer.from([first, mask | 126, length >> 8, length & 0xff])
        : Buffer.from([
            first,
            mask | 127,
            0,
            0,
            0,
            0,
            length >>> 24,
            (length >> 16) & 0xff,
            (length >> 8) & 0xff,
            length & 0xff,
          ]);
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0), bytes]);
}
