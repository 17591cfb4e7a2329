import { PolywireError } from "@polywire/core";
import type { ArrivedCall } from "./call.ts";
import { MessageDecoder } from "./frame.ts";
import { headerOf } from "./metadata.ts";

export interface UnaryReceiver {
  arrived(message: Uint8Array): void;
  failed(error: PolywireError): void;
}

/** The one message of a unary call, once it is there and its client has ended its side. */
export class UnaryRequest {
  readonly #receiver: UnaryReceiver;
  readonly #decoder: MessageDecoder;
  #message: Uint8Array | undefined = undefined;
  #isOver = false;

  constructor({ stream, headers }: ArrivedCall, maxMessageBytes: number, receiver: UnaryReceiver) {
    this.#receiver = receiver;
    this.#decoder = new MessageDecoder(maxMessageBytes, headerOf(headers, "grpc-encoding"));
    stream.on("data", (chunk: Buffer) => this.#received(chunk));
    stream.on("end", () => this.#ended(stream.closed));
  }

  #received(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#decoder.push(chunk);
    try {
      for (let message = this.#decoder.next(); message !== undefined; message = this.#decoder.next()) {
        if (this.#message !== undefined) return this.#fail(shape("a second message came: this method takes one"));
        this.#message = message;
      }
    } catch (thrown) {
      this.#fail(PolywireError.from(thrown));
    }
  }

  #ended(wasReset: boolean): void {
    if (this.#isOver) return;
    // A reset ends the stream as well.
    if (wasReset) return;
    if (this.#decoder.byteLength > 0) return this.#fail(shape("the request ended in the middle of its message"));
    if (this.#message === undefined) return this.#fail(shape("no message came: this method takes one"));
    this.#isOver = true;
    this.#receiver.arrived(this.#message);
  }

  #fail(error: PolywireError): void {
    this.#isOver = true;
    this.#receiver.failed(error);
  }
}

function shape(problem: string): PolywireError {
  return new PolywireError("invalid-state", problem);
}
