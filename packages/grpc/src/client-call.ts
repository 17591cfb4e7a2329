import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { PolywireError, type Response } from "@polywire/core";
import { foreignAnswer, statusOf } from "./answer.ts";
import { type MessageSource, MessagesBody } from "./body.ts";
import { RESET } from "./closing.ts";
import { MessageDecoder } from "./frame.ts";
import { addReceived, headerOf } from "./metadata.ts";
import { type CallStatus, GRPC_STATUS, httpOfCode, STATUS_HEADER, statusError } from "./status.ts";

/** Messages are read ahead up to this many bytes, so that short answers end although nobody reads them. */
const READ_AHEAD_BYTES = 65_536;

export interface ClientCallParts {
  /** For messages: `call /package.Service/Method on "grpc://host/"`. */
  readonly purpose: string;
  readonly maxMessageBytes: number;
  /** The caller's, with the deadline. */
  readonly signal: AbortSignal;
  /** Nothing of the call is left on the wire. */
  readonly finished: () => void;
}

type Settle<Value> = { resolve: (value: Value) => void; reject: (error: unknown) => void };

/** One request from the asking side, until its answer is complete, given up or out of time. */
export class ClientCall implements MessageSource {
  /** The answer's head. */
  readonly response: Promise<Response>;
  readonly #stream: ClientHttp2Stream;
  readonly #parts: ClientCallParts;
  readonly #headers = new Map<string, string>();
  #decoder: MessageDecoder;
  #settleHead: Settle<Response> | undefined = undefined;
  #settleNext: Settle<Uint8Array | undefined> | undefined = undefined;
  /** What the head has said; the trailers may contradict. */
  #httpStatus: number | undefined = undefined;
  #status: CallStatus | undefined = undefined;
  #failure: PolywireError | undefined = undefined;
  #isFinished = false;
  readonly #onAbort = (): void => this.#fail(this.#parts.signal.reason as PolywireError);

  constructor(stream: ClientHttp2Stream, parts: ClientCallParts) {
    this.#stream = stream;
    this.#parts = parts;
    this.#decoder = new MessageDecoder(parts.maxMessageBytes, undefined);
    this.response = new Promise((resolve, reject) => {
      this.#settleHead = { resolve, reject };
    });
    stream.on("response", (head: IncomingHttpHeaders) => this.#answered(head));
    stream.on("data", (chunk: Buffer) => this.#received(chunk));
    stream.on("trailers", (trailers: IncomingHttpHeaders) => this.#ends(trailers));
    stream.on("end", () => this.#ended());
    stream.on("close", () => this.#lost());
    parts.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The server had not begun with it, so that another connection may take it. */
  get wasRefused(): boolean {
    return this.#stream.rstCode === RESET.refusedStream;
  }

  next(): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      this.#settleNext = { resolve, reject };
      this.#deliver();
    });
  }

  giveUp(): void {
    if (this.#isFinished) return;
    this.#failure ??= new PolywireError("aborted", `${this.#parts.purpose}: the answer was given up`);
    this.#cancel();
  }

  #answered(head: IncomingHttpHeaders): void {
    const foreign = foreignAnswer(head, this.#parts.purpose);
    if (foreign !== undefined) return this.#fail(foreign);
    addReceived(this.#headers, head);
    this.#decoder.encoding = headerOf(head, "grpc-encoding");
    const told = headerOf(head, STATUS_HEADER);
    if (told !== undefined && /^[1-5]\d\d$/.test(told)) this.#httpStatus = Number(told);
    this.#status = statusOf(head);
    if (this.#isLate()) return;
    if (this.#status !== undefined || this.#httpStatus !== undefined) this.#tellHead();
  }

  #received(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    this.#decoder.push(chunk);
    // A message comes from methods that are content, as far as anybody knows yet.
    if (this.#settleHead !== undefined && this.#decoder.hasNext) this.#tellHead();
    if (this.#settleNext !== undefined) this.#deliver();
    if (this.#decoder.hasNext && this.#decoder.byteLength >= READ_AHEAD_BYTES) this.#stream.pause();
  }

  #ends(trailers: IncomingHttpHeaders): void {
    this.#status = statusOf(trailers);
    addReceived(this.#headers, trailers);
    if (this.#isLate()) return;
    this.#tellHead();
  }

  /** The server keeps our deadline too, and may be the first to find that it has passed. */
  #isLate(): boolean {
    const isLate = this.#status?.code === GRPC_STATUS.DEADLINE_EXCEEDED && this.#httpStatus === undefined;
    if (isLate && this.#settleHead !== undefined)
      this.#fail(statusError(this.#parts.purpose, this.#status as CallStatus));
    return isLate && this.#isFinished;
  }

  #ended(): void {
    if (this.#status === undefined) return;
    this.#finish();
    this.#deliver();
  }

  #lost(): void {
    if (!this.#isFinished) this.#fail(this.#lossError());
  }

  #lossError(): PolywireError {
    const { rstCode } = this.#stream;
    const what =
      this.#stream.closed && rstCode !== RESET.noError && rstCode !== RESET.cancel
        ? `the server reset the call with HTTP/2 code ${rstCode}`
        : "the connection was lost, or the call cancelled, before its status came";
    return new PolywireError("connection-reset", `${this.#parts.purpose}: ${what}`);
  }

  #tellHead(): void {
    const settle = this.#settleHead;
    if (settle === undefined) return;
    this.#settleHead = undefined;
    this.#httpStatus ??= httpOfCode(this.#status?.code ?? GRPC_STATUS.OK);
    // Trailers are added to the same map when they come.
    settle.resolve({ status: this.#httpStatus, headers: this.#headers, body: new MessagesBody(this) });
  }

  /** Hands one message, or the end, to who waits for it. */
  #deliver(): void {
    const settle = this.#settleNext;
    if (settle === undefined) return;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      const message = this.#decoder.next();
      if (message === undefined && !this.#isFinished) {
        this.#stream.resume();
        return;
      }
      if (message === undefined) this.#checkEnd();
      this.#settleNext = undefined;
      settle.resolve(message);
    } catch (thrown) {
      this.#settleNext = undefined;
      this.giveUp();
      settle.reject(thrown);
    }
  }

  /** An answer that began well may still end badly. */
  #checkEnd(): void {
    if (this.#decoder.byteLength > 0)
      throw new PolywireError(
        "protocol-violation",
        `${this.#parts.purpose}: the answer ended in the middle of a message`,
      );
    const code = this.#status?.code ?? GRPC_STATUS.UNKNOWN;
    const isBadEnd = code !== GRPC_STATUS.OK && (this.#httpStatus as number) < 400;
    if (isBadEnd) throw statusError(this.#parts.purpose, this.#status as CallStatus);
  }

  #fail(error: PolywireError): void {
    if (this.#isFinished) return;
    this.#failure = error;
    this.#cancel();
    this.#settleHead?.reject(error);
    this.#settleHead = undefined;
    this.#deliver();
  }

  #cancel(): void {
    this.#stream.close(RESET.cancel);
    // What is not read keeps a stream, and with it the connection, from its end.
    this.#stream.resume();
    this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const { signal, finished } = this.#parts;
    signal.removeEventListener("abort", this.#onAbort);
    finished();
  }
}
