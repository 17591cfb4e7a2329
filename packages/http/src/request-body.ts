import type { IncomingMessage } from "node:http";
import { type Body, PolywireError } from "@polywire/core";

const DEFAULT_MAX_BYTES = 1_048_576;
const NOTHING: Uint8Array = new Uint8Array(0);

export interface RequestBodyOptions {
  /** Most bytes that are taken of anybody. */
  readonly maxBodyBytes: number;
  /** The sender waits for leave to send (RFC 9110, section 10.1.1). */
  readonly proceed: (() => void) | undefined;
  /** More came than is taken: the request is answered with 413. */
  readonly overflowed: () => void;
}

/** The body of a request that was received. Reading slowly slows the sender down. */
export class RequestBody implements Body {
  readonly #request: IncomingMessage;
  readonly #options: RequestBodyOptions;
  #isTaken = false;

  constructor(request: IncomingMessage, options: RequestBodyOptions) {
    this.#request = request;
    this.#options = options;
  }

  bytes(maxBytes: number = DEFAULT_MAX_BYTES): Promise<Uint8Array> {
    this.#take();
    return new Promise((resolve, reject) => {
      const request = this.#request;
      const chunks: Buffer[] = [];
      let byteLength = 0;
      const stop = (): void => {
        request.off("data", add);
        request.off("end", finish);
        request.off("error", fail);
        request.off("close", cutOff);
      };
      const fail = (thrown: unknown): void => {
        stop();
        request.pause();
        reject(PolywireError.from(thrown, "connection-reset", "the body of the request broke off"));
      };
      const add = (chunk: Buffer): void => {
        byteLength += chunk.byteLength;
        chunks.push(chunk);
        if (byteLength > this.#options.maxBodyBytes) fail(this.#tooLarge());
        else if (byteLength > maxBytes) fail(tooLarge(maxBytes));
      };
      const finish = (): void => {
        stop();
        const [only] = chunks;
        resolve(only === undefined ? NOTHING : chunks.length === 1 ? only : Buffer.concat(chunks));
      };
      const cutOff = (): void => fail(new PolywireError("connection-reset", "the peer has gone"));
      request.on("data", add);
      request.on("end", finish);
      request.on("error", fail);
      request.on("close", cutOff);
    });
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.#take();
    return this.#chunks();
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    let byteLength = 0;
    try {
      // Who stops reading may still answer.
      for await (const chunk of this.#request.iterator({ destroyOnReturn: false })) {
        byteLength += (chunk as Buffer).byteLength;
        if (byteLength > this.#options.maxBodyBytes) throw this.#tooLarge();
        yield chunk as Buffer;
      }
    } catch (thrown) {
      throw PolywireError.from(thrown, "connection-reset", "the body of the request broke off");
    }
  }

  #take(): void {
    if (this.#isTaken) throw new PolywireError("invalid-state", "this body was read already: a body is read once");
    this.#isTaken = true;
    this.#options.proceed?.();
  }

  #tooLarge(): PolywireError {
    this.#options.overflowed();
    return tooLarge(this.#options.maxBodyBytes);
  }
}

function tooLarge(maxBytes: number): PolywireError {
  return new PolywireError(
    "too-large",
    `the body has more than ${maxBytes} bytes: raise the limit, or read it in chunks`,
  );
}
