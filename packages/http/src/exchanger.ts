import { isIP, type LookupFunction, Socket } from "node:net";
import {
  type BodySource,
  checkPayload,
  checkTimeout,
  type DialContext,
  type Endpoint,
  type Exchanger,
  PolywireError,
  type Request,
  type RequestOptions,
  type Response,
  retryAfterMs,
  type Traits,
  unlessAborted,
} from "@polywire/core";
import { buildConnector, type Dispatcher, Pool } from "undici";
import { ACCEPTED_CODINGS } from "./decoding.ts";
import { Dispatch, type Outcome } from "./dispatch.ts";
import { requestError } from "./errors.ts";
import type { CompleteDialOptions } from "./options.ts";
import { requestTraits } from "./traits.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_HEADER_BYTES = 16_384;
/** Longest rest before a request whose connection broke off is sent again. */
const RETRY_REST_MS = 100;
/** Statuses whose `Retry-After` is a promise: RFC 6585, section 4, and RFC 9110, section 15.6.4. */
const BUSY_STATUS: ReadonlySet<number> = new Set([429, 503]);
/** Most of a response that nobody wants that is read, so that its connection can go on, before that is given up. */
const MAX_UNWANTED_BYTES = 16_384;
/** RFC 9110, section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
/** These belong to the connection, which is the library's. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "upgrade",
  "transfer-encoding",
  "keep-alive",
  "host",
]);

type PoolOptions = CompleteDialOptions & { readonly lookup: LookupFunction };

/** Figures of an exchanger's connections. */
export interface HttpExchangerStats {
  /** Open connections, and those of them that do nothing. */
  readonly connected: number;
  readonly free: number;
  /** Requests under way, and those that wait for a connection. */
  readonly running: number;
  readonly waiting: number;
}

/** Makes requests to one server of HTTP. */
export class HttpExchanger implements Exchanger {
  readonly endpoint: Endpoint;
  readonly traits: Traits;
  readonly closed: Promise<void>;
  readonly #context: DialContext;
  readonly #options: PoolOptions;
  readonly #pool: Pool;
  readonly #headers: Readonly<Record<string, string>>;
  #isClosed = false;
  #allClosed: () => void = () => {};

  constructor(endpoint: Endpoint, context: DialContext, options: PoolOptions) {
    this.endpoint = endpoint;
    this.traits = requestTraits(context.limits);
    this.#context = context;
    this.#options = options;
    const own = checkHeaders({ ...Object.fromEntries(context.metadata), ...options.headers });
    this.#headers = options.decompress ? { "accept-encoding": ACCEPTED_CODINGS, ...own } : own;
    this.closed = new Promise((resolve) => {
      this.#allClosed = resolve;
    });
    this.#pool = openPool(endpoint, context, options);
  }

  stats(): HttpExchangerStats {
    const { connected, free, running, pending } = this.#pool.stats;
    return { connected, free, running, waiting: pending };
  }

  async request(request: Request, options: RequestOptions = {}): Promise<Response> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    checkTimeout(timeoutMs);
    const { method, body } = request;
    const purpose = `${method} "${this.endpoint}"`;
    if (this.#isClosed) throw new PolywireError("closed", `${purpose}: the exchanger was closed: open another`);
    if (typeof method !== "string" || method === "")
      throw new PolywireError("invalid-argument", "a request needs a method, such as GET");
    const dispatched: Dispatcher.DispatchOptions = {
      method: method as Dispatcher.HttpMethod,
      path: this.#path(request),
      headers: this.#fields(request),
      body: bodyOf(body, this.traits.maxMessageBytes) as never,
    };
    const { clock } = this.#context;
    const deadlineMs = clock.now() + timeoutMs;
    const isRepeatable = IDEMPOTENT.has(method) && !isChunks(body);
    for (let retries = isRepeatable ? this.#options.retries : 0; ; retries--) {
      const outcome = await this.#send(dispatched, { purpose, deadlineMs, timeoutMs, signal });
      const restMs = retries === 0 ? undefined : this.#restBeforeRetry(outcome);
      if (restMs === undefined || clock.now() + restMs >= deadlineMs) return theResponse(outcome);
      if ("response" in outcome) discard(outcome.response);
      await this.#rest(restMs, { purpose, signal });
      if (clock.now() < deadlineMs) continue;
      if ("error" in outcome) throw outcome.error;
      throw new PolywireError("timed-out", `${purpose}: no time for another attempt within ${timeoutMs} ms`);
    }
  }

