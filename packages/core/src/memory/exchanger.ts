import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type {
  Exchange,
  Exchanger,
  Headers,
  Request,
  RequestOptions,
  Response,
  ResponseHead,
} from "../contract/exchange.ts";
import type { Traits } from "../contract/link.ts";
import type { Listener } from "../contract/listener.ts";
import type { Peer } from "../contract/peer.ts";
import type { DialContext, ListenContext } from "../contract/protocol.ts";
import { Cancellation, unlessAborted } from "../wire/cancellation.ts";
import type { MemoryAddresses } from "./addresses.ts";
import { chunksOf, keepSource, MemoryBody, wholeBytes } from "./body.ts";
import { MemoryExchange } from "./exchange.ts";
import { streamFraming } from "./frame.ts";
import { MemoryLink, type MemoryWire } from "./link.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
/** How long a handler may take to answer. */
const ANSWER_TIMEOUT_MS = 30_000;

/** The body of an answer, as a link that only sends. */
const ANSWER_WIRE: MemoryWire = {
  framing: streamFraming,
  traits: {
    kind: "stream",
    ordered: true,
    reliable: true,
    halfClose: false,
    ping: "none",
    text: false,
    closeCodes: false,
    handshake: true,
    content: "any",
  },
};

export interface MemoryServing {
  readonly addresses: MemoryAddresses<MemoryExchangeListener>;
  readonly serve: (exchange: Exchange) => void;
  readonly context: ListenContext;
}

/** A name within the process that answers requests. */
export class MemoryExchangeListener implements Listener {
  readonly endpoint: Endpoint;
  readonly context: ListenContext;
  readonly #addresses: MemoryAddresses<MemoryExchangeListener>;
  readonly #serve: (exchange: Exchange) => void;

  constructor(endpoint: Endpoint, { addresses, serve, context }: MemoryServing) {
    this.#addresses = addresses;
    this.#serve = serve;
    this.context = context;
    this.endpoint = addresses.bind(endpoint, this);
  }

