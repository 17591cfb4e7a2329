import { connect, type Socket } from "node:net";
import { expect } from "vitest";

export interface Message {
  readonly id?: number;
  readonly error?: { readonly code: number };
  readonly push?: { readonly channel?: string; readonly disconnect?: { readonly code: number } };
  readonly [result: string]: unknown;
}

/** A client that says JSON in lines over TCP, and may stop reading. */
export class LineClient {
  readonly #socket: Socket;
  readonly #received: Message[] = [];
  #rest = "";
  #waiting: (() => void)[] = [];
  #isClosed = false;
  #lastId = 0;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk: Buffer) => {
      const lines = `${this.#rest}${chunk.toString()}`.split("\n");
      this.#rest = lines.pop() ?? "";
      this.#received.push(...lines.map((line) => JSON.parse(line) as Message));
      this.#wake();
    });
    this.#socket.on("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  stall(): void {
    this.#socket.pause();
  }

  say(...commands: readonly object[]): void {
    this.#socket.write(`${commands.map((command) => JSON.stringify(command)).join("\n")}\n`);
  }

  /** The first thing that is so, of everything that came. */
  async first(isSo: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.#received.find(isSo);
      if (found !== undefined) return found;
      if (this.#isClosed) throw new Error(`closed after ${JSON.stringify(this.#received)}`);
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async ask(command: object): Promise<Message> {
    const id = ++this.#lastId;
    this.say({ id, ...command });
    return await this.first((message) => message.id === id);
  }

  async errorOf(command: object): Promise<number | undefined> {
    return (await this.ask(command)).error?.code;
  }

  async connected(): Promise<this> {
    expect(await this.ask({ connect: {} })).toHaveProperty("connect");
    return this;
  }

  async subscribed(channel: string): Promise<this> {
    expect(await this.ask({ subscribe: { channel } })).toHaveProperty("subscribe");
    return this;
  }

  async publish(channel: string, bytes: number): Promise<void> {
    expect(await this.ask({ publish: { channel, data: "x".repeat(bytes) } })).toHaveProperty("publish");
  }

  /** The code of its end. */
  async end(): Promise<number | undefined> {
    return (await this.first(({ push }) => push?.disconnect !== undefined)).push?.disconnect?.code;
  }

  close(): void {
    this.#socket.destroy();
  }
}
