import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import {
  type Body,
  type BodySource,
  checkPayload,
  type Exchange,
  type Headers,
  type Link,
  type Payload,
  type Peer,
  PolywireError,
  type ResponseHead,
  type Timer,
} from "@polywire/core";
import { cutOff } from "./cut-off.ts";
import type { RequestPeer } from "./peer.ts";
import { RequestBody } from "./request-body.ts";
import { StreamLink, type StreamPlace } from "./stream-link.ts";

export interface ExchangePlace extends StreamPlace {
  readonly maxBodyBytes: number;
  readonly answerTimeoutMs: number;
  /** No further request is welcome on this connection. */
  isClosing(): boolean;
}

/** One request that was received, with its response. */
export class HttpExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly peer: Peer;
  readonly body: Body;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #place: ExchangePlace;
  readonly #requestPeer: RequestPeer;
  readonly #answerTimer: Timer;
  #isAnswered = false;
  #isOver = false;
  #controller: AbortController | undefined = undefined;

  /** @param proceed tells a sender that waits for leave to send its body */
  constructor(
    { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
    peer: RequestPeer,
    { place, proceed }: { readonly place: ExchangePlace; readonly proceed: (() => void) | undefined },
  ) {
    this.method = request.method ?? "GET";
    this.path = peer.path;
    this.query = peer.query;
    this.peer = peer;
    this.#requestPeer = peer;
    this.#request = request;
    this.#response = response;
    this.#place = place;
    this.body = new RequestBody(request, {
      maxBodyBytes: place.maxBodyBytes,
      proceed,
      overflowed: () => this.#answerFor(413, `the body is over ${place.maxBodyBytes} bytes`),
    });
    this.#answerTimer = place.clock.setTimer(() => this.#answerFor(503, "no answer in time"), place.answerTimeoutMs);
    response.on("close", () => this.#ended());
  }

  get headers(): Headers {
    return this.#requestPeer.headers;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isOver && !this.#isComplete) this.#controller.abort(gone());
    return this.#controller.signal;
  }

  respond(head: ResponseHead, body?: BodySource): void {
    if (body !== undefined && !isChunks(body)) checkPayload(body);
    this.#begin(head, isChunks(body) ? undefined : wholeLength(body));
    if (isChunks(body)) void this.#sendChunks(body);
    else this.#response.end(body === undefined ? undefined : keep(body));
  }

  stream(head: ResponseHead): Link {
    this.#begin(head, undefined);
    this.#response.flushHeaders();
    return new StreamLink(this.#response, this.peer, this.#place);
  }

  /** Answers for a handler that did not, or could not. */
  #answerFor(status: number, reason: string): void {
    if (this.#isAnswered) return;
    this.respond({ status, headers: PLAIN_TEXT }, `${reason}\n`);
  }

  #begin(head: ResponseHead, length: number | undefined): void {
    const { status } = head;
    if (!Number.isInteger(status) || status < 200 || status > 599)
      throw new PolywireError("invalid-argument", `status is ${String(status)}: give an integer from 200 to 599`);
    if (this.#isAnswered)
      throw new PolywireError("invalid-state", `"${this.path}" was answered already: answer an exchange once`);
    try {
      this.#response.writeHead(status, this.#fields(head, length));
    } catch (thrown) {
      throw PolywireError.from(thrown, "invalid-argument", `the answer to "${this.path}"`);
    }
    this.#isAnswered = true;
    this.#answerTimer.cancel();
  }

  #fields({ status, headers }: ResponseHead, length: number | undefined): OutgoingHttpHeaders {
    const fields: OutgoingHttpHeaders = { "x-content-type-options": "nosniff" };
    if (headers !== undefined) for (const [name, value] of headers) fields[name.toLowerCase()] = value;
    if (length !== undefined && this.#tellsLength(status, length) && fields["content-length"] === undefined)
      fields["content-length"] = length;
    const isBodyLeft = !this.#request.complete && hasBody(this.#request);
    // What is left of a body would be taken for the next request, or have to be read to its end.
    if (this.#request.httpVersionMajor < 2 && (isBodyLeft || this.#place.isClosing())) fields["connection"] = "close";
    return fields;
  }

  /** RFC 9110, section 8.6: never for a 204, and only the length of what a GET would get for a 304 or to HEAD. */
  #tellsLength(status: number, length: number): boolean {
    if (status === 204) return false;
    return length > 0 || (status !== 304 && this.method !== "HEAD");
  }

  async #sendChunks(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const response = this.#response;
    response.on("error", () => {});
    try {
      for await (const chunk of chunks) {
        if (response.destroyed) return;
        if (!(chunk instanceof Uint8Array)) {
          throw new PolywireError("invalid-argument", `a body gave a chunk of type ${typeof chunk}: give Uint8Array`);
        }
        if (!response.write(Buffer.from(chunk))) await drained(response);
      }
      response.end();
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", `the body of the answer to "${this.path}" broke off`);
      if (!response.destroyed) this.#place.logger.log("error", "http", "a body broke off", { error });
      cutOff(response);
    }
  }

  #ended(): void {
    this.#isOver = true;
    this.#answerTimer.cancel();
    if (!this.#isComplete) this.#controller?.abort(gone());
  }

  /** Everything of the response has left. HTTP/2 calls one finished that its peer cut off. */
  get #isComplete(): boolean {
    const { writableEnded, writableFinished } = this.#response;
    return writableEnded && (this.#request.httpVersionMajor >= 2 ? !this.#request.aborted : writableFinished);
  }
}

const PLAIN_TEXT: Headers = new Map([["content-type", "text/plain; charset=utf-8"]]);

/** Whether a body comes with the request. */
export function hasBody({ headers, httpVersionMajor, readableEnded }: IncomingMessage): boolean {
  if (httpVersionMajor >= 2) return !readableEnded;
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

function isChunks(body: BodySource): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function wholeLength(body: Payload | undefined): number {
  return body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
}

/** The caller may reuse its memory. */
function keep(body: Payload): string | Buffer {
  return typeof body === "string" ? body : Buffer.from(body);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off("drain", go);
      response.off("close", go);
      resolve();
    };
    response.on("drain", go);
    response.on("close", go);
  });
}

function gone(): PolywireError {
  return new PolywireError("connection-reset", "the peer has gone before the response was complete");
}