  /** How long to wait before the request is sent again; nothing if it is not to be. */
  #restBeforeRetry(outcome: Outcome): number | undefined {
    const { clock, random } = this.#context;
    if ("response" in outcome) {
      const { status, headers } = outcome.response;
      return BUSY_STATUS.has(status) ? retryAfterMs(headers, clock.wallTime()) : undefined;
    }
    const { error, isUnanswered } = outcome;
    return isUnanswered && error.code === "connection-reset" ? random() * RETRY_REST_MS : undefined;
  }

  /** Somebody awaits the outcome, and no socket may be open meanwhile: so the timer keeps the process alive. */
  async #rest(
    restMs: number,
    { purpose, signal }: { purpose: string; signal: AbortSignal | undefined },
  ): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = this.#context.clock.setTimer(over.resolve, restMs, { keepsAlive: true });
    try {
      await (signal === undefined ? over.promise : unlessAborted(over.promise, signal));
    } catch (thrown) {
      throw PolywireError.from(thrown, "aborted", `${purpose}: aborted by the caller`);
    } finally {
      timer.cancel();
    }
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      // Waits for the requests under way. What the library says of those that fail is told to whoever made them.
      void this.#pool.close().then(this.#allClosed, this.#allClosed);
    }
    return this.closed;
  }

  #send(
    dispatched: Dispatcher.DispatchOptions,
    parts: {
      readonly purpose: string;
      readonly deadlineMs: number;
      readonly timeoutMs: number;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<Outcome> {
    const { purpose, signal } = parts;
    return new Promise((settled) => {
      if (signal?.aborted === true) {
        const message = `${purpose}: aborted by the caller`;
        const cause: unknown = signal.reason;
        const error = PolywireError.is(cause) ? cause : new PolywireError("aborted", message, { cause });
        return settled({ error, isUnanswered: false });
      }
      const { headersTimeoutMs, maxResponseBytes, decompress } = this.#options;
      const limits = { headersTimeoutMs, maxResponseBytes };
      const { method } = dispatched;
      const { clock } = this.#context;
      const dispatch = new Dispatch({ ...parts, ...limits, clock, method, decompress, settled });
      try {
        this.#pool.dispatch(dispatched, dispatch);
      } catch (thrown) {
        dispatch.onResponseError(undefined as never, thrown as Error);
      }
    });
  }

  #path({ path }: Request): string {
    if (path === undefined) return `${this.endpoint.path || "/"}${this.endpoint.query && `?${this.endpoint.query}`}`;
    if (typeof path === "string" && path.startsWith("/")) return path;
    throw new PolywireError("invalid-argument", `path "${String(path)}" must begin with a slash`);
  }

  #fields({ headers }: Request): Readonly<Record<string, string>> {
    if (headers === undefined || headers.size === 0) return this.#headers;
    return { ...this.#headers, ...checkHeaders(Object.fromEntries(headers)) };
  }
}

function theResponse(outcome: Outcome): Response {
  if ("response" in outcome) return outcome.response;
  throw outcome.error;
}

/** Lets go of a response that is not handed on. */
function discard({ body }: Response): void {
  body.bytes(MAX_UNWANTED_BYTES).catch(() => {
    // Nobody wanted it.
  });
}

function openPool(endpoint: Endpoint, context: DialContext, options: PoolOptions): Pool {
  const { host, scheme, port } = endpoint;
  const authority = isIP(host) === 6 ? `[${host}]` : host;
  const { tls, lookup, connections, http2, connectTimeoutMs, headersTimeoutMs, bodyGapTimeoutMs } = options;
  try {
    return new Pool(`${scheme}://${authority}${port === undefined ? "" : `:${port}`}`, {
      connections,
      pipelining: 1,
      allowH2: http2,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: bodyGapTimeoutMs,
      connect: markedConnector(context, {
        lookup,
        ...tls,
        timeout: connectTimeoutMs,
        allowH2: http2,
      } as buildConnector.BuildOptions),
    });
  } catch (thrown) {
    throw requestError(thrown, `open "${endpoint}"`);
  }
}

/** Connects as the library does, and tells of the phases. */
function markedConnector(context: DialContext, options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options);
  return (target, callback) => {
    // It returns the socket, which its types do not say.
    const socket: unknown = connect(target, callback);
    if (!(socket instanceof Socket)) return;
    socket.once("lookup", () => context.mark("dns"));
    socket.once("connect", () => context.mark("connect"));
    socket.once("secureConnect", () => context.mark("tls"));
  };
}

/** @throws PolywireError `invalid-argument` naming the header that is wrong. */
function checkHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") throw new PolywireError("invalid-argument", `header ${name}: give a string`);
    const lowerCase = name.toLowerCase();
    if (RESERVED_HEADERS.has(lowerCase))
      throw new PolywireError("invalid-argument", `header ${name}: it belongs to the connection itself`);
    checked[lowerCase] = value;
  }
  return checked;
}

function isChunks(body: BodySource): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

/** What the library takes: bytes are copied, because the caller may reuse them before they have left. */
function bodyOf(body: BodySource, maxBytes: number): string | Buffer | AsyncIterable<Uint8Array> | null {
  if (body === undefined) return null;
  if (isChunks(body)) return checkedChunks(body);
  checkPayload(body);
  const bytes = Buffer.from(body as string);
  if (bytes.byteLength <= maxBytes) return bytes;
  throw new PolywireError("too-large", `the body is over maxMessageBytes (${maxBytes}): send it in chunks`);
}

async function* checkedChunks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array))
      throw new PolywireError("invalid-argument", `a body gave a chunk of type ${typeof chunk}: give Uint8Array`);
    yield chunk;
  }
}
