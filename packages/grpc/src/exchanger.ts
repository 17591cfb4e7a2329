import type { OutgoingHttpHeaders } from "node:http2";
import {
  Cancellation,
  type Checkable,
  type DialContext,
  type Endpoint,
  type Exchanger,
  type Headers,
  PolywireError,
  type Request,
  type RequestOptions,
  type Response,
  type Traits,
  unlessAborted,
} from "@polywire/core";
import { checkBody, gather, isChunked } from "./body-source.ts";
import { ClientCall } from "./client-call.ts";
import { ClientConnection } from "./client-connection.ts";
import { callHeaders, type DialParts } from "./dial.ts";
import { frame } from "./frame.ts";
import { checkHealth } from "./health.ts";
import { addMetadata, type OutgoingMetadata } from "./metadata.ts";
import { type CallMethod, readAnswer, readAnswers } from "./method.ts";
import { callTarget } from "./routes.ts";
import { encodeTimeout } from "./timeout.ts";
import { answerTraits } from "./traits.ts";

const DEFAULT_TIMEOUT_MS = 30_000;

/** How a typed call differs from others. */
export interface CallOptions extends RequestOptions {
  /** Metadata of this call. */
  readonly headers?: Headers;
}

interface PreparedCall {
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly message: Buffer | AsyncIterable<Uint8Array>;
}

/** Makes unary calls, and calls that are answered with a stream, over one connection that is made anew when it is lost. */
export class GrpcExchanger implements Exchanger, Checkable {
  readonly endpoint: Endpoint;
  readonly traits: Traits;
  readonly closed: Promise<void>;
  readonly #parts: DialParts;
  readonly #context: DialContext;
  readonly #metadata: OutgoingMetadata;
  #connection: Promise<ClientConnection> | ClientConnection | undefined;
  /** What makes requests past whatever stands around `request`. */
  readonly #unwatched: Pick<Exchanger, "endpoint" | "request">;
  #underWay = 0;
  #isClosed = false;
  #allDone: () => void = () => {};

  private constructor(connection: ClientConnection, endpoint: Endpoint, parts: DialParts) {
    const { context, options } = parts;
    this.endpoint = endpoint;
    this.closed = new Promise((resolve) => {
      this.#allDone = resolve;
    });
    this.#unwatched = { endpoint, request: (request, callOptions = {}) => this.#request(request, callOptions) };
    this.#connection = connection;
    this.#parts = parts;
    this.#context = context;
    this.#metadata = addMetadata({ ...options.headers }, context.metadata);
    this.traits = { ...answerTraits(context.limits), kind: "request" };
  }

  /** Fulfilled when connected. */
  static async open(endpoint: Endpoint, parts: DialParts): Promise<GrpcExchanger> {
    addMetadata({}, parts.context.metadata);
    return new GrpcExchanger(await ClientConnection.connect(endpoint, parts), endpoint, parts);
  }

  /**
   * Makes one call. `method` is the full method name, or `POST` with the name as `path`; without either it is the path
   * of the endpoint. The body is the call's one message.
   */
  async request(request: Request, options: RequestOptions = {}): Promise<Response> {
    return this.#request(request, options);
  }