  /** Hands the exchange over in a later turn, and answers it if nobody does in time. */
  serve(exchange: MemoryExchange, finished: AbortSignal): void {
    const { clock, turn } = this.context;
    const timer = clock.setTimer(() => {
      if (!exchange.isAnswered) exchange.respond({ status: 503 }, "no answer in time");
    }, ANSWER_TIMEOUT_MS);
    finished.addEventListener("abort", () => timer.cancel(), { once: true });
    turn.schedule({ flush: () => this.#serve(exchange) });
  }

  close(): Promise<void> {
    this.#addresses.free(this.endpoint, this);
    return Promise.resolve();
  }
}

/** Makes requests to a name within the process. */
export class MemoryExchanger implements Exchanger {
  readonly endpoint: Endpoint;
  readonly traits: Traits;
  readonly #addresses: MemoryAddresses<MemoryExchangeListener>;
  readonly #context: DialContext;
  readonly #underWay = new Set<MemoryRequest>();
  readonly closed: Promise<void>;
  #isClosed = false;
  #allDone: () => void = () => {};

  constructor(endpoint: Endpoint, addresses: MemoryAddresses<MemoryExchangeListener>, context: DialContext) {
    addresses.find(endpoint);
    this.endpoint = endpoint;
    this.#addresses = addresses;
    this.#context = context;
    this.closed = new Promise((resolve) => {
      this.#allDone = resolve;
    });
    const { maxMessageBytes } = context.limits;
    this.traits = { ...ANSWER_WIRE.traits, kind: "request", duplex: true, maxMessageBytes };
  }

  async request(request: Request, options: RequestOptions = {}): Promise<Response> {
    if (this.#isClosed)
      throw new PolywireError("closed", `the exchanger of "${this.endpoint}" was closed: open another`);
    const { maxMessageBytes } = this.traits;
    const body = keepSource(request.body);
    if (wholeBytes(body) > maxMessageBytes)
      throw new PolywireError("too-large", `the body is over maxMessageBytes (${maxMessageBytes}): send it in chunks`);
    const asked = new MemoryRequest({ ...request, body }, options, { endpoint: this.endpoint, context: this.#context });
    this.#underWay.add(asked);
    asked.finished.addEventListener("abort", () => this.#finished(asked), { once: true });
    return asked.askAt(this.#addresses);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    if (this.#underWay.size === 0) this.#allDone();
    return this.closed;
  }

  #finished(asked: MemoryRequest): void {
    this.#underWay.delete(asked);
    if (this.#isClosed && this.#underWay.size === 0) this.#allDone();
  }
}

/** One request from the asking side, until its response is read, given up or out of time. */
class MemoryRequest {
  readonly #request: Request;
  readonly #endpoint: Endpoint;
  readonly #context: DialContext;
  readonly #cancellation: Cancellation;
  /** Told to the serving side when we are gone early. */
  readonly #gone = new AbortController();
  readonly #finished = new AbortController();

  constructor(
    request: Request,
    { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: RequestOptions,
    { endpoint, context }: { endpoint: Endpoint; context: DialContext },
  ) {
    this.#request = request;
    this.#endpoint = endpoint;
    this.#context = context;
    const purpose = `${request.method} "${endpoint}"`;
    this.#cancellation = new Cancellation({ clock: context.clock, signal, timeoutMs, purpose });
    this.#cancellation.signal.addEventListener("abort", () => this.#finish(false), { once: true });
  }

  /** Fires when nothing of this request is left. */
  get finished(): AbortSignal {
    return this.#finished.signal;
  }

  async askAt(addresses: MemoryAddresses<MemoryExchangeListener>): Promise<Response> {
    const { signal } = this.#cancellation;
    try {
      signal.throwIfAborted();
      const listener = addresses.find(this.#endpoint);
      const target = targetOf(this.#request, this.#endpoint);
      const peer: Peer = { address: "memory", secure: false, ...target };
      const verdict = listener.context.admit(peer);
      const admission = verdict instanceof Promise ? await unlessAborted(verdict, signal) : verdict;
      if (!admission.accepted) return this.#response({ status: admission.status }, admission.reason);
      return await unlessAborted(this.#ask(listener, peer, target), signal);
    } catch (thrown) {
      this.#finish(false);
      throw thrown;
    }
  }

  #ask(listener: MemoryExchangeListener, peer: Peer, target: Target): Promise<Response> {
    const { method, body } = this.#request;
    const { signal } = this.#gone;
    const requestBody = new MemoryBody(body, { signal, finished: () => {} });
    return new Promise((resolve) => {
      const exchange = new MemoryExchange(
        { method, ...target, peer, body: requestBody, signal },
        {
          answered: (answer) => resolve(this.#response(answer.head, answer.body)),
          streamLinks: () => this.#streamLinks(listener, peer),
          streamed: (head, link) => resolve(this.#response(head, chunksOf(link))),
        },
      );
      listener.serve(exchange, this.finished);
    });
  }

  #response(head: ResponseHead, source: Response["body"] | Request["body"]): Response {
    const finished = (isComplete: boolean): void => this.#finish(isComplete);
    const body = new MemoryBody(source, { signal: this.#cancellation.signal, finished });
    // A body that is here already holds nothing up, read or not.
    if (typeof source !== "object" || source instanceof Uint8Array) this.#finish(true);
    return { status: head.status, headers: new Map(head.headers), body };
  }

  #streamLinks(listener: MemoryExchangeListener, peer: Peer): { asking: MemoryLink; serving: MemoryLink } {
    const answering: Peer = { address: this.#endpoint.host, secure: false };
    const [asking, serving] = MemoryLink.pair(
      ANSWER_WIRE,
      { host: this.#context, peer: answering },
      { host: listener.context, peer },
    );
    const cutOff = (): void => asking.close({ discard: true });
    if (this.#gone.signal.aborted) cutOff();
    this.#gone.signal.addEventListener("abort", cutOff, { once: true });
    return { asking, serving };
  }

  #finish(isComplete: boolean): void {
    if (this.#finished.signal.aborted) return;
    this.#cancellation.release();
    this.#finished.abort();
    if (!isComplete) this.#gone.abort(new PolywireError("connection-reset", "the peer gave the request up"));
  }
}

interface Target {
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
}

function targetOf({ method, path, headers = new Map() }: Request, endpoint: Endpoint): Target {
  if (typeof method !== "string" || method === "")
    throw new PolywireError("invalid-argument", "a request needs a method, such as GET");
  const lowerCase = new Map([...headers].map(([name, value]) => [name.toLowerCase(), value]));
  if (path === undefined) return { path: endpoint.path || "/", query: endpoint.query, headers: lowerCase };
  if (!path.startsWith("/")) throw new PolywireError("invalid-argument", `path "${path}" must begin with a slash`);
  const parsed = new URL(`http://memory${path}`);
  return { path: parsed.pathname, query: parsed.search.slice(1), headers: lowerCase };
}
