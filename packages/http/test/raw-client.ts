import { connect, type Socket } from "node:net";

/** Sends bytes over plain TCP, right or wrong, and keeps what comes back until the other side ends. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket;
  readonly connected: Promise<void>;
  /** Everything that came, once the connection is closed. */
  readonly closed: Promise<string>;
  #received = "";
  #wake: () => void = () => {};
  #isClosed = false;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setEncoding("latin1");
    this.connected = new Promise((resolve) => void this.socket.once("connect", resolve));
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk: string) => {
      this.#received += chunk;
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      this.socket.on("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve(this.#received);
      });
    });
  }

  /** Everything that the server answers to these bytes, once it has closed the connection. */
  static async answerTo(port: number, bytes: string): Promise<string> {
    await using client = new RawClient(port);
    client.socket.write(bytes, "latin1");
    return await client.closed;
  }

  /** What has come, once it has all of `text` in it. */
  async until(text: string): Promise<string> {
    while (!this.#received.includes(text)) {
      if (this.#isClosed) throw new Error(`closed without "${text}"; got "${this.#received}"`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}
