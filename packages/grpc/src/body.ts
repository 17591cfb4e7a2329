import { type Body, PolywireError } from "@polywire/core";

const DEFAULT_MAX_BYTES = 1_048_576;

/** A body that is read once. */
abstract class OnceBody implements Body {
  #isTaken = false;

  async bytes(maxBytes: number = DEFAULT_MAX_BYTES): Promise<Uint8Array> {
    this.take();
    return this.readAll(maxBytes);
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.take();
    return this.readEach();
  }

  protected abstract readAll(maxBytes: number): Uint8Array | Promise<Uint8Array>;
  protected abstract readEach(): AsyncGenerator<Uint8Array, void, undefined>;

  protected take(): void {
    if (this.#isTaken) throw new PolywireError("invalid-state", "this body was read already: a body is read once");
    this.#isTaken = true;
  }
}

/** A body that has arrived already: the one message of a unary request. */
export class WholeBody extends OnceBody {
  readonly #message: Uint8Array;

  constructor(message: Uint8Array) {
    super();
    this.#message = message;
  }

  protected override readAll(maxBytes: number): Uint8Array {
    if (this.#message.byteLength > maxBytes) throw overLimit(maxBytes);
    return this.#message;
  }

  protected override async *readEach(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#message.byteLength > 0) yield this.#message;
  }
}

/** Messages as they come. */
export interface MessageSource {
  /** The next message, or nothing after the last. */
  next(): Promise<Uint8Array | undefined>;
  /** Nobody reads on. */
  giveUp(): void;
}

/** The body of an answer: its messages, one chunk each. */
export class MessagesBody extends OnceBody {
  readonly #source: MessageSource;

  constructor(source: MessageSource) {
    super();
    this.#source = source;
  }

  protected override async readAll(maxBytes: number): Promise<Uint8Array> {
    const messages: Uint8Array[] = [];
    let byteLength = 0;
    for (let message = await this.#source.next(); message !== undefined; message = await this.#source.next()) {
      byteLength += message.byteLength;
      if (byteLength > maxBytes) {
        this.#source.giveUp();
        throw overLimit(maxBytes);
      }
      messages.push(message);
    }
    return messages.length === 1 ? (messages[0] as Uint8Array) : Buffer.concat(messages, byteLength);
  }

  protected override async *readEach(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const message = await this.#source.next();
        if (message === undefined) return;
        yield message;
      }
    } finally {
      this.#source.giveUp();
    }
  }
}

function overLimit(maxBytes: number): PolywireError {
  return new PolywireError(
    "too-large",
    `the body has more than ${maxBytes} bytes: raise maxBytes, or read it in chunks`,
  );
}
