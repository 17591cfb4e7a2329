import { once } from "node:events";
import { connect, createServer, type NetConnectOpts, type Socket } from "node:net";

/** A peer that says exactly what a test wants, and keeps what it hears. */
export class RawPeer implements AsyncDisposable {
  readonly socket: Socket;
  #heard: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  hasEnded = false;
  /** Fulfilled with the code of the socket's error, if it had one. */
  readonly closed: Promise<string | undefined>;

  constructor(socket: Socket) {
    this.socket = socket;
    let code: string | undefined;
    socket.on("error", (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    socket.on("data", (chunk: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, chunk]);
      this.#wake();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        resolve(code);
        this.#wake();
      });
    });
  }

  static async connect(to: number | string): Promise<RawPeer> {
    const place: NetConnectOpts = typeof to === "string" ? { path: to } : { host: "127.0.0.1", port: to };
    const socket = connect({ ...place, allowHalfOpen: true });
    const peer = new RawPeer(socket);
    await once(socket, "connect");
    return peer;
  }

  get heard(): Buffer {
    return this.#heard;
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The other side has ended or cut the connection. */
  async over(): Promise<void> {
    await this.until(() => this.hasEnded || this.socket.closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

/** A server of bare sockets that does what a test wants with each. */
export class RawServer implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  readonly #server: ReturnType<typeof createServer>;

  private constructor(react: (socket: Socket) => void) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.push(socket);
      socket.on("error", () => {});
      react(socket);
    });
  }

  static async start(react: (socket: Socket) => void = () => {}, host = "127.0.0.1"): Promise<RawServer> {
    const server = new RawServer(react);
    server.#server.listen(0, host);
    await once(server.#server, "listening");
    return server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => void this.#server.close(resolve));
  }
}
