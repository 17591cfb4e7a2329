import type { IncomingHttpHeaders } from "node:http";
import { type Clock, type Headers, PolywireError, type Response, type Timer } from "@polywire/core";
import type { Dispatcher } from "undici";
import { Decoding, isDecodable } from "./decoding.ts";
import { requestError } from "./errors.ts";
import { type BodyFlow, type BodyInlet, ResponseBody } from "./response-body.ts";

export interface DispatchParts {
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** For errors: `GET "http://host/"`. */
  readonly purpose: string;
  /** On the clock, for the whole exchange. */
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly maxResponseBytes: number;
  /** Bodies are decoded as their `Content-Encoding` says. */
  readonly decompress: boolean;
  readonly method: string;
  readonly settled: (outcome: Outcome) => void;
}

/** A response's head, or why there is none. */
export type Outcome =
  | { readonly response: Response }
  | { readonly error: PolywireError; readonly isUnanswered: boolean };

/** One request on its way through undici, from its first byte to the last of its response. */
export class Dispatch implements Dispatcher.DispatchHandler, BodyFlow {
  readonly #parts: DispatchParts;
  readonly #timer: Timer;
  /** Runs from the first 1xx on. */
  #headTimer: Timer | undefined = undefined;
  #controller: Dispatcher.DispatchController | undefined = undefined;
  #body: BodyInlet | undefined = undefined;
  #bytes = 0;
  #isOver = false;
  /** Why it was ended on this side. */
  #reason: PolywireError | undefined = undefined;

  constructor(parts: DispatchParts) {
    this.#parts = parts;
    const { clock, deadlineMs, signal } = parts;
    this.#timer = clock.setTimer(this.#timedOut, Math.max(1, deadlineMs - clock.now()));
    signal?.addEventListener("abort", this.#aborted, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#reason !== undefined) controller.abort(this.#reason);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, fields: IncomingHttpHeaders): void {
    // 1xx: the response itself is still to come.
    if (status < 200) return this.#informed();
    this.#headTimer?.cancel();
    const { decompress, settled } = this.#parts;
    if (decompress && this.#isEncoded(status, fields)) return this.#decode(status, fields);
    const body = new ResponseBody(this);
    this.#body = body;
    settled({ response: { status, headers: new LazyHeaders(fields), body } });
  }

  /** The body is a whole one, in an encoding that is known: a part (206) of one cannot be decoded by itself. */
  #isEncoded(status: number, fields: IncomingHttpHeaders): boolean {
    const hasBody = this.#parts.method !== "HEAD" && status !== 204 && status !== 206 && status !== 304;
    return hasBody && isDecodable(fields["content-encoding"]);
  }

  /** What the headers say of the encoded body is not true of the decoded one. */
  #decode(status: number, fields: IncomingHttpHeaders): void {
    const { maxResponseBytes, purpose, settled } = this.#parts;
    const { "content-encoding": contentEncoding = "", "content-length": _, ...headers } = fields;
    const inlet = (flow: BodyFlow): BodyInlet => {
      const body = new ResponseBody(flow);
      settled({ response: { status, headers: new LazyHeaders(headers), body } });
      return body;
    };
    this.#body = new Decoding({ contentEncoding, maxResponseBytes, purpose, flow: this, inlet });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.byteLength;
    const { maxResponseBytes, purpose } = this.#parts;
    if (this.#bytes > maxResponseBytes) {
      const message = `${purpose}: the response is over maxResponseBytes (${maxResponseBytes})`;
      this.#abort(new PolywireError("too-large", message));
    } else {
      this.#body?.push(chunk);
    }
  }

  onResponseEnd(): void {
    this.#finish();
    this.#body?.complete();
  }

  onResponseError(_controller: Dispatcher.DispatchController, thrown: Error): void {
    this.#fail(this.#reason ?? requestError(thrown, this.#parts.purpose));
  }

  /** For the body. */
  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  abandon(reason: PolywireError): void {
    this.#abort(reason);
  }

  readonly #aborted = (): void => {
    const cause: unknown = this.#parts.signal?.reason;
    const message = `${this.#parts.purpose}: aborted by the caller`;
    this.#abort(PolywireError.is(cause) ? cause : new PolywireError("aborted", message, { cause }));
  };

  readonly #timedOut = (): void => {
    const { purpose, timeoutMs } = this.#parts;
    this.#abort(new PolywireError("timed-out", `${purpose}: not done within ${timeoutMs} ms`));
  };

  /** The library's own wait begins anew with every 1xx, of which there may be no end. */
  #informed(): void {
    const { clock, headersTimeoutMs, purpose } = this.#parts;
    this.#headTimer ??= clock.setTimer(() => {
      const message = `${purpose}: nothing but 1xx for ${headersTimeoutMs} ms, and no response`;
      this.#abort(new PolywireError("timed-out", message));
    }, headersTimeoutMs);
  }

  #abort(reason: PolywireError): void {
    if (this.#isOver) return;
    this.#reason ??= reason;
    // Not connected yet: whoever waits hears of it at once, the library when it gets that far.
    if (this.#controller === undefined) this.#fail(reason);
    else this.#controller.abort(reason);
  }

  #fail(error: PolywireError): void {
    if (this.#isOver) return;
    this.#finish();
    if (this.#body === undefined) this.#parts.settled({ error, isUnanswered: this.#reason === undefined });
    else this.#body.fail(error);
  }

  #finish(): void {
    this.#isOver = true;
    this.#timer.cancel();
    this.#headTimer?.cancel();
    this.#parts.signal?.removeEventListener("abort", this.#aborted);
  }
}

/** Names and values as a Map, made of what the library gives when the first is asked for. */
class LazyHeaders implements Headers {
  readonly #fields: IncomingHttpHeaders;
  #made: Map<string, string> | undefined = undefined;

  constructor(fields: IncomingHttpHeaders) {
    this.#fields = fields;
  }

  get #map(): Map<string, string> {
    if (this.#made === undefined) {
      this.#made = new Map();
      for (const [name, value] of Object.entries(this.#fields)) {
        if (value !== undefined) this.#made.set(name.toLowerCase(), Array.isArray(value) ? value.join(", ") : value);
      }
    }
    return this.#made;
  }

  get size(): number {
    return this.#map.size;
  }

  get(name: string): string | undefined {
    return this.#map.get(name);
  }

  has(name: string): boolean {
    return this.#map.has(name);
  }

  forEach(callback: (value: string, name: string, map: ReadonlyMap<string, string>) => void): void {
    for (const [name, value] of this.#map) callback(value, name, this);
  }

  entries(): MapIterator<[string, string]> {
    return this.#map.entries();
  }

  keys(): MapIterator<string> {
    return this.#map.keys();
  }

  values(): MapIterator<string> {
    return this.#map.values();
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.#map.entries();
  }
}
