import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import {
  type Body,
  type BodySource,
  type Exchange,
  type Headers,
  type Link,
  type ListenContext,
  type Peer,
  PolywireError,
  type ResponseHead,
} from "@polywire/core";
import { WholeBody } from "./body.ts";
import { checkBody, checkChunk, isChunked } from "./body-source.ts";
import { type ArrivedCall, CONTENT_TYPE, refuseCall } from "./call.ts";
import { RESET } from "./closing.ts";
import { frame, isOver } from "./frame.ts";
import { GrpcLink, type LinkPlace } from "./link.ts";
import { addResponseMetadata } from "./metadata.ts";
import type { CallPeer } from "./peer.ts";
import { codeOfHttp, encodeMessage, GRPC_STATUS, MESSAGE_HEADER, STATUS_HEADER } from "./status.ts";

export interface ExchangeParts {
  readonly call: ArrivedCall;
  readonly peer: CallPeer;
  readonly message: Uint8Array;
  readonly context: ListenContext;
  /** For the link of a streamed answer. */
  readonly place: LinkPlace;
}

/** One unary request, as the serving side holds it. */
export class GrpcExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly peer: Peer;
  readonly headers: Headers;
  readonly #parts: ExchangeParts;
  readonly #stream: ServerHttp2Stream;
  #body: Body | undefined = undefined;
  #abort: AbortController | undefined = undefined;
  #isAnswered = false;
  #isGone = false;
  #code: number = GRPC_STATUS.OK;
  #message = "";
  #link: GrpcLink | undefined = undefined;

  constructor(parts: ExchangeParts) {
    const { call, peer } = parts;
    this.#parts = parts;
    this.#stream = call.stream;
    this.method = call.path;
    this.path = call.path;
    this.query = call.query;
    this.peer = peer;
    this.headers = peer.headers ?? new Map();
  }

  get body(): Body {
    this.#body ??= new WholeBody(this.#parts.message);
    return this.#body;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isGone && !this.#abort.signal.aborted) this.#abort.abort(goneError());
    return this.#abort.signal;
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  respond(head: ResponseHead, body?: BodySource): void {
    const { maxMessageBytes } = this.#parts.context.limits;
    const isStreamed = isChunked(body);
    const payload = isStreamed ? "" : checkBody(body, maxMessageBytes);
    const headers = this.#head(head, isStreamed || head.status !== 200);
    const message = head.headers?.get(MESSAGE_HEADER) ?? (typeof payload === "string" ? payload : "");
    this.#answer(head.status, message);
    if (this.#isGone || this.#stream.destroyed) {
      if (isStreamed) void Promise.resolve(body[Symbol.asyncIterator]().return?.()).catch(ignore);
      return;
    }
    if (this.#code !== GRPC_STATUS.OK && body === undefined) return this.#respondBare(headers);
    this.#begin(headers);
    if (isStreamed) void this.#pump(body);
    else this.#stream.end(frame(payload));
  }

  stream(head: ResponseHead): Link {
    const headers = this.#head(head, true);
    this.#answer(head.status, "");
    const { call, peer, place } = this.#parts;
    if (!this.#stream.destroyed) this.#stream.respond(headers, { waitForTrailers: true });
    const parts = { peer, place, connection: call.connection, encoding: undefined, gone: ignore };
    this.#link = new GrpcLink(this.#stream, { ...parts, status: { code: this.#code, message: "" } });
    this.#link.handOver();
    return this.#link;
  }

  /** The stream is gone. */
  gone(): void {
    this.#isGone = true;
    this.#abort?.abort(goneError());
  }

  /** Time is up, whatever the handler is doing. */
  expire(reason: string): void {
    if (this.#stream.destroyed) return;
    const isBegun = this.#isAnswered;
    this.#isAnswered = true;
    if (this.#link !== undefined) this.#link.stop(new PolywireError("timed-out", reason));
    else if (isBegun) this.#stream.close(RESET.cancel);
    else refuseCall(this.#stream, { code: GRPC_STATUS.DEADLINE_EXCEEDED, message: reason });
    this.#abort?.abort(new PolywireError("timed-out", reason));
    this.#isGone = true;
  }

  #head({ status, headers }: ResponseHead, isStatusTold: boolean): OutgoingHttpHeaders {
    if (!Number.isInteger(status) || status < 100 || status > 599)
      throw new PolywireError("invalid-argument", `status is ${String(status)}: give an integer from 100 to 599`);
    const head: Record<string, string> = { "content-type": CONTENT_TYPE };
    if (headers !== undefined) addResponseMetadata(head, headers);
    if (isStatusTold) head[STATUS_HEADER] = String(status);
    return { ":status": 200, ...head };
  }

  #answer(status: number, message: string): void {
    if (this.#isAnswered)
      throw new PolywireError("invalid-state", `"${this.path}" was answered already: answer an exchange once`);
    this.#isAnswered = true;
    this.#code = codeOfHttp(status);
    this.#message = this.#code === GRPC_STATUS.OK ? "" : message;
  }

  #begin(headers: OutgoingHttpHeaders): void {
    this.#stream.respond(headers, { waitForTrailers: true });
    this.#stream.once("wantTrailers", () => this.#stream.sendTrailers(this.#trailers()));
  }

  #respondBare(headers: OutgoingHttpHeaders): void {
    this.#stream.respond({ ...headers, ...this.#trailers() }, { endStream: true });
  }

  #trailers(): OutgoingHttpHeaders {
    if (this.#code === GRPC_STATUS.OK) return { "grpc-status": "0" };
    return { "grpc-status": String(this.#code), [MESSAGE_HEADER]: encodeMessage(this.#message) };
  }

  /** Each chunk is a message; the next is asked for when the peer's flow control let this one pass. */
  async #pump(source: AsyncIterable<Uint8Array>): Promise<void> {
    const { maxMessageBytes } = this.#parts.context.limits;
    const iterator = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) break;
        checkChunk(next.value);
        if (isOver(maxMessageBytes, next.value))
          throw new PolywireError("too-large", `a chunk is over maxMessageBytes (${maxMessageBytes})`);
        if (!(await this.#write(frame(next.value)))) {
          void Promise.resolve(iterator.return?.()).catch(ignore);
          return;
        }
      }
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", "the body broke off");
      this.#parts.context.logger.log("error", "grpc", "the body of an answer threw", { error });
      this.#code = GRPC_STATUS.INTERNAL;
      this.#message = "the body broke off";
    }
    if (!this.#stream.destroyed) this.#stream.end();
  }

  /** Fulfilled when written; false if the peer has gone. */
  #write(bytes: Buffer): Promise<boolean> {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const gone = (): void => resolve(false);
      stream.once("close", gone);
      stream.write(bytes, (error) => {
        stream.off("close", gone);
        resolve(error === undefined || error === null);
      });
    });
  }
}

function goneError(): PolywireError {
  return new PolywireError("connection-reset", "the peer gave the request up");
}

function ignore(): void {}
