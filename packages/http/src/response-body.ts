import { type Body, PolywireError } from "@polywire/core";

const DEFAULT_MAX_BYTES = 1_048_576;
/** Past this many bytes that nobody has read, the sender is slowed down. */
const READ_AHEAD_BYTES = 65_536;
const NOTHING: Uint8Array = new Uint8Array(0);

/** Where the body comes from. */
export interface BodyFlow {
  pause(): void;
  resume(): void;
  /** Nobody wants the rest. */
  abandon(reason: PolywireError): void;
}

/** What a body's bytes are put into. */
export interface BodyInlet {
  /** The next bytes, which nobody changes any more. */
  push(chunk: Uint8Array): void;
  complete(): void;
  fail(error: PolywireError): void;
}

/** The body of a response, as it comes. Reading slowly slows the sender down. */
export class ResponseBody implements Body, BodyInlet {
  readonly #flow: BodyFlow;
  #chunks: Uint8Array[] = [];
  #byteLength = 0;
  #isTaken = false;
  #isPaused = false;
  /** Everything is wanted at once, so nothing is slowed down. */
  #isWhole = false;
  #isComplete = false;
  #failure: PolywireError | undefined = undefined;
  #wake: (() => void) | undefined = undefined;

  constructor(flow: BodyFlow) {
    this.#flow = flow;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#byteLength += chunk.byteLength;
    if (!this.#isWhole && !this.#isPaused && this.#byteLength > READ_AHEAD_BYTES) {
      this.#isPaused = true;
      this.#flow.pause();
    }
    // Who wants all of it is woken at the end, or where it becomes too much.
    this.#wake?.();
  }

  complete(): void {
    this.#isComplete = true;
    this.#wake?.();
  }

  fail(error: PolywireError): void {
    this.#failure = error;
    this.#chunks = [];
    this.#wake?.();
  }

  bytes(maxBytes: number = DEFAULT_MAX_BYTES): Promise<Uint8Array> {
    this.#take();
    this.#isWhole = true;
    this.#resume();
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#failure !== undefined) return reject(this.#failure);
        if (this.#byteLength > maxBytes) {
          const message = `the body has more than ${maxBytes} bytes: raise maxBytes, or read it in chunks`;
          const error = new PolywireError("too-large", message);
          this.#flow.abandon(error);
          return reject(error);
        }
        if (this.#isComplete) resolve(this.#join());
      };
      this.#wake = look;
      look();
    });
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.#take();
    return this.#read();
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure;
        const chunks = this.#chunks;
        if (chunks.length > 0) {
          this.#chunks = [];
          this.#byteLength = 0;
          this.#resume();
          yield* chunks;
        } else if (this.#isComplete) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#wake = undefined;
      if (!this.#isComplete) this.#flow.abandon(new PolywireError("aborted", "the body was not read to its end"));
    }
  }

  #take(): void {
    if (this.#isTaken) throw new PolywireError("invalid-state", "this body was read already: a body is read once");
    this.#isTaken = true;
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#flow.resume();
  }

  #join(): Uint8Array {
    const [only] = this.#chunks;
    if (only === undefined) return NOTHING;
    return this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks, this.#byteLength);
  }
}