  /**
   * Asks the health service of the server (`grpc.health.v1`) for the server as a whole. One without a health service is
   * well, as long as it answers.
   *
   * @throws PolywireError `not-available` where the server says that it does not serve; why it cannot be asked.
   */
  async check(signal: AbortSignal): Promise<void> {
    const status = await checkHealth(this.#unwatched, "", { signal });
    if (status === "SERVING" || status === "SERVICE_UNKNOWN") return;
    throw new PolywireError("not-available", `the health service of "${this.endpoint}" says ${status}`);
  }

  async #request(request: Request, options: RequestOptions): Promise<Response> {
    const path = this.#pathOf(request);
    const { headers = new Map(), body } = request;
    const call = callHeaders(path, addMetadata({ ...this.#metadata }, headers));
    // Before anything is waited for: the caller may reuse its memory.
    const { maxMessageBytes } = this.traits;
    const message = isChunked(body) ? body : frame(checkBody(body, maxMessageBytes));
    return this.#send({ path, headers: call, message }, options);
  }

  /**
   * Makes a unary call with a method definition of a generated client (`@grpc/proto-loader`, ts-proto, `grpc-tools`).
   *
   * @throws PolywireError for every status but OK; `grpcStatusOf(error)` has the code.
   */
  async call<Request, Answer>(
    method: CallMethod<Request, Answer>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Answer> {
    return readAnswer(method, await this.#typed(method, request, options), this.#purpose(method.path));
  }

  /** Makes a call that is answered with a stream, with a method definition of a generated client. */
  async *stream<Request, Answer>(
    method: CallMethod<Request, Answer>,
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Answer, void, undefined> {
    yield* readAnswers(method, await this.#typed(method, request, options), this.#purpose(method.path));
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#closeIfDone();
    return this.closed;
  }

  #typed<Request, Answer>(
    { path, requestSerialize }: CallMethod<Request, Answer>,
    request: Request,
    { headers, ...options }: CallOptions,
  ): Promise<Response> {
    const body = requestSerialize(request);
    return this.request({ method: path, body, ...(headers !== undefined && { headers }) }, options);
  }

  async #send({ path, headers, message }: PreparedCall, options: RequestOptions): Promise<Response> {
    if (this.#isClosed)
      throw new PolywireError("closed", `the exchanger of "${this.endpoint}" was closed: open another`);
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const { clock } = this.#context;
    const purpose = this.#purpose(path);
    const cancellation = new Cancellation({ clock, signal, timeoutMs, purpose });
    const endsAtMs = clock.now() + timeoutMs;
    this.#underWay++;
    let isFinished = false;
    const finished = (): void => {
      if (isFinished) return;
      isFinished = true;
      cancellation.release();
      this.#underWay--;
      this.#closeIfDone();
    };
    try {
      cancellation.signal.throwIfAborted();
      const { maxMessageBytes } = this.traits;
      const bytes = isChunked(message) ? frame(await gather(message, maxMessageBytes)) : message;
      for (let isRetry = false; ; isRetry = true) {
        const connection = await this.#connected(cancellation.signal);
        const timeout = encodeTimeout(Math.max(endsAtMs - clock.now(), 1));
        const stream = connection.request({ ...headers, "grpc-timeout": timeout });
        const parts = { purpose, maxMessageBytes, signal: cancellation.signal };
        const call: ClientCall = new ClientCall(stream, {
          ...parts,
          finished: () => {
            if (isRetry || !call.wasRefused) finished();
          },
        });
        stream.end(bytes);
        try {
          return await call.response;
        } catch (thrown) {
          // The server had not begun with it, so to ask again is safe: once.
          if (isRetry || !call.wasRefused) throw thrown;
        }
      }
    } catch (thrown) {
      finished();
      throw thrown;
    }
  }

  #pathOf({ method, path = this.endpoint.path }: Request): string {
    const isName = typeof method === "string" && method.startsWith("/");
    if (!isName && method !== "POST")
      throw new PolywireError(
        "invalid-argument",
        `method is "${String(method)}": give the full method name, such as /package.Service/Method, or POST and a path`,
      );
    const target = isName ? method : path;
    if (callTarget(target) === undefined || target.split("?", 1)[0]?.endsWith("/") === true)
      throw new PolywireError("invalid-argument", `"${target}" names no method: write it like /package.Service/Method`);
    return target;
  }

  #purpose(path: string): string {
    return `call ${path.split("?", 1)[0]} on "${this.endpoint}"`;
  }

  /** The connection there is, or a new one that all who wait for it share. */
  #connected(signal: AbortSignal): ClientConnection | Promise<ClientConnection> {
    signal.throwIfAborted();
    const known = this.#connection;
    if (known instanceof ClientConnection && known.isUsable) return known;
    if (known instanceof Promise) return unlessAborted(known, signal);
    const connecting = this.#reconnect();
    this.#connection = connecting;
    return unlessAborted(connecting, signal);
  }

  async #reconnect(): Promise<ClientConnection> {
    const { clock, limits } = this.#context;
    const purpose = `connect to "${this.endpoint}"`;
    const cancellation = new Cancellation({ clock, timeoutMs: limits.handshakeTimeoutMs, purpose });
    const context = { clock, limits, mark: ignoreMark, signal: cancellation.signal };
    try {
      const connection = await ClientConnection.connect(this.endpoint, { ...this.#parts, context });
      this.#connection = connection;
      this.#closeIfDone();
      return connection;
    } catch (thrown) {
      this.#connection = undefined;
      throw thrown;
    } finally {
      cancellation.release();
    }
  }

  #closeIfDone(): void {
    if (!this.#isClosed || this.#underWay > 0) return;
    if (this.#connection instanceof ClientConnection) this.#connection.close();
    this.#allDone();
  }
}

/** The timeline of the dial is over: a connection that is made anew has none. */
function ignoreMark(): void {}
