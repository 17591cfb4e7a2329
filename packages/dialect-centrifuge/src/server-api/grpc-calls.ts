import { ACCEPTED, type Admission, type Exchange, type Peer, type ResponseHead } from "@polywire/core";
import { whileAsked } from "../http-answers.ts";
import { type ApiError, apiErrorOf, statusOf } from "./api-error.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { Calls } from "./calls.ts";
import type { Values } from "./fields.ts";
import type { ApiMethod } from "./method.ts";
import { METHODS } from "./methods.ts";
import { API_PACKAGE, type ProtobufMessages, protobufName } from "./protobuf-messages.ts";

/** What the methods of `api.proto` are called by, before their names. */
const SERVICE_PATH = `/${API_PACKAGE}.ServerApi/`;

/** Carries the code of the API in the metadata of an error. */
const CODE_HEADER = "polywire-api-error";

const UNAUTHORIZED = 401;
const NO_KEY = "the API key is missing or wrong";

const BY_PATH: ReadonlyMap<string, ApiMethod> = new Map(
  Array.from(METHODS.values(), (method) => [`${SERVICE_PATH}${protobufName(method.name)}`, method]),
);

/** Whether it is a call of gRPC, whose path is the full name of its method. */
export function isGrpcPath(path: string | undefined): boolean {
  return path?.startsWith(SERVICE_PATH) === true;
}

export interface GrpcCallsParts {
  readonly calls: Calls;
  readonly keys: ApiKeys;
  readonly messages: ProtobufMessages;
  readonly maxMessageBytes: number;
}

/** Calls of gRPC. Errors are told as statuses. */
export class GrpcCalls {
  readonly #calls: Calls;
  readonly #keys: ApiKeys;
  readonly #messages: ProtobufMessages;
  readonly #maxMessageBytes: number;

  constructor({ calls, keys, messages, maxMessageBytes }: GrpcCallsParts) {
    this.#calls = calls;
    this.#keys = keys;
    this.#messages = messages;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Once there is an exchange its message has been read: who has no key does not get that far. */
  admit({ path, headers, address }: Peer): Admission {
    if (this.#keys.allows(headers)) return ACCEPTED;
    this.#calls.unauthorized(path, address);
    return { accepted: false, status: UNAUTHORIZED, reason: NO_KEY };
  }

  /** Fulfilled when the exchange is answered. */
  async serve(exchange: Exchange): Promise<void> {
    // Who makes a handler of parts of ours may have left admission out.
    if (!this.#keys.allows(exchange.headers)) {
      this.#calls.unauthorized(exchange.path, exchange.peer.address);
      return refuse(exchange, UNAUTHORIZED, { message: NO_KEY });
    }
    const method = BY_PATH.get(exchange.path);
    if (method === undefined) return refuse(exchange, 501, { message: "there is no such method" });
    const typeName = protobufName(method.name);
    const body = await exchange.body.bytes(this.#maxMessageBytes);
    let request: Values;
    try {
      request = this.#messages.read(body, `${typeName}Request`, method.request);
    } catch (thrown) {
      const error = apiErrorOf(thrown);
      if (error === undefined) throw thrown;
      return fail(exchange, error);
    }
    const { name, value } = await this.#calls.carryOut(method, request);
    if (name === "error") return fail(exchange, value as ApiError);
    const answer = this.#messages.write(value as Values, `${typeName}Result`, method.result);
    if (answer.length <= this.#maxMessageBytes) return respond(exchange, { status: 200 }, answer);
    const message = `the answer takes ${answer.length} of ${this.#maxMessageBytes} bytes: ask for less`;
    refuse(exchange, 429, { message });
  }
}

function fail(exchange: Exchange, error: ApiError): void {
  refuse(exchange, statusOf(error), { message: error.message, code: error.code });
}

/** Without a body: whoever decodes messages would take it for one. */
function refuse(exchange: Exchange, status: number, { message, code }: { message: string; code?: number }): void {
  const headers = new Map([["grpc-message", message]]);
  if (code !== undefined) headers.set(CODE_HEADER, String(code));
  respond(exchange, { status, headers });
}

function respond(exchange: Exchange, head: ResponseHead, body?: Uint8Array): void {
  whileAsked(exchange, () => exchange.respond(head, body));
}
