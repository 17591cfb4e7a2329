import { type Exchange, type Headers, PolywireError } from "@polywire/core";
import { whileAsked } from "../http-answers.ts";
import { BodyReader } from "../request-body.ts";
import { type ApiError, apiErrorOf, NOT_FOUND, statusOf } from "./api-error.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { Calls } from "./calls.ts";
import type { Values } from "./fields.ts";
import type { ApiMethod, Outcome } from "./method.ts";
import { METHODS } from "./methods.ts";
import { openApiDocument } from "./openapi.ts";
import { JsonRequestReader } from "./read-json.ts";
import { JsonResultWriter } from "./write-json.ts";

/** The last segment of the path of requests that name their method themselves. */
const SELF_NAMED = "api";
const DOCUMENT = "openapi.json";

/** Most calls in one request that names them itself. */
const MAX_LINES = 1_024;

/** Most characters of the answers to those, together. */
const MAX_CHARACTERS = 33_554_432;
const TOO_MUCH: ApiError = { code: 107, message: "bad request: too much was answered before: ask for less at once" };

/** Asks for errors as HTTP statuses with the bare error as the body, as the protocol has it. */
const ERROR_MODE_HEADER = "x-centrifugo-error-mode";

/** RFC 8259 knows UTF-8 alone, and a media type is compared without regard to case: RFC 9110, section 8.3.1. */
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;

const JSON_HEADERS = [
  ["content-type", "application/json; charset=utf-8"],
  ["cache-control", "no-store"],
] as const;

export interface HttpCallsParts {
  readonly calls: Calls;
  readonly keys: ApiKeys;
  readonly maxRequestBytes: number;
  /** Told in the OpenAPI document. */
  readonly version: string;
}

/** Calls as HTTP requests with JSON in and out. The last segment of the path is the method. */
export class HttpCalls {
  readonly #calls: Calls;
  readonly #keys: ApiKeys;
  readonly #bodies: BodyReader;
  readonly #reader = new JsonRequestReader();
  readonly #writer = new JsonResultWriter();
  readonly #version: string;
  #document: string | undefined = undefined;

  constructor({ calls, keys, maxRequestBytes, version }: HttpCallsParts) {
    this.#calls = calls;
    this.#keys = keys;
    this.#bodies = new BodyReader(maxRequestBytes);
    this.#version = version;
  }

  /** Fulfilled when the exchange is answered. Whoever shows no key learns nothing but that. */
  async serve(exchange: Exchange): Promise<void> {
    const { path, method, headers, peer } = exchange;
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (name === DOCUMENT) return this.#describe(exchange);
    if (!this.#keys.allows(headers)) {
      this.#calls.unauthorized(path, peer.address);
      return respond(exchange, 401, { headers: [["www-authenticate", "apikey"]] });
    }
    if (name !== SELF_NAMED && !METHODS.has(name)) return this.#answer(exchange, 404, { error: NOT_FOUND });
    if (method !== "POST") return respond(exchange, 405, { headers: [["allow", "POST"]] });
    if (!JSON_TYPE.test(headers.get("content-type") ?? "")) {
      return this.#refuse(exchange, 415, "send content-type: application/json");
    }
    let body: Uint8Array;
    try {
      body = await this.#bodies.read(exchange);
    } catch (thrown) {
      return this.#unreadable(exchange, PolywireError.from(thrown));
    }
    if (name === SELF_NAMED) await this.#serveLines(exchange, body);
    else await this.#serveCall(exchange, name, body);
  }

  async #serveCall(exchange: Exchange, name: string, body: Uint8Array): Promise<void> {
    const method = METHODS.get(name) as ApiMethod;
    let request: Values;
    try {
      request = this.#reader.read(body, method.request);
    } catch (thrown) {
      return this.#malformed(exchange, thrown);
    }
    const outcome = await this.#calls.carryOut(method, request);
    if (outcome.name === "error") return this.#fail(exchange, outcome.value as ApiError);
    respondJson(exchange, 200, this.#write(outcome, method));
  }

  /** The older form: a call on each line, `{"method": …, "params": …}`, and an answer on each line. */
  async #serveLines(exchange: Exchange, body: Uint8Array): Promise<void> {
    const answers: string[] = [];
    try {
      const lines = this.#reader
        .text(body)
        .split("\n")
        .filter((line) => line.trim() !== "");
      if (lines.length === 0) throw new PolywireError("protocol-violation", "there is no call: send one on each line");
      if (lines.length > MAX_LINES) {
        throw new PolywireError("protocol-violation", `there are ${lines.length} calls: send ${MAX_LINES} at most`);
      }
      // All are read before the first is carried out: what cannot be read does nothing.
      const read = lines.map((line) => {
        const { method: name, params } = this.#reader.readCommand(line);
        const method = METHODS.get(name);
        return { method, request: method && this.#reader.readText(params, method.request) };
      });
      let characters = 0;
      for (const { method, request } of read) {
        const isKnown = method !== undefined && request !== undefined;
        const answer = isKnown
          ? this.#write(await this.#calls.carryOut(method, request), method)
          : errorText(NOT_FOUND);
        characters += answer.length;
        answers.push(characters > MAX_CHARACTERS ? errorText(TOO_MUCH) : answer);
      }
    } catch (thrown) {
      return this.#malformed(exchange, thrown);
    }
    respondJson(exchange, 200, answers.join("\n"));
  }

  #write({ name, value }: Outcome, { result }: ApiMethod): string {
    if (name === "error") return errorText(value as ApiError);
    return `{"result":${this.#writer.write(value as Values, result)}}`;
  }

  /** What it describes is in every copy of this package: no secret. */
  #describe(exchange: Exchange): void {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") {
      return respond(exchange, 405, { headers: [["allow", "GET, HEAD"]] });
    }
    this.#document ??= JSON.stringify(openApiDocument({ version: this.#version }));
    respondJson(exchange, 200, this.#document);
  }

  #malformed(exchange: Exchange, thrown: unknown): void {
    const error = apiErrorOf(thrown);
    if (error === undefined) throw thrown;
    this.#answer(exchange, 400, { error });
  }

  #unreadable(exchange: Exchange, { code, message }: PolywireError): void {
    if (code === "too-large") this.#refuse(exchange, 413, message);
    else if (code === "overflow") this.#refuse(exchange, 503, message);
    else respond(exchange, 400, {});
  }

  #refuse(exchange: Exchange, status: number, problem: string): void {
    this.#answer(exchange, status, { error: { code: 107, message: `bad request: ${problem}` } });
  }

  #fail(exchange: Exchange, error: ApiError): void {
    this.#answer(exchange, isTransportMode(exchange.headers) ? statusOf(error) : 200, { error });
  }

  #answer(exchange: Exchange, status: number, { error }: { readonly error: ApiError }): void {
    respondJson(exchange, status, isTransportMode(exchange.headers) ? JSON.stringify(error) : errorText(error));
  }
}

function isTransportMode(headers: Headers): boolean {
  return headers.get(ERROR_MODE_HEADER) === "transport";
}

function errorText({ code, message }: ApiError): string {
  return JSON.stringify({ error: { code, message } });
}

function respondJson(exchange: Exchange, status: number, text: string): void {
  respond(exchange, status, { headers: JSON_HEADERS, text });
}

interface Answer {
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly text?: string;
}

function respond(exchange: Exchange, status: number, { headers = [], text }: Answer): void {
  whileAsked(exchange, () => exchange.respond({ status, headers: new Map(headers) }, text));
}
