import { type Exchange, type Link, PolywireError } from "@polywire/core";
import type { Doorkeeper } from "./admission.ts";

/** Proxies must not keep what is told to one client, nor wait for more of it before they pass it on. */
const STREAM_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["x-accel-buffering", "no"],
  ["cache-control", "private, no-cache, no-store, must-revalidate, max-age=0"],
  ["pragma", "no-cache"],
];

/** How long a browser may keep the answer to its preflight, in seconds. */
const PREFLIGHT_MAX_AGE = "300";

/** Answers requests, and lets pages of allowed origins read the answers. */
export class Answerer {
  readonly #doorkeeper: Doorkeeper;

  constructor(doorkeeper: Doorkeeper) {
    this.#doorkeeper = doorkeeper;
  }

  answer(exchange: Exchange, status: number, text?: string): void {
    this.#respond(exchange, status, { text });
  }

  preflight(exchange: Exchange, methods: readonly string[]): void {
    this.#respond(exchange, 204, {
      headers: [
        ["access-control-max-age", PREFLIGHT_MAX_AGE],
        ["access-control-allow-methods", listOf(methods)],
      ],
    });
  }

  wrongMethod(exchange: Exchange, methods: readonly string[]): void {
    this.#respond(exchange, 405, { headers: [["allow", listOf(methods)]], text: `use ${listOf(methods)}` });
  }

  /** The request could not be read. */
  fail(exchange: Exchange, { code }: PolywireError): void {
    if (code === "too-large") this.answer(exchange, 413, "the body is too large");
    else if (code === "protocol-violation") this.answer(exchange, 400, "the request cannot be read");
    else if (code === "overflow") this.answer(exchange, 503, "too many requests at once");
    else this.answer(exchange, 500, "the request cannot be taken");
  }

  /** Begins an endless answer; `undefined` when there is nobody to answer. */
  stream(exchange: Exchange, contentType: string | undefined): Link | undefined {
    const headers = new Map([...STREAM_HEADERS, ...this.#doorkeeper.corsHeaders(exchange.headers)]);
    if (contentType !== undefined) headers.set("content-type", contentType);
    return whileAsked(exchange, () => exchange.stream({ status: 200, headers }));
  }

  #respond(exchange: Exchange, status: number, { headers = [], text }: Answer): void {
    const all = new Map([...headers, ...this.#doorkeeper.corsHeaders(exchange.headers)]);
    if (text !== undefined) all.set("content-type", "text/plain; charset=utf-8");
    whileAsked(exchange, () => exchange.respond({ status, headers: all }, text));
  }
}

interface Answer {
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly text?: string | undefined;
}

/** Who has gone, or was answered by the wire because we took too long, needs no answer. */
export function whileAsked<Result>({ signal }: Exchange, answer: () => Result): Result | undefined {
  if (signal.aborted) return undefined;
  try {
    return answer();
  } catch (thrown) {
    if (PolywireError.is(thrown) && thrown.code === "invalid-state") return undefined;
    throw thrown;
  }
}

function listOf(methods: readonly string[]): string {
  return [...methods, "OPTIONS"].join(", ");
}
